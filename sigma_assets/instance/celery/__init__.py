"""Runs on any number of hosts: Celery's broker carries each run to a host, PostgreSQL tells whether it lives there."""
