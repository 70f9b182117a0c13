"""Tests of what commands print, ask and open."""
