"""Edits of a portfolio's lots and flows: several rows in one transaction, remembered so that the last one can be undone."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from sigma_assets.base.errors import HoldingsError, PortfolioNotFoundError
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.selection import require_active

Row = dict[str, Any]
Rows = Mapping[str, Row | None]
"""Id to the row without its ids; None for a row that is not there."""

_TABLES = {"lots": (schema.lots, "lot_id"), "flows": (schema.cash_flows, "flow_id")}


def apply_edit(
    db: Database, portfolio_id: str, words: str, *, lots: Rows | None = None, flows: Rows | None = None,
    seen: Mapping[str, Row] | None = None,
) -> None:  # fmt: skip
    """Write rows of a portfolio, all or none, and remember what was there.

    Parameters
    ----------
    words : what is done, for the list of edits.
    lots, flows : the rows as they shall be; a new id is a new row, None takes a row away.
    seen : lots as the edit was planned from; if one is another by now, nothing is written.

    Raises
    ------
    PortfolioNotFoundError
        No active portfolio has this id.
    HoldingsError
        A row was changed since it was read, or a lot would now be entered before the portfolio's inception.
    """
    wanted = {"lots": dict(lots or {}), "flows": dict(flows or {})}
    with db.begin() as connection:
        inception = require_active(connection, portfolio_id)
        before = {table: _rows(connection, portfolio_id, table, rows) for table, rows in wanted.items()}
        for lot_id, row in (seen or {}).items():
            if before["lots"].get(lot_id) != row:
                raise HoldingsError(
                    f"lot {lot_id} has changed in the meantime; check `sigma-assets lots` and try again"
                )
        for lot_id, lot in wanted["lots"].items():
            _refuse_before_inception(lot, before["lots"][lot_id], inception)
        _write(connection, portfolio_id, before, wanted)
        edit = {
            "portfolio_id": portfolio_id,
            "edit": words,
            "rows_before": _as_text(before),
            "rows_after": _as_text(wanted),
            "edited_at": datetime.now(UTC),
        }
        connection.execute(sa.insert(schema.holdings_edits).values(edit))


def _refuse_before_inception(lot: Row | None, before: Row | None, inception: date) -> None:
    """Refuse a new entry before the first session: all that the lot has earned until then would be that session's."""
    if lot is None or lot["entry_date"] >= inception or (before and before["entry_date"] < inception):
        return
    raise HoldingsError(
        f"{lot['symbol']}: entry on {lot['entry_date']}; expected the portfolio's inception {inception} or later: initial"
        " equity and history begin then. To begin earlier, import a file with all lots as a new portfolio"
    )


def undo_edit(db: Database, portfolio_id: str) -> str:
    """Take back the last edit of a portfolio and return its words.

    Raises
    ------
    PortfolioNotFoundError
        No active portfolio has this id.
    HoldingsError
        There is none, or its rows were changed by something else since.
    """
    table = schema.holdings_edits
    with db.begin() as connection:
        require_active(connection, portfolio_id)
        query = sa.select(table).where(table.c.portfolio_id == portfolio_id).order_by(table.c.edit_id.desc()).limit(1)
        edit = connection.execute(query).mappings().one_or_none()
        if edit is None:
            raise HoldingsError(
                f"portfolio {portfolio_id}: nothing to undo; only changes by commands can be undone, not the import"
            )
        before, after = (json.loads(edit[name]) for name in ("rows_before", "rows_after"))
        now = {name: _rows(connection, portfolio_id, name, rows) for name, rows in after.items()}
        if json.loads(_as_text(now)) != after:
            raise HoldingsError(
                f"cannot undo {edit['edit']!r}: its lots or flows have been changed since;"
                " use `trade`, `close` or `correct`"
            )
        _write(connection, portfolio_id, now, {name: _with_days(name, rows) for name, rows in before.items()})
        connection.execute(sa.delete(table).where(table.c.edit_id == edit["edit_id"]))
        return str(edit["edit"])


def rename_portfolio(db: Database, portfolio_id: str, name: str) -> None:
    """Give a portfolio another name.

    Raises
    ------
    PortfolioNotFoundError
        No active portfolio has this id.
    HoldingsError
        An active portfolio has this name.
    """
    table = schema.portfolios
    with db.begin() as connection:
        require_active(connection, portfolio_id)
        try:
            connection.execute(sa.update(table).where(table.c.portfolio_id == portfolio_id).values(name=name))
        except sa.exc.IntegrityError as error:
            raise HoldingsError(f"a portfolio named {name!r} exists; choose another name") from error


def find_portfolio(db: Database, text: str) -> str:
    """Return the id of the portfolio that an id, the only id that begins so, or a name stands for.

    Removed portfolios are found by their whole id alone: their history stays readable.

    Raises
    ------
    PortfolioNotFoundError
        None or several could be meant.
    """
    table = schema.portfolios
    query = sa.select(table.c.portfolio_id, table.c.name, table.c.deleted_at)
    rows = db.in_snapshot(lambda connection: list(connection.execute(query)))
    if any(row.portfolio_id == text for row in rows):
        return text
    active = [row for row in rows if row.deleted_at is None]
    named = [row.portfolio_id for row in active if row.name == text]
    if named:
        return named[0]
    begins = [row for row in active if len(text) >= 4 and row.portfolio_id.startswith(text.lower())]
    if len(begins) == 1:
        return begins[0].portfolio_id
    if begins:
        names = ", ".join(f"{row.portfolio_id} ({row.name})" for row in begins[:5])
        raise PortfolioNotFoundError(f"several portfolios begin with {text!r}: {names}; give more characters of the id")
    alike = [row.name for row in active if row.name.lower() == text.lower()]
    hint = f" (did you mean {alike[0]!r}?)" if alike else ""
    raise PortfolioNotFoundError(
        f"no active portfolio {text}{hint}; `sigma-assets portfolios` lists their ids and names"
    )


def _rows(connection: sa.Connection, portfolio_id: str, name: str, wanted: Mapping[str, Any]) -> dict[str, Row | None]:
    table, key = _TABLES[name]
    query = sa.select(table).where(table.c[key].in_(list(wanted))).with_for_update()
    found: dict[str, Row | None] = dict.fromkeys(wanted)
    for row in connection.execute(query).mappings():
        if row["portfolio_id"] != portfolio_id:
            raise HoldingsError(f"{key} {row[key]} belongs to another portfolio")
        found[row[key]] = {column: value for column, value in row.items() if column not in (key, "portfolio_id")}
    return found


def _write(
    connection: sa.Connection, portfolio_id: str, before: Mapping[str, Rows], wanted: Mapping[str, Rows]
) -> None:
    for name, rows in wanted.items():
        table, key = _TABLES[name]
        for row_id, row in rows.items():
            old = before[name][row_id]
            if row is None:
                connection.execute(sa.delete(table).where(table.c[key] == row_id))
            elif old is None:
                connection.execute(sa.insert(table).values({**row, key: row_id, "portfolio_id": portfolio_id}))
            else:
                changes = {column: value for column, value in row.items() if old[column] != value}
                if changes:
                    connection.execute(sa.update(table).where(table.c[key] == row_id).values(changes))


def _as_text(rows: Mapping[str, Rows]) -> str:
    return json.dumps(rows, default=lambda day: day.isoformat())


def _with_days(name: str, rows: Rows) -> Rows:
    """Return rows from JSON with their days as dates."""
    table, _ = _TABLES[name]
    days = {column.name for column in table.columns if isinstance(column.type, sa.Date)}
    return {
        row_id: None
        if row is None
        else {column: date.fromisoformat(value) if column in days and value else value for column, value in row.items()}
        for row_id, row in rows.items()
    }
