"""PostgreSQL fails over to a replica that lacks the last transactions, beneath processes that go on."""

import os
from collections.abc import Iterator
from datetime import date

import dagster as dg
import numpy as np
import pytest

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.automation.inputs import read_inputs
from sigma_assets.automation.sensors import index_of
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.fold.phases import PHASES
from sigma_assets.runs.presence import Presence
from sigma_assets.settings import read_settings
from sigma_assets.storage import migrations
from sigma_assets_tests.conftest import fresh_database, make_dagster_tables
from sigma_assets_tests.deployment.deployment import CHECKOUT, FIRST, Deployment, add_book, configured
from sigma_assets_tests.postgres import PostgresServer

LAST = date(2026, 1, 6)
LOST = {phase.asset for phase in PHASES[4:]}
"""What comes after the snapshots in a run."""


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """Return a server of its own: a failover takes all databases back."""
    if not postgres_server.is_ours:
        pytest.skip("the server given is not ours to lose")
    own = PostgresServer()
    yield own
    own.stop()


@pytest.fixture
def deployment(server: PostgresServer, tmp_path) -> Deployment:
    """Return a deployment on it."""
    url = server.url.set(database=fresh_database(server)).render_as_string(hide_password=False)
    made = configured(tmp_path, url, CHECKOUT / "deploy" / "dagster.yaml")
    migrations.upgrade(made.database)
    make_dagster_tables(url)
    return made


def test_sessions_that_a_failover_has_lost_are_missing_although_later_events_have_their_numbers(
    server: PostgresServer, deployment: Deployment
) -> None:
    """Sensors and pages took them for there until their process was restarted: what they remember went by numbers."""
    portfolio_id = add_book(deployment.database)
    settings = read_settings({**os.environ, **deployment.environment})
    tables = Tables(settings)
    replicas = []

    def copy_after_the_snapshots(event: dg.DagsterEvent) -> None:
        if event.event_type_value == "STEP_SUCCESS" and event.step_key == "portfolio_snapshots":
            replicas.append(server.copied())

    with deployment.entered() as instance:
        instance.run_storage.get_run_storage_id()  # type: ignore[attr-defined]  # (makes it)
        presence, place = Presence(instance, settings.calendar.sessions), settings.calendar.sessions.searchsorted

        def missing() -> dict[str, set[str]]:
            """Return what is missing up to LAST, by who remembers."""
            inputs = read_inputs(instance, tables, PriceSource(settings, tables.opened), index_of(instance, tables))
            first, stop = place(np.datetime64(FIRST)), place(np.datetime64(LAST), "right")
            there = presence.look(inputs.roster.name_of[portfolio_id], int(first), int(stop))
            return {
                "sensors": {asset for (_, asset), days in inputs.missing.items() if days[0] <= np.datetime64(LAST)},
                "pages": {asset for asset, is_there in there.items() if not is_there.all()},
            }

        deployment.run(UpdateRequest((portfolio_id,), FIRST, LAST), copy_after_the_snapshots)
        assert missing() == {"sensors": set(), "pages": set()}
        newest = instance.event_log_storage.get_maximum_record_id() or 0

        server.fail_over(*replicas)
        while (instance.event_log_storage.get_maximum_record_id() or 0) < newest + len(LOST):
            for asset in LOST:
                instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=f"{LAST}|other"))

        assert missing() == {"sensors": LOST, "pages": LOST}
