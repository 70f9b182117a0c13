"""Raw cells of price files become checked rows, sorted and without repetitions; every bad cell is named."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sigma_assets.base.contracts import stored_symbol
from sigma_assets.base.conventions import LEAST_PRICE, MOST_PRICE
from sigma_assets.base.errors import LISTED, PriceFileError, listing, shown
from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray
from sigma_assets.providers.base import BAR_COLUMNS
from sigma_assets.providers.files.reading import ADJUSTED, RawPrices, places

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BLANKS = " \t"
_FLOAT_COLUMNS = BAR_COLUMNS[2:]


@dataclass(frozen=True)
class _Rule:
    """What a number must be: from `least` to `most`, or 0 where that is allowed; and what an empty cell stands for."""

    expected: str
    zero: bool
    empty: float
    least: float = LEAST_PRICE
    most: float = MOST_PRICE


_POSITIVE = f"a number above 0 ({LEAST_PRICE:g} to {MOST_PRICE:g})"
_RULES = {
    "open": _Rule(f"{_POSITIVE}, or nothing", False, np.nan),
    "high": _Rule(f"{_POSITIVE}, or nothing", False, np.nan),
    "low": _Rule(f"{_POSITIVE}, or nothing", False, np.nan),
    "close": _Rule(f"{_POSITIVE}, or nothing beside a split or dividend", False, np.nan),
    "volume": _Rule("a number of 0 or more, or nothing", True, np.nan, least=0.0, most=np.finfo(float).max),
    "split_factor": _Rule(f"{_POSITIVE}, or 0 or nothing for none", True, 1.0),
    "dividend": _Rule(f"0, {_POSITIVE}, or nothing", True, 0.0),
    ADJUSTED: _Rule(f"{_POSITIVE}, or nothing", False, np.nan),
}


@dataclass(frozen=True)
class _Bad:
    """Cells of one column that break a rule."""

    column: str
    expected: str
    rows: npt.NDArray[np.intp]


def checked_rows(raw: RawPrices, sessions: SessionArray) -> pd.DataFrame:
    """Return the rows of one file, in its order.

    Returns
    -------
    DataFrame with `BAR_COLUMNS`, `row`, and `adj_close` if the file has it
        Symbols categorical, spelled as those of holdings; session as datetime64[s]; `row` is the row of `raw.table`.
        Close is NaN in a row that has a split or a dividend only.

    Raises
    ------
    PriceFileError
        A date is no session, a symbol is empty, or a number breaks its rule; names each with line, column and value.
    """
    symbol, bad_symbol = _symbols(_column(raw, "symbol", pa.string()))
    try:
        session, bad_session = _sessions(_days(raw), sessions)
    except OverflowError as error:
        raise PriceFileError(f"{raw.path}: column date has a moment beyond the year 9999, expected sessions") from error
    bad = [bad_session, bad_symbol]
    columns: dict[str, FloatArray] = {}
    for name, rule in _RULES.items():
        if name in raw.table.column_names:
            columns[name], bad_number = _numbers(name, rule, raw)
            bad.append(bad_number)
        elif name != ADJUSTED:
            columns[name] = np.full(raw.table.num_rows, rule.empty)
    columns["split_factor"] = np.where(columns["split_factor"] == 0.0, 1.0, columns["split_factor"])
    happened = (columns["split_factor"] != 1.0) | (columns["dividend"] != 0.0)
    is_empty = np.isnan(columns["close"]) & ~happened
    bad.append(_Bad("close", _RULES["close"].expected, np.setdiff1d(np.flatnonzero(is_empty), _rows_of("close", bad))))
    if any(len(each.rows) for each in bad):
        raise PriceFileError(_listing(raw, bad))
    return pd.DataFrame({"symbol": symbol, "session": session, **columns, "row": np.arange(raw.table.num_rows)})


def merged_rows(parts: Sequence[tuple[Path, pd.DataFrame]]) -> pd.DataFrame:
    """Return the rows of all files, sorted by symbol and session; a row that repeats another is there once.

    Raises
    ------
    PriceFileError
        Two rows of one symbol and session differ; names both places.
    """
    everything = pd.concat([rows.assign(file=number) for number, (_, rows) in enumerate(parts)], ignore_index=True)
    names = pd.Categorical(everything["symbol"].astype("str"))
    order = np.lexsort((everything["session"].to_numpy(), names.codes))
    rows = everything.assign(symbol=names).iloc[order].reset_index(drop=True)
    same_key = _repeats(rows, ["symbol", "session"])
    differs = same_key & ~_repeats(rows, list(BAR_COLUMNS))
    if differs.any():
        raise PriceFileError(_conflicts([path for path, _ in parts], rows, np.flatnonzero(differs)))
    return rows.loc[~same_key, list(BAR_COLUMNS)].reset_index(drop=True)


def _column(raw: RawPrices, name: str, kind: pa.DataType | None = None) -> pa.Array:
    """Return a column in one piece, cast to `kind` (by default as it is, dictionaries decoded)."""
    cells = raw.table[name].combine_chunks()
    if kind is None:
        kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    try:
        if pa.types.is_boolean(cells.type) and pa.types.is_floating(kind):
            raise pa.ArrowInvalid("true and false are no numbers")
        return cells.cast(kind, safe=pa.types.is_string(kind))  # safe: bytes that are no text are refused
    except pa.ArrowException as error:
        raise PriceFileError(f"{raw.path}: column {name} has type {cells.type}, expected {kind}") from error


def _days(raw: RawPrices) -> pa.Array:
    """Return the column of days: text, dates or moments."""
    cells = _column(raw, "date")
    if pa.types.is_nested(cells.type):
        raise PriceFileError(f"{raw.path}: column date has type {cells.type}, expected dates or text")
    return cells


def _symbols(cells: pa.Array) -> tuple[pd.Categorical, _Bad]:
    encoded = cells.dictionary_encode()
    names = [stored_symbol(name or "") for name in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    unique = sorted(set(names))
    code_of = {name: code for code, name in enumerate(unique)}
    position = np.array([code_of[name] for name in names] + [-1])
    is_empty = np.array([not name for name in names] + [True])
    symbol = pd.Categorical.from_codes(position[codes], categories=pd.Index(unique, dtype="str"))
    return symbol, _Bad("symbol", "a symbol such as AAPL", np.flatnonzero(is_empty[codes]))


def _sessions(cells: pa.Array, sessions: SessionArray) -> tuple[SessionArray, _Bad]:
    encoded = cells.dictionary_encode()
    days = np.array([_day(value) for value in encoded.dictionary.to_pylist()] + [None], dtype="datetime64[D]")
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~np.isin(days, sessions)[codes])
    expected = f"an NYSE session from {sessions[0]} to {sessions[-1]} as YYYY-MM-DD"
    return days[codes].astype("datetime64[s]"), _Bad("date", expected, bad)


def _day(value: object) -> date | None:
    """Return the day of a cell: text as YYYY-MM-DD, a date, or a moment at midnight."""
    if isinstance(value, datetime):
        return value.date() if value.time() == time(0) else None
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if not _ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _numbers(name: str, rule: _Rule, raw: RawPrices) -> tuple[FloatArray, _Bad]:
    cells = _column(raw, name)
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        cells = pc.utf8_trim(cells, characters=_BLANKS)
        is_empty = pc.equal(cells, "").fill_null(True).to_numpy(zero_copy_only=False)
        values = pc.if_else(pc.match_substring_regex(cells, _NUMBER), cells, None).cast(pa.float64())
    else:
        is_empty = cells.is_null().to_numpy(zero_copy_only=False)
        values = _column(raw, name, pa.float64())
    values = values.to_numpy(zero_copy_only=False)
    is_good = (values >= rule.least) & (values <= rule.most) | ((values == 0) & rule.zero)
    values = np.where(is_empty, rule.empty, values)
    return values, _Bad(name, rule.expected, np.flatnonzero(~(is_good | is_empty)))


def _rows_of(column: str, bad: Sequence[_Bad]) -> npt.NDArray[np.intp]:
    return np.concatenate([each.rows for each in bad if each.column == column])


def _repeats(rows: pd.DataFrame, columns: list[str]) -> BoolArray:
    """Return which rows of a sorted frame have the same cells as the row before; NaN equals NaN."""
    repeats = np.ones(len(rows), dtype=bool)
    repeats[:1] = False
    for name in columns:
        cells = rows[name].cat.codes.to_numpy() if name == "symbol" else rows[name].to_numpy()
        same = cells[1:] == cells[:-1]
        if cells.dtype.kind == "f":
            same |= np.isnan(cells[1:]) & np.isnan(cells[:-1])
        repeats[1:] &= same
    return repeats


def _listing(raw: RawPrices, bad: list[_Bad]) -> str:
    """Return the bad cells in the order of the file, as many as an error prints, and the count of the rest."""
    first = sorted((int(row), each.column, each.expected) for each in bad for row in each.rows[:LISTED])[:LISTED]
    place_of = places(raw.path, {row for row, _, _ in first})
    told = []
    for row, column, expected in first:
        value = raw.table[column][row].as_py()
        found = "nothing" if value is None or value == "" else shown(str(value))
        told.append(f"{place_of[row]}: column {column}: found {found}, expected {expected}")
    return listing(told, sum(len(each.rows) for each in bad))


def _conflicts(paths: Sequence[Path], rows: pd.DataFrame, positions: npt.NDArray[np.intp]) -> str:
    """Return the places of rows that contradict the row before."""
    listed = positions[:LISTED]
    shown_rows = rows.iloc[np.union1d(listed, listed - 1)]
    place_of = {
        number: places(path, set(shown_rows.loc[shown_rows["file"] == number, "row"]))
        for number, path in enumerate(paths)
        if (shown_rows["file"] == number).any()
    }
    told = []
    for position in listed:
        first, second = rows.iloc[position - 1], rows.iloc[position]
        unlike = [name for name in _FLOAT_COLUMNS if str(first[name]) != str(second[name])]
        values = ", ".join(f"{name} {first[name]} and {second[name]}" for name in unlike)
        told.append(
            f"{place_of[second['file']][second['row']]}: column {unlike[0]}: found {second['symbol']} on"
            f" {second['session']:%Y-%m-%d} a second time ({values}), expected one row per symbol and date,"
            f" or the same as in {place_of[first['file']][first['row']]}"
        )
    return listing(told, len(positions))
