"""Dagster's SQLite storage with batched events, for any number of processes."""
