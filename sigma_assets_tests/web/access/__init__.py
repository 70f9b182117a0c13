"""Tests of who may see the pages, and of how Dagster's are served."""
