"""What to run: a pure function from missing partitions to runs. Every entry point uses it, so none can skip anything."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sigma_assets.base.frames import SessionArray
from sigma_assets.runs.tags import MISSING, PlannedRun

Needs = dict[tuple[str | None, str], SessionArray]
"""(portfolio id, or None for the universe; asset) -> sessions that must run, ascending."""

MAX_CELLS = 5_000
"""Most sessions x portfolios in one run: bounds its memory (0.85 GiB at 30 lots each), its time and what a
crash can cost. A night of 1,000 portfolios is one run where there is one worker."""
LOTS = 30
"""A portfolio of more lots counts as several: one of 3,000 as a hundred."""
MIN_CELLS = 250
"""Fewest sessions x portfolios for which another worker is worth its start and a second reading of the prices."""
MAX_UNIVERSE_SESSIONS = 260
"""Most sessions in one run of the universe, for the same reasons: a year of 1,200 symbols takes 0.7 GiB."""


def plan_runs(
    missing: Mapping[tuple[str | None, str], SessionArray],
    *,
    assets: Sequence[str],
    order: Sequence[str],
    calendar: SessionArray,
    reason: str = MISSING,
    workers: int = 1,
    lots: Mapping[str, int] | None = None,
) -> list[PlannedRun]:
    """Return the runs that materialise exactly what is missing, earliest sessions first, then the largest first.

    Portfolios that miss the same assets on the same sessions share a run, as far as they are neighbours in `order`
    (a run's range is one slice of it). Such a run is divided evenly among the workers, but into no smaller parts than
    `MIN_CELLS`.

    Parameters
    ----------
    missing : (portfolio id or None, asset) -> sessions; absent or empty where nothing is missing.
    assets : the assets of the job, in the order of the pipeline.
    order : the dynamic portfolio partitions in insertion order.
    calendar : all sessions, ascending; sessions that are neighbours in it can share a run.
    workers : how many runs can be executed at once, on all hosts together.
    lots : how many lots each portfolio has; those of `LOTS` or fewer may be absent.
    """
    wanted = {key: sessions for key, sessions in missing.items() if len(sessions)}
    if not wanted:
        return []
    first, last = min(days.min() for days in wanted.values()), max(days.max() for days in wanted.values())
    calendar = calendar[(calendar >= first) & (calendar <= last)]
    columns = _columns({portfolio_id for portfolio_id, _ in wanted}, order)
    position = {portfolio_id: column for column, portfolio_id in enumerate(columns)}
    mask = np.zeros((len(calendar), len(columns)), dtype=np.int64)
    for (portfolio_id, asset), sessions in wanted.items():
        mask[np.searchsorted(calendar, sessions), position[portfolio_id]] |= 1 << assets.index(asset)
    planned = [
        PlannedRun(
            assets=tuple(asset for bit, asset in enumerate(assets) if bits >> bit & 1),
            first=calendar[top].item(),
            last=calendar[bottom - 1].item(),
            portfolio_ids=tuple(str(column) for column in columns[left:right] if column is not None),
            reason=reason,
        )
        for top, bottom, left, right, bits in _rectangles(mask)
    ]
    weights = {key: -(-count // LOTS) for key, count in (lots or {}).items() if count > LOTS}
    parts = (part for run in planned for part in _parts(run, calendar, workers, weights))
    return sorted(parts, key=lambda run: (run.first, run.last, -_weight(run.portfolio_ids, weights)))


def launchable(planned: Iterable[PlannedRun], busy: Collection[str]) -> list[PlannedRun]:
    """Return the planned runs that can start now: none touches a busy portfolio, no two touch the same one."""
    taken, chosen = set(busy), []
    for run in planned:
        if taken.isdisjoint(run.portfolio_ids):
            chosen.append(run)
        taken.update(run.portfolio_ids)
    return chosen


def backoff_seconds(failures: int) -> float:
    """Return how long to wait after a number of failures in a row: a minute, doubled up to an hour; 0 after none."""
    return min(60.0 * 2.0 ** (failures - 1), 3600.0) if failures else 0.0


def _columns(portfolio_ids: Collection[str | None], order: Sequence[str]) -> list[str | None]:
    """Return the slice of the order that spans some portfolios; the universe (None) is a column of its own."""
    if None in portfolio_ids:
        return [None]
    inside = [position for position, portfolio_id in enumerate(order) if portfolio_id in portfolio_ids]
    return list(order[inside[0] : inside[-1] + 1])


def _rectangles(mask: np.ndarray) -> Iterable[tuple[int, int, int, int, int]]:
    """Yield (top, bottom, left, right, bits): blocks of equal, non-zero bits; the same slice over consecutive rows."""
    open_blocks: dict[tuple[int, int, int], int] = {}
    previous: np.ndarray | None = None
    for row in range(len(mask) + 1):
        current = mask[row] if row < len(mask) else np.zeros(mask.shape[1], dtype=mask.dtype)
        if previous is not None and np.array_equal(current, previous):
            continue
        blocks = set(_slices(current))
        for block in [block for block in open_blocks if block not in blocks]:
            left, right, bits = block
            yield open_blocks.pop(block), row, left, right, bits
        for block in blocks:
            open_blocks.setdefault(block, row)
        previous = current


def _slices(bits: np.ndarray) -> Iterable[tuple[int, int, int]]:
    edges = np.flatnonzero(np.diff(bits, prepend=0, append=0)).tolist()
    for left, right in itertools.pairwise(edges):
        if bits[left]:
            yield left, right, int(bits[left])


def _parts(run: PlannedRun, calendar: SessionArray, workers: int, weights: Mapping[str, int]) -> Iterable[PlannedRun]:
    """Yield the run in parts of at most MAX_CELLS: cut by portfolios first, then by sessions; the universe by sessions."""
    top, bottom = np.searchsorted(calendar, np.array([run.first, run.last], dtype="datetime64[D]")).tolist()
    height = bottom - top + 1
    width = max(_weight(run.portfolio_ids, weights), 1)
    equal = max(min(workers, width * height // MIN_CELLS), 1)
    fewest = -(-width // max(MAX_CELLS // height, 1))
    step = -(-width // (-(-fewest // equal) * equal))  # as many parts for each worker, or some would wait for others
    for keys, weight in _neighbours(run.portfolio_ids, weights, step):
        rows = max(min(height, MAX_CELLS // weight if keys else MAX_UNIVERSE_SESSIONS), 1)
        for start in range(top, bottom + 1, rows):
            end = min(start + rows - 1, bottom)
            yield replace(run, first=calendar[start].item(), last=calendar[end].item(), portfolio_ids=keys)


def _weight(keys: Iterable[str], weights: Mapping[str, int]) -> int:
    return sum(weights.get(key, 1) for key in keys)


def _neighbours(keys: tuple[str, ...], weights: Mapping[str, int], most: int) -> Iterable[tuple[tuple[str, ...], int]]:
    """Yield (neighbours, their weight): portfolios that weigh no more than `most` together, or a single one."""
    start, weight = 0, 0
    for place, key in enumerate(keys):
        own = weights.get(key, 1)
        if weight and weight + own > most:
            yield keys[start:place], weight
            start, weight = place, 0
        weight += own
    yield keys[start:], max(weight, 1)
