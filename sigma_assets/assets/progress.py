"""Progress of a running step, written to Dagster's event log for the status page (SPEC 7)."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from time import monotonic

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.runs.fold.events import CURRENT, DETAIL, TOTAL, UNIT

SECONDS_BETWEEN = 1.0
"""An observation costs 10 to 20 ms: one per second is 1 to 2 % of the run."""
MAX_LINES = 500
"""Most lines of detail in one observation."""
LEAST_ROWS, MOST_PARTS = 5_000, 5
"""Work over positions is cut by sessions, into parts of at least this many rows, and no more than this many parts."""


class Progress:
    """Counts what a step has done and says so about once a second, and once more when it is finished.

    A step shorter than a second writes one observation. It stands in the log before the step's materialisations.
    `current` reaches `total` with `finish` alone, when the step's rows are stored: until then they could still be lost.

    Parameters
    ----------
    context : of the step.
    unit : what is counted: symbols, dates, positions or scenarios.
    total : how many there are.
    clock : seconds, monotonic.

    Examples
    --------
    progress = Progress(context, "symbols", len(symbols))
    for symbol in symbols:
        ...
        progress.advance(1, f"{symbol}: {len(sessions)} sessions in {seconds:.1f} s")
    progress.finish()
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        unit: str,
        total: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._context = context
        self._unit = unit
        self._total = total
        self._clock = clock
        self._current = 0
        self._lines: list[str] = []
        self._written = clock()
        self._said: int | None = None

    def advance(self, count: int = 1, message: str | None = None) -> None:
        """Count this many more as done, with a line of detail for debugging; writes if a second has passed."""
        self._current += count
        if message is not None:
            self._lines.append(message)
        if self._current < self._total and self._clock() - self._written >= SECONDS_BETWEEN:
            self._write()

    def reach(self, share: float) -> None:
        """Count up to a share of the whole, 0 to 1, as done."""
        self.advance(max(int(self._total * share) - self._current, 0))

    def finish(self) -> None:
        """Write that all is done. Call it once, after the step's rows are stored and before its result is returned."""
        self._current = self._total
        if self._said != self._current or self._lines:
            self._write()

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        if len(lines) > MAX_LINES:
            lines = [*lines[:MAX_LINES], f"... and {len(lines) - MAX_LINES} more"]
        metadata: dict[str, int | str] = {CURRENT: self._current, TOTAL: self._total, UNIT: self._unit}
        if lines:
            metadata[DETAIL] = "\n".join(lines)
        self._context.log_event(dg.AssetObservation(asset_key=self._context.asset_key, metadata=metadata))
        self._written, self._said = self._clock(), self._current


def by_sessions(
    progress: Progress, positions: pd.DataFrame, compute: Callable[[pd.DataFrame], Sequence[pd.DataFrame]]
) -> list[pd.DataFrame]:
    """Compute the rows of positions, some sessions at a time, and report how far that is.

    Each session's rows are of that session's positions alone, so the parts together are the whole, to the last bit.

    Parameters
    ----------
    progress : moves in proportion to the positions that are done.
    positions : rows of `position_values`, any columns, with `session`.
    compute : returns one frame per table of the asset, with the rows of the positions that it is given.
    """
    order = np.argsort(positions["session"].to_numpy(), kind="stable")
    days, starts = np.unique(positions["session"].to_numpy()[order], return_index=True)
    parts = max(min(len(positions) // LEAST_ROWS, MOST_PARTS, len(days)), 1)
    bounds = [0, *(int(starts[len(days) * part // parts]) for part in range(1, parts)), len(positions)]
    computed = []
    for start, stop in itertools.pairwise(bounds):
        computed.append(compute(positions.iloc[np.sort(order[start:stop])]))
        progress.reach(stop / max(len(positions), 1))
    return [_joined(frames) for frames in zip(*computed, strict=True)]


def by_ledgers(
    progress: Progress, ledgers: Iterable[Ledger], n_portfolios: int, *, least_rows: int = LEAST_ROWS
) -> Iterator[Ledger]:
    """Yield ledgers, a large one some of its sessions at a time, and report how far whoever asks for the next one is.

    What is computed from a ledger does not depend on which of its sessions are wanted together.

    Parameters
    ----------
    n_portfolios : how many ledgers come.
    least_rows : lots x sessions of a part, at least.
    """
    for number, ledger in enumerate(ledgers):
        rows = len(ledger.wanted) * ledger.is_open.shape[0]
        parts = np.array_split(ledger.wanted, max(min(rows // least_rows, MOST_PARTS, len(ledger.wanted)), 1))
        for part, wanted in enumerate(parts, start=1):
            yield ledger if len(parts) == 1 else replace(ledger, wanted=wanted)
            progress.reach((number + part / len(parts)) / max(n_portfolios, 1))


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if len(filled) < 2:
        return filled[0] if filled else frames[0]
    return pd.concat(filled, ignore_index=True).sort_values(PORTFOLIO_SESSION, kind="stable", ignore_index=True)
