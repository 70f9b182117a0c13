"""Tests of DataFrames in and out of tables."""
