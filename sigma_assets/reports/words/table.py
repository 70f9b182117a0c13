"""What a table of texts is, for terminal and page alike."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sigma_assets.reports.portfolio import PortfolioReport

Form = Callable[[Any], str]
"""How a number is written."""
NOTHING_HELD = "Nothing is held on this session."
NOTHING_KNOWN = "Nothing is known: cash and private holdings have no part in it, and the warnings say what else lacks."


class Which(NamedTuple):
    """Which row of a table: what is not given must not be needed to tell one row from the others.

    Attributes
    ----------
    session : None = that of the report; `explain` takes the last that is stored.
    symbols : one; of a pair, two.
    scheme, class_name : of an allocation, as `classify` has read them.
    """

    session: date | None = None
    symbols: tuple[str, ...] = ()
    factor: str | None = None
    scenario: str | None = None
    lot: str | None = None
    cluster: int | None = None
    scheme: str | None = None
    class_name: str | None = None


class Source(NamedTuple):
    """The number that a text shows, as `explain` names it; of a symbol in several lots, their sum."""

    table: str
    column: str
    which: Which = Which()


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes
    ----------
    key : what the page calls it.
    texts : names of the columns that hold words; the others hold numbers or days.
    note : what a reader must know of it, or why it is empty.
    spare : columns that a narrow terminal leaves out.
    only_on_page : columns that every terminal leaves out: they stand in another of its tables.
    is_wide : whether a narrow terminal leaves out the whole table.
    measures : number of each row that the page draws as a bar, too; None where it is not known.
    lines : numbers of each row over time that the page draws as a line, too.
    tints : number of each cell that the page tints, -1 to 1; None = not tinted.
    is_sortable : whether the page offers to sort it.
    sources : stored number behind each text, in the shape of `rows`; None where it is none.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    spare: tuple[str, ...] = ()
    only_on_page: tuple[str, ...] = ()
    is_wide: bool = False
    measures: tuple[float | None, ...] = ()
    lines: tuple[tuple[float | None, ...], ...] = ()
    tints: tuple[tuple[float | None, ...], ...] = ()
    is_sortable: bool = False
    sources: tuple[tuple[Source | None, ...], ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of a table, made of the objects that its rows are about.

    Attributes
    ----------
    text, source : what stands in a row, and the stored number behind it; None for a word or a day.
    """

    name: str
    text: Form
    source: Callable[[Any], Source | None] = lambda _: None


def stored(table: str, name: str, form: Form, column: str, **key: str) -> Column:
    """Return the column of a stored number.

    Parameters
    ----------
    key : field of `Which` -> column; together they tell a row from the others.
    """
    return Column(
        name,
        lambda row: form(row[column]),
        lambda row: Source(table, column, Which(**{field: row[part] for field, part in key.items()})),
    )


def text_table(
    key: str,
    title: str,
    columns: Sequence[Column],
    about: Iterable[Any],
    note: str,
    *,
    words: int = 1,
    measured: Callable[[Any], float | None] | None = None,
    **options: Any,
) -> TextTable:
    """Return a table with a row for each of some objects.

    Parameters
    ----------
    words : how many of the first columns hold words.
    measured : returns the number of each object that the page draws as a bar.
    options : what else a `TextTable` has.
    """
    rows = list(about)
    names = tuple(column.name for column in columns)
    return TextTable(
        key,
        title,
        names,
        names[:words],
        tuple(tuple(column.text(row) for column in columns) for row in rows),
        note,
        measures=tuple(map(measured, rows)) if measured else (),
        sources=tuple(tuple(column.source(row) for column in columns) for row in rows),
        **options,
    )


def too_few_to_correlate(report: PortfolioReport) -> str:
    """Return why a report has no correlations."""
    return "Not known: it takes two holdings of some size with enough returns." if report.holdings else NOTHING_HELD


def nothing(report: PortfolioReport) -> str:
    """Return why a table of a report is empty."""
    return NOTHING_KNOWN if report.holdings else NOTHING_HELD
