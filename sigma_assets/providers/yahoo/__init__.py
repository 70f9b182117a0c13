"""The price source Yahoo Finance."""
