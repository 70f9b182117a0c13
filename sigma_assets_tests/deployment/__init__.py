"""Tests of the deployment on PostgreSQL: deploy/, several processes, faults, rights, secrets."""
