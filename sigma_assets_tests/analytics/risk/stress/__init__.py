"""Tests of `sigma_assets.analytics.risk.stress`."""
