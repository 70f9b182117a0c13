"""Metadata of the observations that a step writes about itself while it runs: the words that writer and reader share."""

CURRENT = "progress/current"
TOTAL = "progress/total"
UNIT = "progress/unit"
DETAIL = "progress/detail"
"""Lines of detail since the observation before, such as `AAPL: 254 sessions in 0.3 s`."""
