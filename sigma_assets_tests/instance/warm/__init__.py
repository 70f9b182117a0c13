"""Tests of warm run workers."""
