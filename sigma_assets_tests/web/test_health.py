"""Health: what a monitor must hear of, also where no run fails because none is started."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from sigma_assets.storage.schema import portfolio_snapshots, portfolios
from sigma_assets_tests.web.conftest import World
from sigma_assets_tests.web.daemon import SECRET_PATH, living, looked, well

LONG_AGO = datetime(2025, 1, 2, tzinfo=UTC)


def failing(world: World) -> list[str]:
    """Return what fails, with the status code checked."""
    answer = world.client().get("/healthz")
    told = answer.json()
    assert answer.status_code == (200 if told["ok"] else 503)
    assert told["ok"] == (not told["failing"])
    return told["failing"]


def snapshot(world: World, portfolio_id: str, session: date) -> None:
    """Store a snapshot."""
    columns = {column.name: 0 for column in portfolio_snapshots.c if not column.nullable}
    with world.database.begin() as connection:
        connection.execute(sa.insert(portfolio_snapshots), columns | {"portfolio_id": portfolio_id, "session": session})


def test_health_is_well_with_living_daemons_and_looking_sensors(world):
    """A failed look that a later one has made good is no failure."""
    well(world)

    assert failing(world) == []


def test_health_names_a_daemon_that_is_silent(world):
    """Three minutes without a sign of life."""
    well(world)
    living(world, silent=("SENSOR",))

    assert failing(world) == ["daemon: no heartbeat of SENSOR for 120 s"]


def test_health_says_it_in_one_line_where_no_daemon_runs(world):
    """An operator need not know Dagster's eight daemons by name."""
    assert failing(world) == ["daemon: no heartbeat for 120 s, so nothing is started; is the Dagster daemon running?"]


def test_health_names_the_sensors_whose_last_look_failed(world, caplog):
    """A bad price file: no run is started, so none fails and no alert is sent. The log says why, the answer no path."""
    well(world)
    looked(world, "onboarding", TickStatus.SKIPPED, TickStatus.FAILURE, TickStatus.STARTED)
    looked(world, "reconcile", TickStatus.FAILURE, seconds_ago=4)

    told = failing(world)

    assert told == ["sensors: the last look of onboarding, reconcile failed; their ticks in Dagster say why"]
    assert f"sensor onboarding: PriceFileError: {SECRET_PATH}:7" in caplog.text


def test_health_forgets_a_sensor_that_is_no_longer_evaluated(world):
    """Renamed, turned off, or of a former code location: its last failure is history."""
    well(world)
    looked(world, "former", TickStatus.FAILURE, seconds_ago=3600)
    looked(world, "turned_off", TickStatus.FAILURE, state=InstigatorStatus.STOPPED)

    assert failing(world) == []


@pytest.mark.parametrize("case", ["never", "an hour ago", "turned off"])
def test_health_says_that_nobody_looks(world, case):
    """The daemon lives, but no code server answers it, or somebody has turned the sensors off."""
    living(world)
    if case == "an hour ago":
        looked(world, "onboarding", TickStatus.SKIPPED, seconds_ago=3600)
    if case == "turned off":
        looked(world, "onboarding", TickStatus.SKIPPED, state=InstigatorStatus.STOPPED)

    (told,) = failing(world)

    assert told.startswith("sensors: none has looked for 300 s")
    assert "code server" in told


def test_health_counts_the_portfolios_that_a_whole_night_left_out(world):
    """One is on time, one is late by the newest session only, two are late by more; new, removed and future ones wait."""
    well(world)
    calendar, current = world.settings.calendar, world.settings.current_session()
    due = calendar.shift(current, -1)
    for name, last in (("on_time", current), ("tonight", due), ("late", calendar.shift(due, -1)), ("never", None)):
        world.add_portfolio(name, name=name, created=LONG_AGO)
        if last is not None:
            snapshot(world, name, last)
    world.add_portfolio("new", name="new", created=datetime.now(UTC) - timedelta(minutes=30))
    world.add_portfolio("future", name="future", inception=current, created=LONG_AGO)
    world.add_portfolio("removed", name="removed", created=LONG_AGO)
    with world.database.begin() as connection:
        gone = sa.update(portfolios).where(portfolios.c.portfolio_id == "removed")
        connection.execute(gone.values(deleted_at=datetime.now(UTC)))

    assert failing(world) == [f"portfolios: 2 of 4 lack the session of {due}; `sigma-assets missing` says what, or why"]


def test_health_names_a_schema_of_another_version(world):
    """An upgrade of the code without one of the database."""
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE sigma_alembic_version SET version_num = '0001'")

    failing = world.client().get("/healthz").json()["failing"]

    assert failing[0].startswith("schema:")
    assert "db upgrade" in failing[0]


def test_health_names_a_dagster_storage_that_cannot_be_read(embedded):
    """Its file is something else now."""
    client = embedded.client()
    embedded.instance.dispose()
    for file in embedded.home.rglob("*.db"):
        file.write_bytes(b"this is no database")

    failing = client.get("/healthz").json()["failing"]

    assert failing == ["dagster storage: cannot be read"]
