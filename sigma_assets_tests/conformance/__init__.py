"""Dagster's own storage suites, run on our storages: `make conformance`. Fetched, never copied."""
