"""Tests of price sources."""
