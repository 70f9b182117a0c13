"""What a table of texts is, for terminal and page alike."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

NOTHING_HELD = "Nothing is held on this session."
NOTHING_KNOWN = "Nothing is known: cash and private holdings have no part in it, and the warnings say what else lacks."


class Source(NamedTuple):
    """The number that a text shows, as `explain` names it; of a symbol in several lots, their sum.

    Attributes
    ----------
    other : second symbol of a pair.
    session : None = that of the report.
    """

    table: str
    column: str
    symbol: str | None = None
    factor: str | None = None
    scenario: str | None = None
    lot: str | None = None
    cluster: int | None = None
    other: str | None = None
    session: date | None = None
    scheme: str | None = None
    class_name: str | None = None


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
