"""Tests of the connection to the database."""
