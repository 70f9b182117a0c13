"""Tests of the fold of events."""
