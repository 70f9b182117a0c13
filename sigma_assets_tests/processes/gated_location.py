"""The real code location, except that a write can be held up: it waits, not yet committed, while its gate is shut.

A gate is a file `gates/<asset>.<portfolio or "universe">` in DAGSTER_HOME. A worker that arrives writes its process id
into `gates/<the same>.reached`, and the modules that it has imported since it was forked into `gates/<the same>.modules`.
A process whose id stands in the gate may pass once although it is shut. The gate `before_<asset>...` lies before the
transaction: on SQLite, an open one keeps every other writer waiting. Loads of prices have the gate `kept.<asset>`, after
a batch has been stored.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.definitions import definitions_for
from sigma_assets.prices.source import PriceSource
from sigma_assets.providers.base import Bars
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings, settings
from sigma_assets.storage.connection.database import Database

PATIENCE_SECONDS = 120


def wait_at(gate: str) -> None:
    """Wait while a gate is shut."""
    shut = Path(os.environ["DAGSTER_HOME"]) / "gates" / gate
    if not shut.exists():
        return
    from sigma_assets.instance.warm import preloaded  # here: the fork server must import it after everything else

    shut.with_name(f"{gate}.modules").write_text("\n".join(sorted({*sys.modules} - preloaded.MODULES)))
    reached = shut.with_name(f"{gate}.reached")
    reached.with_suffix(".draft").write_text(str(os.getpid()))
    reached.with_suffix(".draft").rename(reached)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _is_shut(shut):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{shut} stayed shut")
        time.sleep(0.02)


def _is_shut(gate: Path) -> bool:
    try:
        if gate.read_text() != str(os.getpid()):
            return True
    except FileNotFoundError:
        return False
    gate.write_text("")  # it may be the next run's process, too
    return False


class GatedTables(Tables):
    """Tables whose writes wait at their gates, inside the transaction."""

    def __init__(self, configured: Settings) -> None:
        super().__init__(configured)
        self._gate: str | None = None

    @cached_property
    def database(self) -> Database:
        """The database, opened at first use: the fork server imports this module, and no connection may cross a fork."""
        database = super().database
        sa.event.listen(database._writes, "commit", self._before_commit)
        return database

    def _before_commit(self, _: sa.Connection) -> None:
        if self._gate is not None:
            wait_at(self._gate)

    def replace(
        self, asset: str, frames: Sequence[pd.DataFrame], scope: Scope, symbols: Sequence[str] | None = None
    ) -> dict[str, int]:
        """Replace rows as ever, but wait before the transaction, and before its commit."""
        self._gate = f"{asset}.{scope.portfolio_ids[0] if scope.portfolio_ids else 'universe'}"
        wait_at(f"before_{self._gate}")
        try:
            return super().replace(asset, frames, scope, symbols)
        finally:
            self._gate = None


class GatedPriceSource(PriceSource):
    """A price source that waits after each batch that it has stored."""

    def _bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        for bars in super()._bars(wanted):
            yield bars  # stored by whoever asks for the next one
            wait_at(f"kept.{dg.OpExecutionContext.get().op.name}")


def gated(configured: Settings) -> dg.Definitions:
    """Return the definitions of a deployment, with gates."""
    real = definitions_for(configured)
    tables = GatedTables(configured)
    return dg.Definitions(
        assets=real.assets,
        jobs=real.jobs,
        schedules=real.schedules,
        sensors=real.sensors,
        executor=real.executor,
        resources={"tables": tables, "price_source": GatedPriceSource(configured, tables.opened)},
    )


defs = gated(settings())
