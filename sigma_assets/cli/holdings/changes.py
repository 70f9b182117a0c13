"""Commands that change what a portfolio holds. Each is one transaction and can be undone."""

import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from sigma_assets.base.conventions import OPTION_TERMS
from sigma_assets.base.errors import HoldingsError
from sigma_assets.cli.holdings.importing import read_options, reading_options, understand
from sigma_assets.cli.holdings.splits import check_day, splits_since_entry, unknown_splits
from sigma_assets.cli.terminal.options import DAY, portfolio_argument
from sigma_assets.cli.terminal.printing import json_option, show_one
from sigma_assets.cli.terminal.world import open_database
from sigma_assets.storage import portfolios as tables
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.edits import apply_edit, rename_portfolio, undo_edit

if TYPE_CHECKING:
    from sigma_assets.holdings.changes import Changes, Lot


@click.command()
@portfolio_argument
@click.option("--symbol", required=True)
@click.option("--quantity", required=True, help="Shares or contracts; negative = sold.")
@click.option("--price", required=True, help="USD per share; 0 for a gift.")
@click.option("--date", "day", required=True, type=DAY)
@click.option("--lot", "lot_id", help="Close this lot (id or its beginning), not the oldest.")
@click.option("--short", is_flag=True, help="The sale opens a short position.")
@click.option("--class", "investment_class", help="PUBLIC, OPTIONS or PRIVATE; by default that of the lots held.")
@click.option("--subtype", "investment_subtype", help="As in a holdings file, for example BOND.")
@click.option("--multiplier", help="USD value = quantity x price x multiplier.")
@json_option
def trade(portfolio_id: str, symbol: str, quantity: str, price: str, day: datetime, lot_id: str | None, short: bool,
          as_json: bool, **kind: str | None) -> None:  # fmt: skip
    """Record a purchase or a sale.

    A sale closes the oldest lots first, a purchase covers short lots first; the rest opens a new lot, of the class,
    subtype and multiplier of those held.
    """
    from sigma_assets.holdings.changes import in_the_kind_held, kind_of, plan_trade

    database = open_database()
    held = _held(database, portfolio_id)
    given = {name: text for name, text in kind.items() if text is not None}
    done = in_the_kind_held(_lot_of(symbol, quantity, price, day.date(), **given), held.values(), given)
    open_lots = {
        key: lot
        for key, lot in held.items()
        if lot["symbol"] == done["symbol"]
        and lot["exit_date"] is None
        and lot["entry_date"] <= done["entry_date"]
        and kind_of(lot) == kind_of(done)
    }
    check_day(database, done, done["entry_date"])
    splits = splits_since_entry(database, done, open_lots)
    changes = plan_trade(open_lots, done, splits, lot_id=_lot_id(held, lot_id), short=short)
    notes = unknown_splits(database, done) if changes.seen else {}
    _do(database, portfolio_id, changes, as_json=as_json, **notes)


@click.command()
@portfolio_argument
@click.option("--symbol", help="Close all open lots of this symbol, long or short.")
@click.option("--lot", "lot_id", help="Close this lot (id or its beginning).")
@click.option("--price", required=True, help="USD per share; 0 if it expired worthless.")
@click.option("--date", "day", required=True, type=DAY)
@json_option
def close(portfolio_id: str, symbol: str | None, lot_id: str | None, price: str, day: datetime, as_json: bool) -> None:
    """Close a lot, or all open lots of a symbol."""
    from sigma_assets.holdings.changes import Changes

    if (symbol is None) == (lot_id is None):
        raise click.UsageError("expected either --symbol or --lot")
    database = open_database()
    held = _held(database, portfolio_id)
    chosen = _lot_id(held, lot_id)
    closing = _lot_of(symbol or held[str(chosen)]["symbol"], "1", price, day.date())
    wanted = closing["symbol"]
    keys = [
        key
        for key, lot in held.items()
        if key == chosen
        or (not chosen and lot["symbol"] == wanted != lot["underlying_symbol"] and lot["exit_date"] is None)
    ]
    if not keys:
        raise HoldingsError(f"no open lot of {symbol}; `sigma-assets lots` lists them")
    changes = Changes()
    for key in keys:
        lot = held[key]
        if lot["exit_date"] is not None or day.date() < lot["entry_date"]:
            state = f"was closed on {lot['exit_date']}" if lot["exit_date"] else f"was entered on {lot['entry_date']}"
            raise HoldingsError(f"lot {key} ({lot['symbol']}) {state}: cannot be closed on {day.date()}")
        check_day(database, lot, day.date())
        changes.seen[key] = lot
        changes.lots[key] = {**lot, "exit_date": day.date(), "exit_price": closing["entry_price"]}
        changes.words.append(
            f"close {lot['quantity']:,.8g} {lot['symbol']} of {lot['entry_date']} at {price} on {day.date()}"
        )
    _do(database, portfolio_id, changes, as_json=as_json)


@click.command()
@portfolio_argument
@click.argument("lot_id", metavar="LOT")
@click.option("--symbol", help="New symbol, for example after a rename.")
@click.option("--quantity", type=float)
@click.option("--price", "entry_price", type=float, help="Entry price, USD.")
@click.option("--date", "entry_date", type=DAY, help="Entry day.")
@click.option("--exit-price", type=float)
@click.option("--exit-date", type=DAY)
@click.option("--multiplier", type=float, help="USD value = quantity x price x multiplier.")
@click.option("--reopen", is_flag=True, help="Remove the exit, so that the lot is open again.")
@click.option("--remove", is_flag=True, help="Delete the lot, as if it had never been entered.")
@json_option
def correct(portfolio_id: str, lot_id: str, reopen: bool, remove: bool, as_json: bool, **given: Any) -> None:
    """Correct a lot that was entered wrongly."""
    from sigma_assets.holdings.changes import Changes
    from sigma_assets.storage.holdings import check_lot

    database = open_database()
    held = _held(database, portfolio_id)
    key = str(_lot_id(held, lot_id))
    lot = held[key]
    columns = {
        name: value.date() if isinstance(value, datetime) else value
        for name, value in given.items()
        if value is not None
    }
    for name, value in columns.items():
        if isinstance(value, float):
            _check_places(name, value)
    if "symbol" in columns:
        columns |= _renamed(lot, str(columns["symbol"]))
    if reopen:
        columns |= {"exit_date": None, "exit_price": None}
    if not columns and not remove:
        raise click.UsageError("nothing to correct: give at least one option; --help lists them")
    corrected = None if remove else {**lot, **columns}
    if corrected is not None:
        check_lot(key, corrected)
        for name in ("entry_date", "exit_date"):
            check_day(database, corrected, columns.get(name))
    changed = [
        f"{name} {lot[name]} -> {value}" for name, value in columns.items() if name in given or lot[name] != value
    ]
    what = "remove" if remove else ", ".join(changed)
    words = f"correct {lot['symbol']} of {lot['entry_date']} ({key[:8]}): {what}"
    _do(database, portfolio_id, Changes({key: corrected}, {key: lot}, [words]), as_json=as_json)


@click.command()
@portfolio_argument
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask; refuse what is ambiguous.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@reading_options
@json_option
def sync(portfolio_id: str, file: Path, yes: bool, dry_run: bool, as_json: bool, **given: Any) -> None:
    """Replace a portfolio's lots with those of a file of lots or transactions.

    Cash flows stay as they are, those of the file are not entered; `flow` records them.
    """
    from sigma_assets.holdings.changes import plan_sync

    asks = sys.stdin.isatty() and not (yes or as_json)
    holdings = understand(file, read_options(given), asks=asks)
    if holdings.kind == "positions":
        raise HoldingsError(
            f"{file.name}: has positions without dates, so it does not show when lots were bought and sold; sync needs a"
            " file of lots or transactions, `trade` records a single purchase or sale"
        )
    database = open_database()
    changes = plan_sync(_held(database, portfolio_id), _as_lots(holdings.lots))
    note = "cash flows stay as they are"
    if count := len(holdings.flows):
        note += f": the {count:,} in the file are not entered, `flow` records them"
    if dry_run or not changes.lots:
        record = {"portfolio_id": portfolio_id, "changes": changes.words, "done": False, "flows": note}
        words = changes.words or ["no lot to change"]
        return show_one(record, as_json=as_json, sentence="\n".join([*words, note]))
    if asks:
        click.echo("\n".join([*changes.words, note]), err=True)
        click.confirm(f"Make these {len(changes.words):,} changes?", default=True, abort=True, err=True)
    summary = f"sync with {file.name}: {len(changes.words):,} changes"
    _do(database, portfolio_id, changes, as_json=as_json, summary=summary, flows=note)


@click.command()
@portfolio_argument
@json_option
def undo(portfolio_id: str, as_json: bool) -> None:
    """Undo the last change to lots or flows that a command made."""
    words = undo_edit(open_database(), portfolio_id)
    show_one({"portfolio_id": portfolio_id, "undone": words}, as_json=as_json, sentence=f"undone: {words}")


@click.command()
@portfolio_argument
@click.argument("name")
@json_option
def rename(portfolio_id: str, name: str, as_json: bool) -> None:
    """Rename a portfolio."""
    from sigma_assets.holdings.portfolio import check_portfolio

    problems = [each for each in check_portfolio(name, "1", "other", ()) if each.column == "name"]
    if problems:
        raise HoldingsError.of("rename", problems)
    rename_portfolio(open_database(), portfolio_id, name.strip())
    show_one(
        {"portfolio_id": portfolio_id, "name": name.strip()}, as_json=as_json, sentence=f"renamed to {name.strip()}"
    )


def _do(
    database: Database,
    portfolio_id: str,
    changes: "Changes",
    *,
    as_json: bool,
    summary: str | None = None,
    **notes: str,
) -> None:
    words = summary or "; ".join(changes.words)
    apply_edit(database, portfolio_id, words, lots=changes.lots, seen=changes.seen)
    record = {"portfolio_id": portfolio_id, "changes": changes.words, "done": True, **notes}
    show_one(record, as_json=as_json, sentence="\n".join([*changes.words, *notes.values()]))


def _held(database: Database, portfolio_id: str) -> "dict[str, Lot]":
    rows = tables.lots(database, [portfolio_id])
    return dict(zip(rows["lot_id"], _as_lots(rows.drop(columns=["lot_id", "portfolio_id"])), strict=True))


def _as_lots(rows: pd.DataFrame) -> "list[Lot]":
    return [
        {
            str(name): None if pd.isna(value) else value.date() if isinstance(value, pd.Timestamp) else value
            for name, value in row.items()
        }
        for row in rows.to_dict("records")
    ]


def _lot_of(symbol: str, quantity: str, price: str, day: date, **kind: str) -> "Lot":
    """Return a trade as a checked lot: the words of the command are read as a line of a file."""
    import csv
    import io

    from sigma_assets.base.calendar import today
    from sigma_assets.holdings.brokers.sources import OUR_COLUMNS, REQUIRED
    from sigma_assets.holdings.reader import ReadOptions, read_holdings

    fields = [*REQUIRED, *(name.removeprefix("investment_") for name in kind)]
    line = io.StringIO()
    csv.writer(line).writerows([[OUR_COLUMNS[name] for name in fields], [symbol, quantity, price, day, *kind.values()]])
    options = ReadOptions(in_usd=True)  # as the help of --price says
    (lot,) = _as_lots(read_holdings(line.getvalue().encode(), "trade", today(), options))
    return lot


def _check_places(name: str, value: float) -> None:
    """Refuse a number of more decimals than a file may have: what was corrected could not be written as one."""
    from sigma_assets.base.numerals import decimals
    from sigma_assets.holdings.files.cells import PLACES

    if decimals(Decimal(repr(value))) > PLACES:
        raise HoldingsError(f"{name} {value!r}: more than {PLACES} decimals; expected at most that, as in a file")


def _renamed(lot: "Lot", symbol: str) -> "Lot":
    """Return the columns that a new symbol changes: of an option, the terms of its contract too."""
    before, named = (_lot_of(name, "1", "1", lot["entry_date"]) for name in (lot["symbol"], symbol))
    is_contract, was_option = (one["investment_class"] == "OPTIONS" for one in (named, lot))
    was_contract = before["investment_class"] == "OPTIONS"
    names_underlying = was_option and named["symbol"] == lot["underlying_symbol"]
    if was_option != is_contract and (is_contract or was_contract or names_underlying):
        expected = "a symbol that is no option contract" if is_contract else "an option contract"
        raise HoldingsError(
            f"lot of {lot['symbol']}: found {named['symbol']}, expected {expected}; to replace it by another instrument use"
            " --remove, and `trade` for the other one"
        )
    return {name: named[name] for name in ("symbol", *((*OPTION_TERMS, "investment_subtype") if is_contract else ()))}


def _lot_id(held: "dict[str, Lot]", text: str | None) -> str | None:
    if text is None:
        return None
    keys = [key for key in held if key.startswith(text.lower())]
    if len(keys) != 1:
        found = "no lot" if not keys else f"{len(keys)} lots"
        raise HoldingsError(f"{found} of this portfolio begin with {text!r}; `sigma-assets lots` lists them")
    return keys[0]
