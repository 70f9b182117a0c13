"""Tests of why something runs again."""
