"""A run in a process of its own, which stops at the start of each step until it is told to go on.

    python -m sigma_assets_tests.deployment.rival PORTFOLIO [STEP]

Without STEP at every one that another process can start at the same time.
Executes straight away, as no entry point does: it does not ask whether another run works on the portfolio.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from sigma_assets.assets.tables import Tables
from sigma_assets.automation import execution
from sigma_assets.automation.execution import OnEvent, Update, UpdateRequest, execute
from sigma_assets.automation.inputs import adopt_portfolios
from sigma_assets.automation.reconcile import Night, reconcile
from sigma_assets.definitions import definitions_for
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.tags import PlannedRun
from sigma_assets.runs.watermark import Materialized
from sigma_assets.settings import read_settings
from sigma_assets_tests.deployment.deployment import FIRST, LAST

IN_POOL = "price_coverage"
"""Waiting at its start would keep the pool's one slot, and the other process away from its own start."""

ANNOUNCEMENTS = "writes.log"
"""File in DAGSTER_HOME that both processes announce their writes in."""


def forced(
    portfolio_id: str, first: date, last: date, *, before: Callable[[], object], on_event: OnEvent = lambda *_: None
) -> bool:
    """Run some sessions of a portfolio again, `before` being called just before; return whether that succeeded."""
    settings = read_settings(os.environ)
    tables = Tables(settings)
    source = PriceSource(settings, tables.opened)
    with dg.DagsterInstance.get() as instance:
        asked = UpdateRequest((portfolio_id,), first, last, force=True)
        update = Update(instance, tables, source, asked, Materialized(tables.calendar.sessions))
        adopt_portfolios(instance, tables, "command")
        inputs, needs = update.missing()
        nobody_else = replace(inputs, in_flight=[])
        (planned,) = reconcile(nobody_else, needs, tables.calendar.sessions, Night(datetime.now(UTC))).runs
        execution._is_second = lambda *_: (
            False
        )  # as if single flight had let both in: the writes must hold all the same
        before()
        outcome = execute(definitions_for(settings), instance, inputs.roster, planned, "admin", on_event)
        return outcome is not None and outcome.succeeded


@contextmanager
def announced_writes(file: Path) -> Iterator[None]:
    """Let this process add a line with its id to a file each time it is about to begin a write transaction."""

    def announce(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("sigma_writes", False):
            with file.open("a") as lines:
                lines.write(f"{os.getpid()}\n")

    sa.event.listen(sa.Engine, "begin", announce)  # of the class: called before an engine's own, which takes the lock
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "begin", announce)


def _stop_at_steps(_: PlannedRun, event: dg.DagsterEvent) -> None:
    chosen = event.step_key in sys.argv[2:] if sys.argv[2:] else event.step_key != IN_POOL
    if event.event_type == dg.DagsterEventType.STEP_START and chosen:
        sys.stdout.write(f"{event.step_key}\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    with announced_writes(Path(os.environ["DAGSTER_HOME"]) / ANNOUNCEMENTS):
        succeeded = forced(sys.argv[1], FIRST, LAST, before=lambda: None, on_event=_stop_at_steps)
    sys.exit(0 if succeeded else 1)
