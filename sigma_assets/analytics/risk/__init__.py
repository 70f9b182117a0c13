"""Volatility, correlations and risk at held weights."""
