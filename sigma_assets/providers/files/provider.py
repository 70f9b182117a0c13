"""Prices from files that someone else writes: `files:PATH`, one file or a folder of them."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.base.calendar import TradingCalendar, as_dates, today
from sigma_assets.base.contracts import stored_symbol
from sigma_assets.base.conventions import COMPLETE_SHARE, STALE_SESSIONS_LIMIT
from sigma_assets.base.errors import PriceFileError
from sigma_assets.base.frames import SessionArray
from sigma_assets.providers.actions import CARRIED
from sigma_assets.providers.asked import asked_sessions
from sigma_assets.providers.base import BAR_COLUMNS, RECENT_SESSIONS, Bars, Reason, Unserved
from sigma_assets.providers.files.actions import as_traded, carry_actions
from sigma_assets.providers.files.reading import SUFFIXES, read_raw_prices
from sigma_assets.providers.files.rows import checked_rows, merged_rows

logger = logging.getLogger(__name__)

BATCH = 250
"""Symbols per batch: small enough for progress to show, large enough to cost nothing."""

_Stamp = tuple[int, int]
"""When a file was last written (ns) and its size: another pair means another content."""
_Moved = Sequence[tuple[np.datetime64, np.datetime64]]
"""Sessions without a close, and those whose row has their split or dividend."""


@dataclass(frozen=True)
class _Prices:
    """All rows of all files, sorted by symbol and session, where the rows of each symbol are, and a digest of all that."""

    rows: pd.DataFrame
    sessions: SessionArray
    spans: Mapping[str, slice]
    moved: Mapping[str, _Moved]
    last_session: date
    digest: str


@dataclass
class FilesProvider:
    """Daily bars from CSV (also .gz) and Parquet files; read again whenever one of them changes.

    A file has `date, symbol, close` and optionally `open, high, low, volume, split_factor, dividend, adj_close`, by these
    or other usual names, in any order and case. Prices are taken as traded, a file with closes only as it is.

    Parameters
    ----------
    current_session : the last session that is over. A row after today is refused; one of a session that is not over waits.
    ignore : names of other columns that the files may have.
    complete_share : of the symbols priced lately, this share must have a price on the last session.
    """

    path: Path
    calendar: TradingCalendar
    current_session: date
    ignore: tuple[str, ...] = ()
    complete_share: float = COMPLETE_SHARE
    name: str = "files"
    _parts: dict[Path, tuple[_Stamp, pd.DataFrame]] = field(default_factory=dict, init=False, repr=False)
    _prices: _Prices | None = field(default=None, init=False, repr=False)

    def last_session(self) -> date:
        """Return the last session on which enough of the symbols priced lately have a price."""
        return self._current().last_session

    def content(self) -> str:
        """Return a text that changes whenever the rows of the files do.

        A file that is written anew every minute with the same rows, or with prices of a session that is not over, has the
        same content: only other rows are worth asking for again.
        """
        return self._current().digest

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield the wanted rows in batches of `BATCH` symbols.

        Asking a file again costs nothing, so whatever it lacks may be asked for again at once: a late price heals by
        being written into a file. Only sessions before a symbol's first row wait for the next session: a look-back that
        reaches beyond the files would otherwise note thousands of gaps anew in every run.
        """
        prices = self._current()
        symbols = sorted(wanted)
        for start in range(0, len(symbols), BATCH):
            yield self._batch(prices, {symbol: wanted[symbol] for symbol in symbols[start : start + BATCH]})

    def _batch(self, prices: _Prices, wanted: Mapping[str, Sequence[date]]) -> Bars:
        found: list[np.ndarray] = []
        names: list[str] = []
        unserved: list[Unserved] = []
        for symbol, days in wanted.items():
            asked = asked_sessions(days)
            spelled = stored_symbol(symbol)
            span = prices.spans.get(spelled, slice(0, 0))
            have = prices.sessions[span]
            position = np.searchsorted(have, asked)
            is_there = np.isin(asked, have)
            found.append(span.start + position[is_there])
            names.extend([symbol] * int(is_there.sum()))
            unserved.extend(self._unserved(prices, symbol, asked[~is_there], have, prices.moved.get(spelled, ())))
        rows = prices.rows.iloc[np.concatenate([*found, np.array([], dtype=np.intp)])].reset_index(drop=True)
        return Bars(self.name, rows.assign(symbol=pd.Series(names, dtype="str")), tuple(unserved))

    def _unserved(
        self, prices: _Prices, symbol: str, asked: SessionArray, have: SessionArray, moved: _Moved
    ) -> Iterator[Unserved]:
        if not len(asked):
            return
        last = prices.last_session
        for halted, carrier in moved:
            if halted in asked:
                detail = f"no close; {CARRIED} {carrier}, in {self.path}"
                yield Unserved(symbol, tuple(as_dates([halted])), "no_bar", detail, next_try=None)
                asked = asked[asked != halted]
        if not len(asked):
            return
        if not len(have):
            detail = f"no rows in {self.path}"
            yield Unserved(symbol, tuple(as_dates(asked)), "unknown_symbol", detail, next_try=last)
            return
        overdue = self._later(as_dates(have[-1:])[0], STALE_SESSIONS_LIMIT)
        is_before, is_after = asked < have[0], asked > have[-1]
        is_late = is_after & (asked <= np.datetime64(overdue))
        groups: tuple[tuple[Reason, np.ndarray, str, date], ...] = (
            ("not_yet_listed", is_before, f"first row on {have[0]}", self._later(last, 1)),
            ("no_bar", ~is_before & ~is_late, f"no row; rows from {have[0]} to {have[-1]}", last),
            ("late", is_late, f"last row on {have[-1]}", last),
        )
        for reason, is_member, detail, next_try in groups:
            if is_member.any():
                yield Unserved(symbol, tuple(as_dates(asked[is_member])), reason, f"{detail} in {self.path}", next_try)

    def _sessions_so_far(self) -> SessionArray:
        """Return the sessions that a file may have rows for: up to the one that is over, or that today is."""
        return self.calendar.between(self.calendar.sessions[0].item(), max(self.current_session, today()))

    def _indexed(self, rows: pd.DataFrame) -> _Prices:
        rows = rows[rows["session"] <= np.datetime64(self.current_session)].reset_index(drop=True)
        rows, moved = carry_actions(rows)
        if rows.empty:
            raise PriceFileError(f"{self.path}: no price rows, expected one row per symbol and date below the header")
        names, codes = rows["symbol"].cat.categories, rows["symbol"].cat.codes.to_numpy()
        bounds = np.searchsorted(codes, np.arange(len(names) + 1))
        spans = {name: slice(int(bounds[code]), int(bounds[code + 1])) for code, name in enumerate(names)}
        sessions = rows["session"].to_numpy().astype("datetime64[D]")
        last = as_dates([last_complete_session(sessions, codes, self.complete_share)])[0]
        rows = rows[list(BAR_COLUMNS)]
        of_rows = pd.util.hash_pandas_object(rows, index=False, categorize=False).to_numpy().tobytes()
        digest = hashlib.sha256(of_rows + repr(sorted(moved.items())).encode()).hexdigest()
        return _Prices(rows, sessions, spans, moved, last, digest)

    def _later(self, session: date, count: int) -> date:
        """Return the session a number of sessions later, or the last one of the calendar."""
        position = int(np.searchsorted(self.calendar.sessions, np.datetime64(session))) + count
        return as_dates([self.calendar.sessions[min(position, len(self.calendar.sessions) - 1)]])[0]

    def _current(self) -> _Prices:
        """Return the prices of the files as they are now; files that did not change are not read again."""
        stamps = {file: _stamp(file) for file in _price_files(self.path)}
        known = {file: part[0] for file, part in self._parts.items()}
        if self._prices is None or stamps != known:
            parts = {}
            for file, stamp in stamps.items():
                if known.get(file) == stamp:
                    parts[file] = self._parts[file]
                else:
                    raw = read_raw_prices(file, self.ignore)
                    parts[file] = (stamp, as_traded(checked_rows(raw, self._sessions_so_far()), file))
            merged = merged_rows([(file, rows) for file, (_, rows) in parts.items()])
            self._prices = self._indexed(merged)
            self._parts = parts
            logger.info("read %d price rows from %d files in %s", len(self._prices.rows), len(parts), self.path)
        return self._prices


def _price_files(path: Path) -> list[Path]:
    try:
        files = sorted(each for each in path.iterdir() if _is_price_file(each)) if path.is_dir() else [path]
    except OSError as error:
        raise PriceFileError(f"{path}: the folder cannot be read ({error})") from error
    if not files:
        raise PriceFileError(f"{path}: no price files in this folder, expected files that end in {', '.join(SUFFIXES)}")
    if path.is_file() and not path.name.lower().endswith(SUFFIXES):
        raise PriceFileError(f"{path}: not a price file by its name, expected one that ends in {', '.join(SUFFIXES)}")
    return files


def _is_price_file(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith((".", "_")) and path.is_file()


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError as error:
        expected = f"expected a folder or a file that ends in {', '.join(SUFFIXES)}"
        raise PriceFileError(f"{path}: no such file or folder ({error.strerror}), {expected}") from error
    return status.st_mtime_ns, status.st_size


def last_complete_session(sessions: SessionArray, codes: npt.NDArray[np.integer], share: float) -> np.datetime64:
    """Return the last session with a price for at least a share of the symbols that have one lately.

    A file that is being written, or of which one symbol is ahead, is not taken for the whole market.

    Parameters
    ----------
    sessions, codes : of each price: its session, and the number of its symbol.
    share : of the symbols with a price in the `RECENT_SESSIONS` up to the session.
    """
    days = np.unique(sessions)
    for at in range(len(days) - 1, 0, -1):
        is_recent = (sessions >= days[max(at - RECENT_SESSIONS, 0)]) & (sessions <= days[at])
        if np.count_nonzero(sessions == days[at]) >= share * len(np.unique(codes[is_recent])):
            return days[at]
    return days[0]
