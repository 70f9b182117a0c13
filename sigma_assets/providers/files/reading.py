"""The bytes of a price file become columns of raw cells, and the place of a cell becomes a line for people."""

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from sigma_assets.base.errors import PriceFileError, listing, shown

REQUIRED_COLUMNS = ("date", "symbol", "close")
OPTIONAL_COLUMNS = ("open", "high", "low", "volume", "split_factor", "dividend")
ADJUSTED = "adj_close"
"""Close divided by all later splits and dividends: a second opinion on them, never a price."""
USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("session", "day", "datetime", "timestamp", "tradedate", "tradingdate", "tradingday"),
    "symbol": ("ticker", "tickersymbol", "stocksymbol"),
    "open": ("openprice",),
    "high": ("highprice",),
    "low": ("lowprice",),
    "close": ("closeprice", "closingprice", "closelast"),
    "volume": ("vol", "tradingvolume"),
    "split_factor": ("split", "splits", "stocksplit", "stocksplits", "splitratio", "splitcoefficient"),
    "dividend": ("dividends", "dividendamount", "cashdividend", "cashdividends", "divcash", "exdividend"),
    ADJUSTED: ("adjustedclose", "closeadjusted", "closeadj"),
}
"""Our columns, and what data vendors call them: in lower case, letters and digits only."""
BOOKKEEPING = ("source", "loadedat", "revision")
"""Columns of an exported `market_prices` that say where a price came from; they are read over."""
SUFFIXES = (".csv", ".csv.gz", ".parquet")
_HEADER = ",".join((*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS))
_OURS = {plain: ours for ours, usual in USUAL_NAMES.items() for plain in (ours.replace("_", ""), *usual)}
_UNITS = "%‰¢€£¥"
"""A dividend in per cent, or in cents, is not one in dollars: a column of such a name is unknown."""
_UNNAMED = "unnamed"
"""How `ignore=` names a column without a name; pandas writes its index as one."""


@dataclass(frozen=True)
class RawPrices:
    """The columns of a price file that are ours, under their lower-case names, cells as they are in the file."""

    path: Path
    table: pa.Table


def read_raw_prices(path: Path, ignore: Collection[str] = ()) -> RawPrices:
    """Read the columns of a .csv, .csv.gz or .parquet price file.

    Parameters
    ----------
    ignore : names of columns to leave out; case, blanks and punctuation do not matter.

    Raises
    ------
    PriceFileError
        The file cannot be read, lacks a required column, has one twice, has an unknown one that is not in `ignore`, or
        has rows of another length than its header.
    """
    return _read_parquet(path, ignore) if _is_parquet(path) else _read_csv(path, ignore)


def places(path: Path, rows: Collection[int]) -> Mapping[int, str]:
    """Return where rows stand: file and physical line of a CSV, or row of a Parquet file counted from 1."""
    if _is_parquet(path):
        return {row: f"{path}:row {row + 1}" for row in rows}
    lines = _record_lines(_content(path), blanks=False)
    return {row: f"{path}:{_line(lines, row + 2)}" for row in rows}


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


def _read_parquet(path: Path, ignore: Collection[str]) -> RawPrices:
    try:
        file = pyarrow.parquet.ParquetFile(path)
        ours = _our_columns(path, file.schema_arrow.names, ignore)
        table = file.read(columns=list(ours))
    except (OSError, pa.ArrowException) as error:
        raise PriceFileError(f"{path}: cannot be read ({error}); expected a complete Parquet file") from error
    return RawPrices(path, table.rename_columns([ours[name] for name in table.column_names]))


def _read_csv(path: Path, ignore: Collection[str]) -> RawPrices:
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PriceFileError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8, expected UTF-8"
        ) from error
    if not text.strip():
        raise PriceFileError(f"{path}: is empty, expected the header {_HEADER} and one line per symbol and date")
    try:
        header = next(cells for cells in csv.reader(io.StringIO(text, newline="")) if cells)
    except csv.Error as error:
        raise PriceFileError(f"{path}: the header cannot be read ({error}), expected {_HEADER}") from error
    ours = _our_columns(path, header, ignore)
    bad: list[tuple[int, int]] = []

    def other_length(row: pyarrow.csv.InvalidRow) -> str:
        if row.text.strip():
            bad.append((row.number, row.actual_columns))
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content + b"\n"),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False
            ),  # with threads rows of another length have no number
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=other_length),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(ours), column_types=dict.fromkeys(ours, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise PriceFileError(f"{path}: cannot be read ({error}), expected comma-separated columns") from error
    if bad:
        lines = _record_lines(content)
        expected = f"expected {len(header)} as in the header"
        raise PriceFileError(
            listing([f"{path}:{_line(lines, record)}: {fields} fields, {expected}" for record, fields in bad])
        )
    return RawPrices(path, table.rename_columns([ours[name] for name in table.column_names]))


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.name.lower().endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise PriceFileError(f"{path}: cannot be read ({error}), expected a complete {path.suffix} file") from error


def _our_columns(path: Path, header: Sequence[str], ignore: Collection[str]) -> dict[str, str]:
    """Return the columns to read, name in the file -> our name."""
    ignored = {_plain(name) for name in ignore}
    ours: dict[str, str] = {}
    unknown = []
    for name in header:
        plain = _plain(name)
        if plain in ignored or plain in BOOKKEEPING:
            continue
        column = _OURS.get(plain)
        if column is None:
            unknown.append(name.strip() or _UNNAMED)
        elif column in ours.values():
            first = next(known for known, meaning in ours.items() if meaning == column)
            raise PriceFileError(
                f"{path}: column {column} occurs twice in the header (as {shown(first)} and {shown(name)}),"
                f" expected it once; ignore one with `files:PATH?ignore=NAME`"
            )
        else:
            ours[name] = column
    missing = [column for column in REQUIRED_COLUMNS if column not in ours.values()]
    if missing:
        raise PriceFileError(_missing(path, header, missing, ADJUSTED in ours.values()))
    if unknown:
        raise PriceFileError(
            f"{path}: unknown column {shown(', '.join(unknown))}; expected {_HEADER} or other usual names of these."
            " It might hold splits or dividends, which must be in the unit of the close; if it does not, ignore it:"
            f" `files:PATH?ignore={','.join(unknown)}`"
        )
    return ours


def _missing(path: Path, header: Sequence[str], missing: Sequence[str], is_adjusted: bool) -> str:
    found = f"{path}: missing column {', '.join(missing)}; found {shown(','.join(header))}, expected {_HEADER}"
    if not (is_adjusted and "close" in missing):
        return found
    return (
        f"{found}. An adjusted close is no price that anybody paid; to take it as it is all the same (returns are right,"
        " values before a split or dividend are not), rename that column to close"
    )


def _plain(name: str) -> str:
    """Return a column's name in lower case, letters and digits only; and signs of another unit than dollars."""
    return "".join(sign for sign in name.casefold() if sign.isalnum() or sign in _UNITS) or _UNNAMED


def _record_lines(content: bytes, *, blanks: bool = True) -> list[int]:
    """Return the physical line in which each record starts, the header's first, as far as the file can be followed.

    Parameters
    ----------
    blanks : count records that hold nothing but blanks, too; they are no rows.
    """
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    lines: list[int] = []
    line = 1
    try:
        for cells in reader:
            if cells and (blanks or len(cells) > 1 or cells[0].strip()):
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error:
        return lines
    return lines


def _line(lines: list[int], record: int) -> str:
    """Return where a record stands; record 1 is the header."""
    return str(lines[record - 1]) if record <= len(lines) else f"record {record}"
