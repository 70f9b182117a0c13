"""Tests of the Dagster instance: storage, launcher, configuration."""
