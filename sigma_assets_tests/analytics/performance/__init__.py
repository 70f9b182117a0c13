"""Tests of `sigma_assets.analytics.performance`."""
