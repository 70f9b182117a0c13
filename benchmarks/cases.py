"""The cases: each makes a fresh world in its own process, measures one thing and returns lines of the table."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Measured, cpu_seconds, measured, peak_mb
from benchmarks.worlds import World, add_portfolios, extra_symbols, load_prices, make_world

if TYPE_CHECKING:
    import dagster as dg

LOTS, SYMBOLS, YEAR = 13, 27, 254


def onboarding(database: str, sessions: int = YEAR) -> list[Measured]:
    """One portfolio of 13 lots gets its whole history in a Dagster run."""
    world = make_world(sessions, database)
    symbols = extra_symbols(SYMBOLS)
    load_prices(world, symbols)
    ids = add_portfolios(world, 1, symbols, LOTS, world.sessions[0].item())
    case = f"onboarding, {SYMBOLS} symbols x {sessions}, {database}"
    return _measure(case, world, ids)


def nightly(database: str, symbols: int, portfolios: int, lots: int = 30) -> list[Measured]:
    """One session of the whole universe and all portfolios, which were entered a year ago."""
    world = make_world(1, database)
    names = extra_symbols(symbols)
    entry = world.tables.calendar.shift(world.sessions[0].item(), -YEAR)
    load_prices(world, names, entry)
    ids = add_portfolios(world, portfolios, names, lots, entry)
    return nightly_runs(f"nightly, {symbols:,} symbols, {portfolios:,} portfolios, {database}", world, ids)


def nightly_runs(case: str, world: World, ids: Sequence[str]) -> list[Measured]:
    """The run of the universe, then that of the portfolios."""
    return _measure(case, world, []) + _measure(case, world, ids)


def universe(database: str, symbols: int, sessions: int = YEAR) -> list[Measured]:
    """Factors and metrics of the whole universe from prices that are there."""
    world = make_world(sessions, database)
    load_prices(world, extra_symbols(symbols))
    return _measure(f"universe, {symbols:,} symbols x {sessions:,}, {database}", world, [])


def planner_tick(portfolios: int) -> list[Measured]:
    """What a sensor asks at each tick when nothing is missing: the first look reads the log, later ones what is new."""
    world = make_world(1)
    symbols = extra_symbols(SYMBOLS)
    load_prices(world, symbols)
    ids = add_portfolios(world, portfolios, symbols, LOTS, world.sessions[0].item())
    through_dagster(world, [], lambda *_: None)
    through_dagster(world, ids, lambda *_: None)
    from sigma_assets.automation.execution import Update, UpdateRequest
    from sigma_assets.cli.terminal.world import open_instance
    from sigma_assets.runs.watermark import Materialized

    lines: list[Measured] = []
    instance, materialized = open_instance(), Materialized(world.tables.calendar.sessions)
    for phase in ("first look", "next tick"):
        with measured(f"planner tick, {portfolios:,} portfolios, sqlite", phase, lines):
            _, needs = Update(instance, world.tables, world.source, UpdateRequest(), materialized).missing()
        if any(needs.values()):
            raise RuntimeError(f"nothing should be missing, but this is: {needs}")
    return lines


def disk(database: str = "sqlite", portfolios: int = 100, sessions: int = 4) -> list[Measured]:
    """What a session adds to our tables and to Dagster's, by table on PostgreSQL; a year is 252 times that."""
    world = make_world(sessions, database)
    symbols = extra_symbols(300)
    entry = world.tables.calendar.shift(world.sessions[0].item(), -YEAR)
    load_prices(world, symbols, entry)
    ids = add_portfolios(world, portfolios, symbols, 30, entry)
    days, sizes = world.sessions, _sizes if database == "sqlite" else _table_sizes
    through_dagster(replace(world, sessions=days[:1]), [], lambda *_: None)
    through_dagster(replace(world, sessions=days[:1]), ids, lambda *_: None)
    before = sizes(world)
    through_dagster(replace(world, sessions=days[1:]), [], lambda *_: None)
    through_dagster(replace(world, sessions=days[1:]), ids, lambda *_: None)
    case = f"disk, 300 symbols, {portfolios:,} portfolios x 30 lots, {database}"
    growth = {name: (size - before.get(name, 0)) / 1e6 / (sessions - 1) for name, size in sizes(world).items()}
    return [
        Measured(case, f"{name}: {mb:.2f} MB per session, {mb * 252:,.0f} MB a year")
        for name, mb in growth.items()
        if mb >= LEAST_MB
    ]


LEAST_MB = 0.005
"""Tables that grow by less per session are not shown."""


def _table_sizes(world: World) -> dict[str, int]:
    """Return the bytes of each table with its indexes, after VACUUM FULL, so that what was replaced does not count."""
    import sqlalchemy as sa

    from sigma_assets.settings import settings
    from sigma_assets.storage.schema import TABLES, stored_table

    url = sa.make_url(settings().database).set(drivername="postgresql+psycopg2")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM FULL")
        rows = connection.exec_driver_sql(
            "SELECT relname, pg_total_relation_size(pg_class.oid) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind = 'r' AND nspname IN ('public', 'sigma')"
        ).all()
    ours = {stored_table(table, "postgresql").name for table in TABLES.values()}
    found = {f"{'ours' if name in ours else 'Dagster'}, {name}": size for name, size in rows}
    totals = {
        whose: sum(size for name, size in found.items() if name.startswith(whose)) for whose in ("ours", "Dagster")
    }
    largest = dict(sorted(found.items(), key=lambda item: -item[1]))
    return {"our tables": totals["ours"], "Dagster": totals["Dagster"], **largest}


def _sizes(world: World) -> dict[str, int]:
    """Return the bytes of our tables and of Dagster's storage, write-ahead logs written back."""
    import os
    import sqlite3
    from pathlib import Path

    home = Path(os.environ["DAGSTER_HOME"])
    sizes = {"our tables": 0, "Dagster": 0}
    for path in (*home.rglob("*.db"), *home.glob("*.sqlite")):
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes["our tables" if path.suffix == ".sqlite" else "Dagster"] += path.stat().st_size
    return sizes


def backfill(portfolios: int, sessions: int = YEAR, lots: int = 30) -> list[Measured]:
    """The history of several portfolios in one run: its memory is bounded by the planner's MAX_CELLS."""
    world = make_world(sessions)
    symbols = extra_symbols(300)
    load_prices(world, symbols)
    ids = add_portfolios(world, portfolios, symbols, lots, world.sessions[0].item())
    return _measure(f"backfill, {portfolios:,} portfolios x {lots} lots x {sessions:,} sessions, sqlite", world, ids)


CASES: dict[str, Callable[..., list[Measured]]] = {
    "onboarding": onboarding,
    "nightly": nightly,
    "universe": universe,
    "planner_tick": planner_tick,
    "backfill": backfill,
    "disk": disk,
}


def _measure(case: str, world: World, ids: Sequence[str]) -> list[Measured]:
    job = "portfolios" if ids else "universe"
    phases: list[Measured] = []
    started: dict[str, tuple[float, float]] = {}
    total: list[Measured] = []
    events = 0

    def on_event(_: object, event: Any) -> None:
        nonlocal events
        events += 1
        note(case, event, started, phases)

    import sigma_assets.definitions  # noqa: F401  (a run worker has imported it before its run starts)

    with measured(case, f"{job}: the run", total) as line:
        through_dagster(world, ids, on_event)
        line.events = events
    for phase in phases:
        phase.rows = _rows(world, phase.phase.strip())
    total[0].rows = sum(phase.rows for phase in phases)
    return [*total, *phases]


def note(case: str, event: Any, started: dict[str, tuple[float, float]], phases: list[Measured]) -> None:
    """Add a line for each step that ends; raise RuntimeError where one fails."""
    if event.event_type_value == "STEP_START":
        started[event.step_key] = perf_counter(), cpu_seconds()
    elif event.event_type_value == "STEP_SUCCESS":
        wall, cpu = started[event.step_key]
        phases.append(Measured(case, f"  {event.step_key}", perf_counter() - wall, cpu_seconds() - cpu, peak_mb()))
    elif event.event_type_value == "STEP_FAILURE":
        raise RuntimeError(event.event_specific_data.error.to_string())


def through_dagster(
    world: World, ids: Sequence[str], on_event: Callable[..., None], definitions: "dg.Definitions | None" = None
) -> None:
    """Execute the run of all assets of some portfolios (of the universe if none) over the world's sessions."""
    from sigma_assets.automation.execution import execute
    from sigma_assets.automation.inputs import adopt_portfolios
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
    from sigma_assets.automation.planner import PlannedRun
    from sigma_assets.cli.terminal.world import open_instance
    from sigma_assets.definitions import defs

    with open_instance() as instance:
        roster = adopt_portfolios(instance, world.tables, "command")
        assets = names(PORTFOLIO_ASSETS if ids else SYMBOL_ASSETS)
        planned = PlannedRun(tuple(assets), world.sessions[0].item(), world.sessions[-1].item(), tuple(ids))
        outcome = execute(definitions or defs, instance, roster, planned, "admin", on_event)
        if outcome is None or not outcome.succeeded:
            raise RuntimeError(f"the run over {planned.first} to {planned.last} failed")


def _rows(world: World, asset: str) -> int:
    from sigma_assets.storage.schema import FAMILIES, metadata

    stored = [table.name for table in FAMILIES[asset] if table.name in metadata.tables]  # others are made by exports
    with world.tables.database.read() as connection:
        return sum(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in stored)
