"""Tests: mirrors sigma_assets."""
