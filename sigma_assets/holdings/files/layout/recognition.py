"""Where the table in a file begins, and by which mapping it is read."""

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from sigma_assets.base.errors import Problem
from sigma_assets.base.numerals import MONTH_FIRST, written_date, written_number
from sigma_assets.holdings.brokers.sources import (
    HEADER,
    OUR_COLUMNS,
    OURS,
    REQUIRED,
    Source,
    as_document,
    known_sources,
    plain,
)
from sigma_assets.holdings.brokers.usual import USUAL_NAMES, generic_source, open_columns, with_meanings
from sigma_assets.holdings.brokers.words import is_held_side, meaning
from sigma_assets.holdings.files.layout.dialects import DELIMITERS, Record, records

MAX_COLUMNS = 200
"""A header beyond this is no holdings file; refused at once rather than name by name."""
SHEET_COLUMNS = 16_384
"""The widest sheet of a spreadsheet program: a file with our columns may have as many empty ones behind them, not more."""
HEADER_WITHIN = 1_000
"""Records in which a table must begin: what stands before it is a preamble, or another table."""


_USUAL_OPTIONAL = Source(
    "usual names",
    "lots",
    {name: [each for each in USUAL_NAMES[name] if each != "closed"] for name in OUR_COLUMNS
     if name not in (*REQUIRED, "class", "subtype")} | {name: USUAL_NAMES[name] for name in ("account", "exchange")},
)  # fmt: skip
"""Usual names of the columns that our own format may lack; a column Closed is rather about whether a lot is."""
_EXIT = {"exit_date", "exit_price"}
"""Only together they say how a lot ended."""


@dataclass(frozen=True)
class Found:
    """A table that was recognised, and the other ones in the file."""

    source: Source
    line: int
    names: list[str]
    delimiter: str
    others: tuple[str, ...] = ()


def find_table(
    text: str, delimiter: str | None, source: Source | None, problems: list[Problem], ignored: Collection[str] = ()
) -> Found | None:
    """Return the table that a file holds; None after noting in `problems` what its header lacks.

    Parameters
    ----------
    delimiter : if the file states it; otherwise the one under which a table is recognised.
    source : the mapping to use; by default our own format, else that of a broker, else the usual names of columns.
    ignored : columns that are not to be understood by their cells, in lower case.
    """
    candidates = [delimiter] if delimiter else [each for each in DELIMITERS if each in text[:200_000]] or [","]
    unread: dict[str, list[Problem]] = {each: [] for each in candidates}
    heads = {each: _head(text, each, unread[each]) for each in candidates}
    for recognise in [_with(source)] if source else [_ours, _known, _generic]:
        for each, head in heads.items():
            found = recognise(head, each, ignored)
            if found is not None:
                return found
    best = max(heads, key=lambda each: max((len(cells) for _, cells in heads[each][:20]), default=0))
    header_line = _likely_header(heads[best])[0] if heads[best] else len(text)
    above = [each for each in unread[best] if (each.line or 0) < header_line]
    problems.extend(above or [_no_header(heads[best], source)])
    return None


def _head(text: str, delimiter: str, unread: list[Problem]) -> list[Record]:
    """Return the records in which a table must begin; those that cannot be read go to `unread`."""
    head = []
    for record in records(text, delimiter, unread, is_row=_numbers_rows):
        head.append(record)
        if len(head) == HEADER_WITHIN:
            break
    return head


def _numbers_rows(_: int, cells: list[str]) -> bool:
    """Return whether a line is no comment, but a header whose first column has the numbers of the rows."""
    return cells[0] == "#" and len(cells) > len(REQUIRED) and all(cells)


def _ours(head: list[Record], delimiter: str, ignored: Collection[str]) -> Found | None:
    for place, (line, cells) in enumerate(head):
        if len(cells) <= SHEET_COLUMNS and set(REQUIRED) <= set(OURS.positions_of(cells)):
            return Found(_with_more(_open_columns(head, place, cells, ignored), cells, ignored), line, cells, delimiter)
    return None


def _with_more(further: dict[str, list[str]], header: list[str], ignored: Collection[str]) -> Source:
    """Return our own format with the columns that say a side, a kind or a state in words; Buy and Sell only beside exits.

    Optional columns may have their usual names as well, such as Strike, Expiry and Sale Date.
    """
    named = OURS.positions_of(header)
    usual = {
        name: header[places[0]]
        for name, places in _USUAL_OPTIONAL.positions_of(header).items()
        if name not in named and header[places[0]].lower() not in ignored
    }
    if not _EXIT <= {*named, *usual}:
        usual = {name: column for name, column in usual.items() if name not in _EXIT}
    further = {
        name: cells
        for name, cells in further.items()
        if {"exit_date"} & {*named, *usual} or is_held_side(cells) or meaning(cells) != "direction"
    }
    columns = {name: column for name, column in OURS.columns.items() if name != "class" or name in named}
    ours = replace(OURS, columns=columns | usual)
    more = with_meanings(ours, further)
    return OURS if more is ours and not usual else more


def _open_columns(head: list[Record], place: int, header: list[str], ignored: Collection[str]) -> dict[str, list[str]]:
    return open_columns(header, (cells for _, cells in head[place + 1 :]), ignored)


def _known(head: list[Record], delimiter: str, ignored: Collection[str]) -> Found | None:
    found: dict[str, tuple[Source, int, list[str]]] = {}
    for place, (line, cells) in enumerate(head):
        if not 2 < len(cells) <= MAX_COLUMNS:
            continue
        in_section = cells[1] == "Header"
        names = frozenset(map(bare_name, cells[2:] if in_section else cells))
        for source in known_sources():
            fits = source.name not in found and names.issuperset(source.recognise)
            if fits and (own := _names_of(source, cells)):
                own_columns = {} if source.section else _open_columns(head, place, own, ignored)
                found[source.name] = (with_meanings(source, own_columns), line, own)
    for source in known_sources():
        if source.name in found:
            others = tuple(name for name, (_, line, _) in found.items() if line != found[source.name][1])
            return Found(*found[source.name], delimiter, others)
    return None


def _generic(head: list[Record], delimiter: str, ignored: Collection[str]) -> Found | None:
    for place, (line, cells) in enumerate(head):
        if 1 < len(cells) <= MAX_COLUMNS:
            source = generic_source(cells, _open_columns(head, place, cells, ignored), ignored)
            if source is not None:
                return Found(source, line, cells, delimiter)
    return None


def _with(source: Source) -> Callable[[list[Record], str, Collection[str]], Found | None]:
    def recognise(head: list[Record], delimiter: str, _: Collection[str]) -> Found | None:
        needed = {"symbol", "quantity"} & set(source.columns)
        for line, cells in head:
            names = _names_of(source, cells) if len(cells) <= SHEET_COLUMNS else []
            if names and needed and needed <= set(source.positions_of(names)):
                return Found(source, line, names, delimiter)
        return None

    return recognise


def bare_name(name: str) -> str:
    """Return a column's name as recognised: Amount ($) is Amount."""
    return plain(name).removesuffix(" ($)")


def _names_of(source: Source, cells: list[str]) -> list[str]:
    """Return the header in a record, empty if it cannot be that of the source's section."""
    if source.section is None:
        return cells
    is_header = len(cells) > 2 and cells[0] == source.section and cells[1] == "Header"
    return cells[2:] if is_header else []


def starting_point(text: str, stated: str | None) -> str | None:
    """Return a mapping to fill in, as YAML, for a table that is not recognised; None where no header is found."""
    head = _head(text, stated or _likely_delimiter(text), [])
    if not head:
        return None
    line, cells = _likely_header(head)
    if not 1 < len(cells) <= MAX_COLUMNS or not _names_columns(cells):
        return None
    alike = _alike(cells)
    columns = {name: alike.get(name, "?") for name in REQUIRED}
    return (
        f"# Put a column of the file for each `?`; line {line} names {', '.join(filter(None, cells))}.\n"
        "# kind: lots (days of entry), positions (no days) or transactions (a column `action`);"
        " docs/files-from-brokers.md.\n" + as_document(Source(name="my file", kind="lots", columns=columns))
    )


def _likely_delimiter(text: str) -> str:
    return max(DELIMITERS, key=lambda sign: text[:10_000].count(sign))


def _likely_header(head: list[Record]) -> Record:
    """Return the widest of the first records, the earlier one of two."""
    return max(head[:20], key=lambda record: (len(record[1]), -record[0]))


def _names_columns(cells: list[str]) -> bool:
    """Return whether a record can be a header: it holds no numbers and no days."""
    return not any(cell and (written_number(cell) is not None or written_date(cell, MONTH_FIRST)) for cell in cells)


def _alike(cells: list[str]) -> dict[str, str]:
    """Return required field -> the column that looks like it, where none has its name."""
    names = {plain(cell) for cell in cells}
    absent = [field for field in REQUIRED if plain(OUR_COLUMNS[field]) not in names]
    spellings = {name: field for field in absent for name in (plain(OUR_COLUMNS[field]), *USUAL_NAMES[field])}
    found: dict[str, str] = {}
    for cell in cells:
        near = difflib.get_close_matches(plain(cell), spellings, n=1, cutoff=0.75)
        near = near or [one for one in spellings if one in plain(cell).split()][:1]
        if near:
            found.setdefault(spellings[near[0]], cell)
    return found


def _no_header(head: list[Record], source: Source | None) -> Problem:
    """Return the one useful message about a file that is not understood."""
    if not head:
        return Problem("ERR_CSV_003", None, None, None, f"the header {HEADER} and one line per lot", "is empty")
    wanted = [OUR_COLUMNS[name] for name in REQUIRED]
    line, cells = _likely_header(head)
    if len(cells) > MAX_COLUMNS:
        return Problem("ERR_CSV_006", line, None, None, f"the columns {HEADER}", f"has {len(cells):,} columns")
    if source is not None:
        expected = f"a header with the columns of the mapping {source.name!r}"
        return Problem("ERR_CSV_005", line, None, ",".join(cells), expected, "no header")
    alike = [f"{cell[:40]!r} looks like {OUR_COLUMNS[name]}" for name, cell in _alike(cells).items()]
    names = {plain(cell) for cell in cells}
    missing = [name for name in wanted if plain(name) not in names]
    if not _names_columns(cells):
        expected = f"a line with the names of the columns above the rows, such as {','.join(wanted)}: add one"
        return Problem("ERR_CSV_005", line, None, ",".join(cells), expected, "no header")
    expected = f"a header with {', '.join(missing)}" + (f"; {', '.join(alike[:6])}" if alike else "")
    expected += ". For a file of another shape: `import FILE --show-mapping > my.yaml`, fill it in, `--mapping my.yaml`"
    return Problem("ERR_CSV_005", line, None, ",".join(cells), expected, "no header")
