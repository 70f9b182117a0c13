#!/bin/sh
# Two roles without superuser rights: the pipeline owns its schema, the status server only reads. Run as the database's
# administrator (the postgres image does it at its first start); run again, it sets new passwords.
# The passwords reach psql through its environment: arguments are seen by every user of the machine.
set -eu
: "${SIGMA_PIPELINE_PASSWORD:?set it}" "${SIGMA_STATUS_PASSWORD:?set it}"
export SIGMA_PIPELINE_PASSWORD SIGMA_STATUS_PASSWORD
psql -q -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-sigma}" <<'SQL'
\set pipeline `printf %s "$SIGMA_PIPELINE_PASSWORD"`
\set status `printf %s "$SIGMA_STATUS_PASSWORD"`
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['sigma_pipeline', 'sigma_status']) AS name
  WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE sigma_pipeline PASSWORD :'pipeline';
ALTER ROLE sigma_status PASSWORD :'status';
CREATE SCHEMA IF NOT EXISTS sigma AUTHORIZATION sigma_pipeline;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO sigma_pipeline;
GRANT USAGE ON SCHEMA public, sigma TO sigma_status;
ALTER DEFAULT PRIVILEGES FOR ROLE sigma_pipeline IN SCHEMA public, sigma GRANT SELECT ON TABLES TO sigma_status;
SQL
