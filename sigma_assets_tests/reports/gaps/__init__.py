"""Tests of what is said to lack."""
