"""Dagster's storage, read once: partitions, tags, the watermark, what a run covers and how it went."""
