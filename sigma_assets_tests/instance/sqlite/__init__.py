"""Tests of the storages on SQLite."""
