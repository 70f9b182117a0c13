"""The language of run tags: what a run covers, who asked for it, how long it may take. Knows no Dagster."""

from collections.abc import Sequence
from datetime import date

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
MAX_RUNTIME = "dagster/max_runtime"
SOURCE = "sigma/source"
PORTFOLIO = "sigma/portfolio_id"
AGAIN = "sigma/again"
"""Marks a run over partitions that are there already: until it is done, they are owed (`watermark`)."""

PORTFOLIO_JOB = "portfolios"
SYMBOL_JOB = "symbols"


def partition_key(session: date, portfolio_id: str | None = None) -> str:
    """Return the key of a session, or of a session and a portfolio."""
    return f"{session}|{portfolio_id}" if portfolio_id else str(session)


def range_tags(first: date, last: date, portfolio_ids: Sequence[str] = ()) -> dict[str, str]:
    """Return the run tags that select a range: sessions x a contiguous slice of the portfolios in insertion order."""
    start, end = (portfolio_ids[0], portfolio_ids[-1]) if portfolio_ids else (None, None)
    return {RANGE_START: partition_key(first, start), RANGE_END: partition_key(last, end)}


def run_tags(
    first: date, last: date, portfolio_ids: Sequence[str], *, source: str, max_runtime_seconds: int, again: bool = False
) -> dict[str, str]:
    """Return all tags of a run: its range, who asked for it, how long it may take, its portfolio if it is one."""
    tags = {SOURCE: source, MAX_RUNTIME: str(max_runtime_seconds), **range_tags(first, last, portfolio_ids)}
    if len(portfolio_ids) == 1:
        tags[PORTFOLIO] = portfolio_ids[0]
    return tags | ({AGAIN: "true"} if again else {})
