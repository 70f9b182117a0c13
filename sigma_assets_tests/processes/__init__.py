"""Tests that run the real processes: code server, daemon, run workers."""
