"""What a sensor tick costs when nothing is missing, at 10, 100 and 1,000 portfolios.

Run: python benchmarks/planner_tick.py [sessions] [portfolios ...]

Portfolios, lots and materialisations are written straight into fresh SQLite storage; then each sensor ticks: the first
tick of a process reads the whole event log (cold), later ones what came since (warm).
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pandas as pd
import sqlalchemy as sa
from dagster._core.events import StepMaterializationData

from sigma_assets.assets.tables import Tables
from sigma_assets.automation import sensors
from sigma_assets.automation.inputs import adopt_portfolios
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, SYMBOL_ASSETS, names
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.tags import partition_key
from sigma_assets.settings import Settings
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import lots, portfolio_snapshots, portfolios, price_coverage

LAST = date(2026, 1, 8)
CHECKOUT = Path(__file__).parents[1]


def main() -> None:
    """Print one line per number of portfolios."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 254
    for count in [int(each) for each in sys.argv[2:]] or [10, 100, 1000]:
        with tempfile.TemporaryDirectory() as folder:
            print(_line(Path(folder), count, sessions), flush=True)  # noqa: T201


def filled_home(home: Path, count: int, sessions: int) -> Tables:
    """Make a DAGSTER_HOME in which everything of so many portfolios and sessions is materialised; return its tables."""
    settings = Settings(home=home, prices=f"simulated:last={LAST}")
    text = (CHECKOUT / "dagster.yaml").read_text().replace("{env: DAGSTER_HOME}", str(home))
    (home / "dagster.yaml").write_text(text)
    tables = Tables(settings)
    migrations.upgrade(Database(settings.database))
    days = settings.calendar.sessions
    days = days[days <= pd.Timestamp(LAST).to_datetime64().astype("datetime64[D]")][-sessions:]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        _fill(instance, tables, count, days)
    return tables


def _line(home: Path, count: int, sessions: int) -> str:
    tables = filled_home(home, count, sessions)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        price_source = PriceSource(tables.settings, tables.opened)
        parts = []
        for name in ("onboarding", "reconcile"):
            first, later = (_seconds(instance, tables, price_source, name) for _ in range(2))
            parts.append(f"{name} {first:.2f}/{later:.3f}")
    return f"{count:>5} portfolios x {sessions} sessions, seconds first/later tick: {', '.join(parts)}"


def _seconds(instance: dg.DagsterInstance, tables: Tables, price_source: PriceSource, name: str) -> float:
    resources = {"tables": tables, "price_source": price_source}
    context = dg.build_sensor_context(instance=instance, resources=resources)
    sensor: Callable = sensors.onboarding if name == "onboarding" else sensors.reconcile_sensor
    started = time.perf_counter()
    yielded = list(sensor(context))
    seconds = time.perf_counter() - started
    assert not [each for each in yielded if isinstance(each, dg.RunRequest)], yielded[:1]
    return seconds


def _fill(instance: dg.DagsterInstance, tables: Tables, count: int, days) -> None:
    ids = [str(uuid4()) for _ in range(count)]
    inception, now = days[0].item(), datetime.now(UTC) - timedelta(days=1)
    with tables.database.begin() as connection:
        owners = [
            {"portfolio_id": key, "name": key, "account_type": "taxable", "currency": "USD", "initial_equity_usd": 1e6,
             "inception": inception, "created_at": now} for key in ids
        ]  # fmt: skip
        connection.execute(sa.insert(portfolios), owners)
        held = [
            {"lot_id": str(uuid4()), "portfolio_id": key, "symbol": f"SIM{number:04d}", "quantity": 1.0,
             "entry_price": 50.0, "entry_date": inception, "investment_class": "PUBLIC"}
            for key in ids for number in range(30)
        ]  # fmt: skip
        connection.execute(sa.insert(lots), held)
        connection.exec_driver_sql("UPDATE holdings_changes SET effective_from = ?", (inception.isoformat(),))
        numbers = {column.name: 0 for column in price_coverage.columns if not column.nullable}
        covered = [
            {**numbers, "portfolio_id": key, "session": day.item(), "holdings_revision": 30, "prices_revision": 1}
            for key in ids for day in days
        ]  # fmt: skip
        connection.execute(sa.insert(price_coverage), covered)
        zeros = {column.name: 0 for column in portfolio_snapshots.columns if not column.nullable}
        valued = [{**zeros, "portfolio_id": key, "session": day.item()} for key in ids for day in days]
        connection.execute(sa.insert(portfolio_snapshots), valued)
    roster = adopt_portfolios(instance, tables, "command")
    for asset in names(PORTFOLIO_ASSETS):
        keys = [partition_key(day.item(), roster.name_of[key]) for key in ids for day in days]
        _materialize(instance, asset, keys)
    for asset in names(SYMBOL_ASSETS):
        _materialize(instance, asset, [partition_key(day.item()) for day in days])


def _materialize(instance: dg.DagsterInstance, asset: str, keys: list[str]) -> None:
    """Write one materialisation per key as Dagster would, but for its text, which nobody who looks for keys reads.

    The last one is a real one: with it Dagster notes that the asset is there.
    """
    run_id, key, kind = str(uuid4()), dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
    log = instance.event_log_storage
    moment = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
    rows = ((run_id, "", kind.value, moment, asset, key.to_string(), partition) for partition in keys[:-1])
    with log._connect() as connection:  # type: ignore[attr-defined]
        connection.connection.executemany(
            "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    materialization = StepMaterializationData(dg.AssetMaterialization(key, partition=keys[-1]))
    event = dg.DagsterEvent(kind.value, "portfolios", step_key=asset, event_specific_data=materialization)
    entry = dg.EventLogEntry(
        error_info=None, level="debug", user_message="", run_id=run_id, timestamp=time.time(), step_key=asset,
        job_name="portfolios", dagster_event=event,
    )  # fmt: skip
    log.store_event(entry)


if __name__ == "__main__":
    main()
