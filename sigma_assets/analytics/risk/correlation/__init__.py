"""Correlation matrices of holdings, and their clusters."""
