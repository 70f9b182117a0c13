#!/bin/sh
# Two roles without superuser rights: the pipeline owns its schema, the status server only reads. Run once, as the
# database's administrator (the postgres image does it at its first start).
set -eu
psql -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-sigma}" \
  -v pipeline="$SIGMA_PIPELINE_PASSWORD" -v status="$SIGMA_STATUS_PASSWORD" <<'SQL'
CREATE ROLE sigma_pipeline LOGIN PASSWORD :'pipeline';
CREATE ROLE sigma_status LOGIN PASSWORD :'status';
CREATE SCHEMA sigma AUTHORIZATION sigma_pipeline;
GRANT CREATE, USAGE ON SCHEMA public TO sigma_pipeline;
GRANT USAGE ON SCHEMA public, sigma TO sigma_status;
ALTER DEFAULT PRIVILEGES FOR ROLE sigma_pipeline IN SCHEMA public, sigma GRANT SELECT ON TABLES TO sigma_status;
SQL
