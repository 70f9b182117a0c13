"""Tests of the price sources, against loopback servers that answer like the real ones."""
