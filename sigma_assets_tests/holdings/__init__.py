"""Tests of reading holdings."""
