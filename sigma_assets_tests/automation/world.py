"""A deployment in this process: a real instance, a real database, real runs; sensors tick when they are told to."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa
import yaml
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

from sigma_assets.assets.tables import Tables
from sigma_assets.automation import schedules, sensors
from sigma_assets.automation.execution import Outcome, UpdateRequest, bring_up_to_date
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.definitions import definitions_for
from sigma_assets.instance.in_process import execute_run
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.partitions import portfolios_def
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import LOT_COLUMNS, NewPortfolio, add_portfolio
from sigma_assets.storage.schema import PACKED, TABLES, metadata, portfolios
from sigma_assets_tests.templates import copy_dagster_files, migrated_sqlite

CHECKOUT = Path(__file__).parents[2]
SENSORS = {"onboarding": sensors.onboarding, "reconcile": sensors.reconcile_sensor}
MOMENTS = {"loaded_at", "asked_at", "updated_at", "created_at", "changed_at", "deleted_at", "change_id", "adopted_at"}


def lots(symbols: Mapping[str, float], entry: date, price: float = 50.0, kind: str = "PUBLIC") -> pd.DataFrame:
    """Return lots entered on one day at one price."""
    rows = pd.DataFrame({"symbol": list(symbols), "quantity": [float(value) for value in symbols.values()]})
    rows = rows.assign(entry_price=price, entry_date=pd.Timestamp(entry), investment_class=kind)
    absent: dict[str, Any] = {"strike_price": float("nan"), "exit_price": float("nan")}
    absent |= {"exit_date": pd.NaT, "expiration_date": pd.NaT}
    rows["symbol"] = rows["symbol"].astype(object)
    return rows.assign(**{name: absent.get(name) for name in LOT_COLUMNS if name not in rows})[list(LOT_COLUMNS)]


class World:
    """One instance, one database, one price source; a copy is one of a closed world, with all that it has done."""

    def __init__(
        self, home: Path, prices: str, database_file: Path | None = None, copy_of: "World | None" = None
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        configuration = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())
        configuration["storage"]["custom"]["config"] = {"base_dir": str(home)}
        del configuration["python_logs"]
        noop = "dagster._core.storage.noop_compute_log_manager"  # files of what a run prints cost four processes
        configuration["compute_logs"] = {"module": noop, "class": "NoOpComputeLogManager"}
        if copy_of is not None:
            shutil.copytree(copy_of.home, home, dirs_exist_ok=True)
        else:
            copy_dagster_files(home)
            shutil.copy(database_file or migrated_sqlite(), home / "sigma.sqlite")
        (home / "dagster.yaml").write_text(yaml.safe_dump(configuration))
        self.home = home
        self.instance = dg.DagsterInstance.from_config(str(home))
        self.database = Database(f"sqlite:///{home / 'sigma.sqlite'}")
        self.runs: list[dg.DagsterRun] = []
        self.prices(prices)

    def prices(self, prices: str, **options: Any) -> "World":
        """Change the price source, and other settings."""
        self.settings = replace(Settings(home=self.home), prices=prices, **options)
        self.definitions = definitions_for(self.settings)
        self.tables = Tables(self.settings)
        self.price_source = PriceSource(self.settings, self.tables.opened)
        return self

    def add(self, name: str, held: pd.DataFrame, inception: date) -> str:
        """Add a portfolio, as anybody's code might, an hour ago."""
        portfolio_id = add_portfolio(self.database, NewPortfolio(name, "taxable", 100_000.0, inception), held)
        with self.database.begin() as connection:
            earlier = datetime.now(UTC) - timedelta(hours=1)
            mine = portfolios.c.portfolio_id == portfolio_id
            connection.execute(sa.update(portfolios).where(mine).values(created_at=earlier))
        return portfolio_id

    def bring(self, *portfolio_ids: str, **wish: Any) -> list[Outcome]:
        """Run what is missing, as `sigma-assets run` does."""
        return bring_up_to_date(
            self.definitions,
            self.instance,
            self.tables,
            self.price_source,
            UpdateRequest(portfolio_ids or None, **wish),
            on_event=lambda *_: None,
            on_wait=lambda busy: None,
        )

    def tick(self, name: str, cursor: str | None = None) -> list[dg.RunRequest]:
        """Let a sensor tick once; return what it asks for, without running it."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=cursor,
            resources={"tables": self.tables, "price_source": self.price_source},
        )
        yielded = list(SENSORS[name](context))
        self.cursor = context.cursor
        return [each for each in yielded if isinstance(each, dg.RunRequest)]

    def nightly(self) -> list[dg.RunRequest]:
        """Let the nightly schedule tick once; return what it asks for."""
        context = dg.build_schedule_context(
            instance=self.instance, resources={"tables": self.tables, "price_source": self.price_source}
        )
        return [each for each in schedules.nightly(context) if isinstance(each, dg.RunRequest)]

    def launch(self, requests: Iterable[dg.RunRequest]) -> list[dg.DagsterRun]:
        """Execute what was asked for, one run after the other, as a run worker would."""
        done = []
        for request in requests:
            chosen = frozenset(request.asset_selection or ())
            job = self.definitions.resolve_job_def(str(request.job_name)).get_subset(asset_selection=chosen)
            run = self.instance.create_run_for_job(job_def=job, asset_selection=chosen, tags=dict(request.tags))
            list(execute_run(job, run, self.instance))
            finished = self.instance.get_run_by_id(run.run_id)
            assert finished is not None
            done.append(finished)
        return done

    def settle(self, name: str) -> list[dg.DagsterRun]:
        """Let a sensor tick, and run what it asks for, until it asks for nothing."""
        done: list[dg.DagsterRun] = []
        while requests := self.tick(name):
            done += self.launch(requests)
        return done

    def times_materialized(self) -> dict[tuple[str, str], int]:
        """Return how many times each (asset, `session|portfolio id`) of the portfolios has been materialised."""
        id_of = self.tables.roster().id_of
        asset_of = {dg.AssetKey(asset).to_string(): asset for asset in names(PORTFOLIO_ASSETS)}
        events = SqlEventLogStorageTable.c
        counted = sa.select(events.asset_key, events.partition, sa.func.count()).where(
            events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
            events.asset_key.in_(asset_of),
        )
        with self.instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            rows = connection.execute(counted.group_by(events.asset_key, events.partition)).all()
        split = [(asset_of[key], *partition.split("|"), count) for key, partition, count in rows]
        return {(asset, f"{day}|{id_of[name]}"): count for asset, day, name, count in split}

    def contents(self, tables: Iterable[str] | None = None) -> dict[str, list[tuple]]:
        """Return every row of the database, but for the moments at which something was done."""
        found = {}
        chosen = set(metadata.tables if tables is None else tables)
        assert chosen <= set(TABLES), f"no such tables: {chosen - set(TABLES)}"
        with self.database.read() as connection:
            for name in sorted(chosen):
                table = PACKED.get(TABLES[name], TABLES[name])
                columns = ", ".join(f'"{column.name}"' for column in table.columns if column.name not in MOMENTS)
                rows = connection.exec_driver_sql(f"SELECT {columns} FROM {table.name}").all()
                found[name] = sorted((tuple(row) for row in rows), key=repr)
        return found

    @property
    def partitions(self) -> list[str]:
        """The portfolios that are dynamic partitions, by their ids."""
        id_of = self.tables.roster().id_of
        return [id_of[name] for name in self.instance.get_dynamic_partitions(str(portfolios_def.name))]

    def close(self) -> None:
        """Close everything."""
        self.instance.dispose()
        self.database.dispose()
