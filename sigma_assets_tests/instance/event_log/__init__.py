"""Tests of what both event logs do otherwise than Dagster's."""
