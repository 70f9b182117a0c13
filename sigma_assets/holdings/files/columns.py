"""What the columns of a table say before they are read: which matter, the decimal sign, the order of days."""

import difflib
import re
import shlex
from collections.abc import Collection, Iterator

import numpy as np

from sigma_assets.base.errors import SHOWN_CHARACTERS, Problem, shown
from sigma_assets.base.numerals import (
    NOTHING,
    may_be_day,
    written_number,
)
from sigma_assets.holdings.brokers.sources import OUR_COLUMNS, REQUIRED, in_usd, plain
from sigma_assets.holdings.brokers.usual import USUAL_NAMES
from sigma_assets.holdings.brokers.words import (
    OPEN_NAMES,
    SALES,
    TELLING_PATTERN,
    ends_or_is_short,
    in_words,
    is_usd,
    not_understood,
    telling_cell,
)
from sigma_assets.holdings.files.findings import Doubt, Findings
from sigma_assets.holdings.files.layout.column import Column
from sigma_assets.holdings.files.layout.table import Table

HEADER_COLUMNS = ", ".join(OUR_COLUMNS.values())
_TODAY = re.compile(
    r"(?:% |\$ )?(?:(?:today'?s?|day'?s?|daily|1 ?d(?:ay)?|total|overall|unreali[sz]ed|open|price|mrk|high|low|ytd"
    r"|(?:short|long)[- ]term|capital|est(?:imated|\.)?|annual) )*"
    r"(?:gain/loss|gain|loss|g/l|p/l|p&l|profit|change|chn?g|return|yield|high|low|volume|bid|ask|weight|allocation|limit|income)"
    r"(?: (?:today|day|open|ytd|dollar|percent|amt\.?|amount))*(?: ?\(?[$%]\)?| \(usd\))?"
    r"|(?:%|percent) of (?:account|portfolio|total)|1 day [%$]|time|net liq"
)
"""Names of what a broker or a quote says of a lot today, or of today itself: prices come from the price source."""
_OTHER_DAY = re.compile(
    r"(?:settle(?:ment)?|post(?:ed|ing)?|process(?:ing)?|pric(?:e|ing)|value|cob) date|as of(?: date)?"
)
"""Days that do not matter beside the one of the trade."""
_IDENTIFIER = re.compile(
    r"(?:(?:transaction|order|trade|position|security|reference|confirmation|lot|activity) )?id"
    r"|(?:transaction|order|security|reference|confirmation|cusip) (?:no\.?|number|#)|cusip|isin|sedol|wkn|figi"
)
_FEW = 1_000
"""Different cells of a column that tell whether it holds days."""
NAME_THE_COST = "the column to be named Cost Per Share or Total Cost, or `--ignore-column {}` to leave it out"
"""What to do about a column Cost."""
_NOTES = frozenset({"description", "notes", "note", "comment", "memo"})
_A_CURRENCY = re.compile(r"^[A-Za-z]{3}$|[€£¥₣]|(?i:euro|pound|franc|yen|canadian|australian)")
_FEES_IN = re.compile(r"(?:comm|commission|fees?) in (?!usd)[a-z]{3}")
"""How Interactive Brokers names a column of fees in the currency of the account."""
_CURRENCY = re.compile(r"(?:.* )?(?:currency|ccy|curr\.?)(?: code)?")
_FEE_CURRENCY = re.compile(r"(?:fees?|commissions?|brokerage) (?:currency|ccy|curr\.?)(?: code)?")
_OF_BROKERS = frozenset(
    {"currency", "currency code", "ccy", "curr."}
    | {f"{what} currency" for what in ("price", "trade", "transaction", "cost", "amount", "local", "security", "quote")}
)
"""Columns that say the currency of a row in an export that is recognised; others may be about the account."""


def check_columns(table: Table, findings: Findings, *, own_mapping: bool, ignored_columns: Collection[str]) -> None:
    """Columns that nothing uses: refused if they look like ours, asked about if they hold numbers, else said."""
    source = table.source
    _check_header(table, findings)
    _ask_about_notes(table, findings, ignored_columns)
    _check_currencies(table, findings, ignored_columns)
    if own_mapping:
        for name, cells, *_ in _unknown_columns(table):
            _note_telling(table, name, cells, findings)
    if source.recognise or own_mapping:
        return  # a broker's further columns are known not to matter
    ignored = []
    for name, cells, value, line, near in _unknown_columns(table):
        if name.lower() not in ignored_columns and (doubt := _doubt(table, name, cells)):
            findings.doubts.append(doubt)
        elif (
            name.lower() in ignored_columns
            or "*" in ignored_columns
            or (near is None and _says_nothing(table, name, cells))
        ):
            ignored.append(name)
        elif near is not None:
            expected = f"only columns of {HEADER_COLUMNS} (did you mean {near}?)"
            findings.problems.append(Problem("ERR_CSV_006", line, name, value, expected, f"unknown column {name!r}"))
        elif any(written_number(cell) is not None or may_be_day(cell) for cell in cells.distinct):
            question = f"the column {name!r} is unknown and holds numbers or dates: ignore it?"
            remedy = f"one of {HEADER_COLUMNS}, or `--ignore-column {{}}` (`'*'` for all)"
            if in_usd(plain(name)) == "cost":
                question = "is this the cost of one share or of the lot? It is not used until you say which: ignore it?"
                remedy = NAME_THE_COST
            findings.doubts.append(Doubt.of_column("ERR_CSV_006", line, name, value, question, remedy))
        else:
            ignored.append(name)
        if name in ignored and name.lower() not in ignored_columns:
            _note_telling(table, name, cells, findings)
    if ignored:
        findings.warnings.append(f"ignored columns: {', '.join(ignored)}")


def _ask_about_notes(table: Table, findings: Findings, ignored_columns: Collection[str]) -> None:
    """Ask about a description of a lot that says nothing but that it is short, or that it was sold."""
    name, cells = table.label("description"), table.texts("description")
    if table.source.recognise or table.source.kind == "transactions" or plain(name) not in _NOTES:
        return
    is_said = table.texts("quantity").matching("^ *[-(\u2212]")
    for field in ("direction", "status", "exit_date"):
        is_said |= ~table.texts(field).among(NOTHING)
    open_rows = np.flatnonzero(cells.having(ends_or_is_short) & ~is_said)
    if len(open_rows) and not {name.lower(), "*"} & set(ignored_columns):
        row = int(open_rows[0])
        question = "this changes what the lot is, and a description is not read: ignore it?"
        remedy = "a negative Quantity for a short; Exit Date and Exit Price Per Share for what was sold; or"
        remedy += " `--ignore-column {}`"
        findings.doubts.append(Doubt.of_column("ERR_POS_037", table.lines[row], name, cells[row], question, remedy))


def _check_currencies(table: Table, findings: Findings, ignored_columns: Collection[str]) -> None:
    """Refuse rows in another currency than USD by a column that no field uses; a mapping's own is read with the rows."""
    for name, cells, *_ in _unknown_columns(table):
        fee = _FEES_IN.fullmatch(plain(name))
        is_named = is_currency(table, name)
        is_named &= "currency" not in table.cells or bool(_FEE_CURRENCY.fullmatch(plain(name)))
        if not (is_named or fee) or {name.lower(), "*"} & set(ignored_columns):
            continue
        is_other = cells.having(_is_paid if fee else _is_foreign)
        for row in np.flatnonzero(is_other).tolist():
            expected = "USD: other currencies are not kept; where the numbers are in USD all the same, `--ignore-column"
            expected += f" {shlex.quote(name)}`"
            findings.problems.append(
                Problem("ERR_POS_028", table.lines[row], name, cells[row], expected, "another currency")
            )
            if findings.is_full:
                return


def _says_nothing(table: Table, name: str, cells: Column) -> bool:
    """Return whether an unused column is no part of a lot: numbers of today, or what identifies a row or an instrument."""
    words = plain(name)
    is_opening = words == "open" and "price" in table.cells  # where lots have no price, it may be theirs
    if is_opening or _TODAY.fullmatch(words) or in_usd(words) in (*USUAL_NAMES["value"], *USUAL_NAMES["closing"]):
        return not any(map(may_be_day, cells.distinct[:_FEW]))
    return bool(_IDENTIFIER.fullmatch(words) or ("date" in table.cells and _OTHER_DAY.fullmatch(words)))


def is_currency(table: Table, name: str) -> bool:
    """Return whether a column that no field uses says the currency of its row."""
    return plain(name) in _OF_BROKERS or bool(not table.source.recognise and _CURRENCY.fullmatch(plain(name)))


def _is_paid(fee: str) -> bool:
    return bool(written_number(fee))


def _is_foreign(currency: str) -> bool:
    return _A_CURRENCY.search(currency) is not None and not is_usd(currency)


def _doubt(table: Table, name: str, cells: Column) -> Doubt | None:
    """Ask about a column that by its name, or some of its cells, says which side or kind a lot has, or that it is closed."""
    if table.source.kind == "transactions":
        return None
    fields = [each for each in ("direction", "class", "status") if each not in table.labels]
    value = not_understood(plain(name), cells.distinct, fields) if plain(name) in OPEN_NAMES else None
    value = value or next((cell for cell in cells.distinct if in_words(cell) in SALES), None)
    if value is None or written_number(value) is not None or may_be_day(value):
        return None
    return Doubt.of_column(
        "ERR_POS_037",
        table.lines[cells.index(value)],
        name,
        value,
        f"the column {name!r} may say the side, the kind or the end of each lot, but is not understood: ignore it?",
        "one of Long and Short; Open and Closed; kinds such as Stock, ETF, Bond, Option and Cash; or Buy and Sell, in"
        " a table of transactions or beside exit dates; or `--ignore-column {}`",
    )


def _note_telling(table: Table, name: str, cells: Column, findings: Findings) -> None:
    """Warn of a column that is not used, although its words may change what a lot is."""
    value = telling_cell(cells.at(cells.matching(TELLING_PATTERN)).distinct)
    if value is not None:
        line = table.lines[cells.index(value)]
        findings.warnings.append(
            f"line {line}: the column {name!r} is not used, though it says {shown(value)}: if that changes the lot, say so"
            " in Quantity (negative for a short), Investment Class and Subtype, or Exit Date"
        )


def _check_header(table: Table, findings: Findings) -> None:
    """Report required columns that are missing, and columns that occur twice."""
    prices = {
        "transactions": ("price", "amount"),
        "positions": ("price", "cost", "value", "closing"),
        "lots": ("price", "cost"),
    }
    needed = [("symbol",), ("quantity",), prices[table.source.kind]]
    if table.source.kind == "transactions":
        needed.append(("date",))
    names = [plain(name) for name in table.names]
    for alternatives in needed:
        if not any(name in table.cells for name in alternatives):
            column, expected = (
                table.label(alternatives[0]),
                f"all of {', '.join(OUR_COLUMNS[name] for name in REQUIRED)}",
            )
            if column == table.label("price") and "cost" in names:
                expected = "the column Cost to be named Cost Per Share or Total Cost: of which is it?"
            findings.problems.append(Problem("ERR_CSV_004", table.header_line, column, None, expected, "missing"))
    for label in dict.fromkeys(table.labels.values()):
        if names.count(plain(label)) > 1:
            problem = Problem("ERR_CSV_006", table.header_line, label, None, "each column once", "found twice")
            findings.problems.append(problem)


def _unknown_columns(table: Table) -> Iterator[tuple[str, Column, str, int, str | None]]:
    """Yield each column that no field uses: name, cells, one of them, its line, and which of ours it looks like."""
    wanted = {plain(name): name for each, name in OUR_COLUMNS.items() if each not in table.labels}
    for name, cells in table.unknown.items():
        row = int((~cells.among([""])).argmax())
        near = difflib.get_close_matches(plain(name), wanted, n=1, cutoff=0.75)
        is_typed = name.isprintable() and len(name) <= SHOWN_CHARACTERS
        yield (
            name if is_typed else shown(name)[1:-1],
            cells,
            cells[row],
            table.lines[row],
            wanted[near[0]] if near else None,
        )
