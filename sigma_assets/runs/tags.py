"""Run tags: what a run covers and why, who requested it, its time limit. Independent of Dagster."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sigma_assets.storage.roster import Roster

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"
PRIORITY = "dagster/priority"
MAX_RUNTIME = "dagster/max_runtime"
MAX_RETRIES = "dagster/max_retries"
ROOT_RUN = "dagster/root_run_id"
SOURCE = "sigma/source"
REASON = "sigma/reason"
TARGET = "sigma/target"
"""Last session that was due when the run was planned: a run over less does not complete a portfolio."""
PRICES_SEEN = "sigma/prices_revision"
"""The newest price load when a run over what corrected prices touch was planned; later ones may touch what it leaves out."""
PORTFOLIO = "sigma/portfolio_id"
PORTFOLIO_NAME = "sigma/portfolio"
"""The readable name of its partition, for people who look for a run in Dagster's UI."""
CREATED_BY = "user"
"""What Dagster's UI shows as "created by"; a run without it, and without a sensor's tag, is "manually launched"."""
PORTFOLIOS = "sigma/portfolios"
"""Spans of the roster: what the run covers, whatever becomes of the partitions at the ends of its range."""
SPANS_PER_TAG = 150
"""PostgreSQL indexes the values of tags, and an index entry takes 2,700 bytes at most: more spans go into further tags."""

MISSING, HOLDINGS_CHANGED, PRICES_CORRECTED = "missing", "holdings changed", "prices corrected"
PRICES_LATE, FORCED = "prices late", "run again on request"
OUTDATED = "method changed"
AGAIN = (HOLDINGS_CHANGED, PRICES_CORRECTED, FORCED, OUTDATED)
"""Reasons to run over partitions that are there already: until such a run is done, they are owed (`watermark`)."""

PORTFOLIO_JOB = "portfolios"
SYMBOL_JOB = "symbols"


def partition_key(session: date, name: str | None = None) -> str:
    """Return the key of a session, or of a session and a portfolio's partition."""
    return f"{session}|{name}" if name else str(session)


@dataclass(frozen=True)
class PlannedRun:
    """One run: a rectangle of sessions x portfolios, and the assets that are missing all over it.

    Attributes
    ----------
    assets : names, in the order of the pipeline.
    first, last : its range of sessions, both included.
    portfolio_ids : neighbours in the order of the dynamic partitions; empty for the universe.
    reason : why it is run, in a few words.
    target : last session that was due when it was planned, whatever part of it this run covers.
    prices_seen : the newest price load when it was planned.
    """

    assets: tuple[str, ...]
    first: date
    last: date
    portfolio_ids: tuple[str, ...] = ()
    reason: str = MISSING
    target: date | None = field(default=None, compare=False)
    prices_seen: int | None = field(default=None, compare=False)


def run_tags(planned: PlannedRun, roster: Roster, *, source: str, max_runtime_seconds: int) -> dict[str, str]:
    """Return all tags of a run: its range, its portfolios, who asked for it and why, how long it may take."""
    names = [roster.name_of[portfolio_id] for portfolio_id in planned.portfolio_ids]
    tags = {
        SOURCE: source,
        REASON: planned.reason,
        MAX_RUNTIME: str(max_runtime_seconds),
        RANGE_START: partition_key(planned.first, names[0] if names else None),
        RANGE_END: partition_key(planned.last, names[-1] if names else None),
        **portfolio_tags(roster.spans(planned.portfolio_ids)),
    }
    if not planned.portfolio_ids:
        tags[PRIORITY] = "1"  # hundreds of new portfolios may be in the queue, and the night of all others waits for it
    if planned.target is not None:
        tags[TARGET] = str(planned.target)
    if planned.prices_seen is not None and planned.reason == PRICES_CORRECTED:
        tags[PRICES_SEEN] = str(planned.prices_seen)
    if len(planned.portfolio_ids) == 1:
        tags |= {PORTFOLIO: planned.portfolio_ids[0], PORTFOLIO_NAME: names[0]}
    return tags


def portfolio_tags(spans: Sequence[str]) -> dict[str, str]:
    """Return the tags that write down spans of the roster."""
    parts = (spans[start : start + SPANS_PER_TAG] for start in range(0, len(spans), SPANS_PER_TAG))
    return {f"{PORTFOLIOS}-{number}" if number else PORTFOLIOS: ",".join(part) for number, part in enumerate(parts)}


def spans_of(tags: Mapping[str, str]) -> list[str]:
    """Return the spans of the roster that a run's tags write down; none for a run that has not written them down."""
    keys = itertools.chain([PORTFOLIOS], (f"{PORTFOLIOS}-{number}" for number in itertools.count(1)))
    return [span for key in itertools.takewhile(tags.__contains__, keys) for span in tags[key].split(",")]
