"""What a file's columns mean: our own format, the exports of brokers, and mappings of a user's own, all written alike.

A mapping is a YAML document; this folder has those that come with us. Its keys:

name, kind : what is printed; `lots` (a row per lot), `positions` (a row per position, no days) or `transactions`.
recognise : columns that a table's header must have, in any case, to be read by this mapping.
columns : field of ours to column of theirs, or to a list of names of which the first one present counts (`fees`, which are
    added up, and `fee_currency`: all of them); `{after: NAME}` is the column without a name behind another one.
dates, decimal : `mdy`, `dmy` or `ymd`; `.` or `,`. Left out, the file decides, and where it cannot, the user is asked.
sales : `negative` if a negative quantity marks a sale; otherwise `actions` does.
foreign_fees : `skip` to list fees in another currency than USD instead of refusing them.
short_mark : what follows the quantity of a short position: with `S`, 1S is -1.
actions : pairs of a pattern, matched against a whole action in any case, and one of `ACTIONS`. A `cover` buys back what was
    sold short or written; where there is less of that, it is refused. The quantity of a `split` is what came to the shares
    held, that of a `split_out` what they were. `move` is what changes shares without a trade, such as a spin-off: it is
    refused, and the message says what to do. A `distribution` is a split if it makes a common one of what is held, with a
    warning, else it is a `move`.
classes : their name of a kind of instrument to our class and subtype.
direction, status : fields of lots and positions: `Short` makes a quantity negative; `Closed` needs an exit.
skip, keep, section, also : rows to leave out, with a reason; see `interactive_brokers.yaml`.
symbols : their symbol (an ISIN, a name) to ours.
ignore : columns that hold numbers and are not wanted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any

from sigma_assets.base.errors import HoldingsError

OUR_COLUMNS = {
    "symbol": "Symbol",
    "quantity": "Quantity",
    "price": "Entry Price Per Share",
    "date": "Entry Date",
    "class": "Investment Class",
    "subtype": "Investment Subtype",
    "underlying": "Underlying Symbol",
    "strike": "Strike Price",
    "expiration": "Expiration Date",
    "option_type": "Option Type",
    "exit_date": "Exit Date",
    "exit_price": "Exit Price Per Share",
    "multiplier": "Multiplier",
}
"""Field to column of our own format."""
REQUIRED = ("symbol", "quantity", "price", "date")
HEADER = ",".join(OUR_COLUMNS.values())

NUMBER_FIELDS = (
    "quantity", "price", "cost", "value", "closing", "amount", "fees", "commission", "accrued", "tax", "multiplier",
    "strike", "exit_price",
)  # fmt: skip
DATE_FIELDS = ("date", "exit_date", "expiration")
TEXT_FIELDS = (
    "symbol", "contract", "description", "account", "action", "opens", "currency", "amount_currency", "fee_currency",
    "tax_currency", "class", "subtype", "underlying", "option_type", "direction", "status", "exchange",
)  # fmt: skip
FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS, *DATE_FIELDS)
ACTIONS = (
    "buy", "cover", "sell", "sell_short", "dividend", "interest", "fee", "tax", "cash", "split", "split_out",
    "distribution", "move", "expire", "exercise", "skip",
)  # fmt: skip
KINDS = ("lots", "positions", "transactions")


_UNIT = re.compile(r"(?<=\S) (?:\(?(?:\$|us\$|usd)\)?|\*|#)$")


@dataclass(frozen=True)
class Source:
    """One mapping, checked; the keys of the YAML document are described in the module."""

    name: str
    kind: str
    columns: Mapping[str, Any]
    recognise: tuple[str, ...] = ()
    dates: str | None = None
    decimal: str | None = None
    sales: str | None = None
    foreign_fees: str | None = None
    short_mark: str | None = None
    actions: tuple[tuple[re.Pattern[str], str], ...] = ()
    classes: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    skip: tuple[tuple[str, re.Pattern[str], str], ...] = ()
    keep: tuple[str, tuple[str, ...]] | None = None
    section: str | None = None
    action: str | None = None
    also: tuple["Source", ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    ignore: frozenset[str] = frozenset()
    is_strict: bool = False
    """Whether this is our own format, where a line of another width is a mistake and not a footer."""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The YAML document as it was read."""

    def positions_of(self, header: Sequence[str]) -> dict[str, list[int]]:
        """Return the positions of each field's columns in a header; fields that it lacks are not in the answer."""
        names = [plain(name) for name in header]
        bare = [in_usd(name) for name in names]
        found: dict[str, list[int]] = {}
        for each, spelling in self.columns.items():
            if isinstance(spelling, Mapping):
                start = plain(spelling["after"])
                places = [
                    place + 1
                    for place, name in enumerate(names[:-1])
                    if name.startswith(start) and not names[place + 1]
                ][:1]
            else:
                wanted = [plain(name) for name in ([spelling] if isinstance(spelling, str) else spelling)]
                places = [known.index(name) for name in wanted for known in (names, bare) if name in known]
                places = list(dict.fromkeys(places)) if each in ("fees", "fee_currency") else places[:1]
            if places:
                found[each] = places
        return found


def plain(name: str) -> str:
    """Return a column's name as it is compared: lower case, single blanks, also for underscores.

    Examples
    --------
    >>> plain(" Entry  Date"), plain("entry_date")
    ('entry date', 'entry date')
    """
    return " ".join(name.lower().replace("_", " ").split())


def in_usd(name: str) -> str:
    """Return a plain name without the unit or the sign behind it: what is not said to be in another unit is in USD.

    Examples
    --------
    >>> [in_usd(name) for name in ("price ($)", "amount (usd)", "value usd", "price *", "qty #", "price (eur)", "$")]
    ['price', 'amount', 'value', 'price', 'qty', 'price (eur)', '$']
    """
    return _UNIT.sub("", name)


OURS = Source("our own format", "lots", dict(OUR_COLUMNS), is_strict=True)


@cache
def known_sources() -> tuple[Source, ...]:
    """Return the mappings of brokers, in the order of their files: of two that fit a file, the first one is used."""
    import yaml

    folder = files("sigma_assets.holdings.brokers")
    documents = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return tuple(
        source_of(entry, document.name)
        for document in documents
        for entry in yaml.load(document.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    )


def read_mapping(text: str, name: str) -> Source:
    """Return the mapping of a user's YAML file.

    Raises
    ------
    HoldingsError
        It is no YAML, or a key is missing, unknown or has a value that cannot be used; names file and key.
    """
    import yaml

    try:
        entry = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HoldingsError(f"{name}: is not YAML: {error}") from error
    if isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    try:
        return source_of(entry, name)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise HoldingsError(
            f"{name}: cannot be used as a mapping ({error}); compare it with one of `import --show-mapping FILE`"
        ) from error


def source_of(entry: Any, where: str) -> Source:
    """Return a checked mapping; see `read_mapping` for the errors."""
    if not isinstance(entry, dict):
        raise HoldingsError(f"{where}: expected one mapping with `name`, `kind` and `columns`; `import --show-mapping`"
                            " prints one to start from")  # fmt: skip
    known = {each.name for each in fields(Source)} - {"is_strict", "document"}
    _refuse(where, "key", set(entry) - known, known)
    entry = {key: value for key, value in entry.items() if value is not None}
    columns = entry.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise HoldingsError(f"{where}: `columns` is missing; expected `field: column` pairs of {', '.join(FIELDS)}")
    _refuse(where, "field under `columns`", set(columns) - set(FIELDS), FIELDS)
    for each, spelling in columns.items():
        names = spelling if isinstance(spelling, list) else [spelling]
        if not (isinstance(spelling, dict) and set(spelling) == {"after"}) and not all(
            isinstance(n, str) for n in names
        ):
            raise HoldingsError(
                f"{where}: `columns: {each}:` is {spelling!r}; expected a column's name or a list of names"
            )
    kind = entry.get("kind", "lots")
    for key, value, allowed in (
        ("kind", kind, KINDS), ("dates", entry.get("dates"), ("mdy", "dmy", "ymd", None)),
        ("decimal", entry.get("decimal"), (".", ",", None)), ("sales", entry.get("sales"), ("negative", None)),
        ("action", entry.get("action"), (*ACTIONS, None)), ("foreign_fees", entry.get("foreign_fees"), ("skip", None)),
    ):  # fmt: skip
        if value not in allowed:
            raise HoldingsError(
                f"{where}: `{key}` is {value!r}; expected one of {', '.join(str(one) for one in allowed if one)}"
            )
    holders, traders = KINDS[:2], KINDS[2:]
    for each, kinds in (("action", traders), ("direction", holders), ("status", holders)):
        if each in columns and kind not in kinds:
            raise HoldingsError(
                f"{where}: `columns: {each}:` is a field of {' and '.join(kinds)}, found `kind: {kind}`; lots and positions"
                " have `direction` (Long, Short), transactions `action` (Buy, Sell)"
            )
    return Source(
        name=str(entry.get("name", where)),
        kind=kind,
        columns=columns,
        recognise=tuple(plain(str(name)) for name in entry.get("recognise", ())),
        **{key: entry.get(key) for key in ("dates", "decimal", "sales", "foreign_fees", "section", "action")},
        short_mark=str(entry["short_mark"]).upper() if "short_mark" in entry else None,
        actions=action_patterns(entry.get("actions", []), where),
        classes={plain(str(name)): pair for name, pair in entry.get("classes", {}).items()},
        skip=tuple(
            (plain(one["column"]), _pattern(one["matches"], where), one["reason"]) for one in entry.get("skip", ())
        ),
        keep=(plain(entry["keep"]["column"]), tuple(map(plain, entry["keep"]["first_of"])))
        if "keep" in entry
        else None,
        also=tuple(source_of({"kind": "transactions", **one}, where) for one in entry.get("also", ())),
        symbols={str(theirs).upper(): str(ours) for theirs, ours in entry.get("symbols", {}).items()},
        ignore=frozenset(plain(str(name)) for name in entry.get("ignore", ())),
        document=entry,
    )


def as_document(source: Source) -> str:
    """Return a mapping as the YAML document that `read_mapping` reads."""
    import yaml

    entry = dict(source.document) or {"name": source.name, "kind": source.kind, "columns": dict(source.columns)}
    if not source.document and source.actions:
        entry["actions"] = [[pattern.pattern, action] for pattern, action in source.actions]
    if not source.document and "class" in source.columns and source.classes:
        entry["classes"] = {name: list(pair) for name, pair in source.classes.items()}
    entry["symbols"], entry["ignore"] = dict(source.symbols), sorted(source.ignore)
    return yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=120)


def action_patterns(pairs: Sequence[Sequence[str]], where: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return pairs of a pattern and an action, compiled; `where` names them in a refusal."""
    _refuse(where, "action", {pair[1] for pair in pairs} - set(ACTIONS), ACTIONS)
    return tuple((_pattern(pattern, where), action) for pattern, action in pairs)


def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise HoldingsError(f"{where}: {text!r} is no pattern: {error}; see Python's `re`") from error


def _refuse(where: str, what: str, wrong: Iterable[Any], known: Iterable[str]) -> None:
    unknown = sorted(str(one) for one in wrong)
    if unknown:
        raise HoldingsError(
            f"{where}: unknown {what} {', '.join(unknown)}; expected some of {', '.join(sorted(known))}"
        )
