"""Two runs in two processes compute the same portfolio and sessions at once, past single flight: never a mix."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS
from sigma_assets.runs.covers import runs
from sigma_assets.runs.history import stories
from sigma_assets.settings import read_settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import FAMILIES, PACKED
from sigma_assets_tests.deployment.deployment import CHECKOUT, FIRST, LAST, Deployment, add_book
from sigma_assets_tests.deployment.rival import ANNOUNCEMENTS, IN_POOL, announced_writes

pytestmark = pytest.mark.waits

OTHER_MODEL = {"SIGMA_FACTOR_WINDOW": "45", "SIGMA_CORRELATION_MIN_VALUE_USD": "30000"}
"""Settings under which factors, and what is made of them, and correlations come out differently."""
OF_FACTORS = ("betas", "factor_exposures", "stress_tests")
FACTORS = ("symbol_factors", *(table.name for asset in OF_FACTORS for table in FAMILIES[asset]))
CORRELATIONS = tuple(PACKED.get(table, table).name for table in FAMILIES["correlations"])
SHARED = {"factor_coverage": "symbol_factors", "metric_coverage": "symbol_metrics"}
"""Assets that first write rows which no portfolio owns."""
WAIT_SECONDS = 200
TWO_THREADS = """
import faulthandler
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from sigma_assets_tests.deployment.deployment import LAST
from sigma_assets_tests.deployment.rival import forced

together = Barrier(2, timeout=60)
faulthandler.dump_traceback_later(120, exit=True)  # says where they wait for each other
signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Dagster ends its children by it; where tests run behind an `&` it is ignored

def run(_):
    try:
        return forced(sys.argv[1], LAST, LAST, before=together.wait)
    except Exception:
        traceback.print_exc()  # of both: the other one only says that nobody came
        raise

with ThreadPoolExecutor(2) as threads:
    print(list(threads.map(run, range(2))))
"""

Dump = dict[str, list[tuple[object, ...]]]


@pytest.mark.parametrize("where", ["deployment", "embedded"], ids=["postgresql", "sqlite"])
def test_of_two_runs_at_once_one_wins_each_table_whole(where: str, request: pytest.FixtureRequest) -> None:
    """They start every step together, so that their writes collide; they differ, so that a mix would show."""
    first: Deployment = request.getfixturevalue(where)
    second = Deployment(first.home, {**first.environment, **OTHER_MODEL})
    portfolio_id = add_book(first.database)
    assert [outcome.succeeded for outcome in first.run(UpdateRequest((portfolio_id,), FIRST, LAST))] == [True]
    alone = [first.rows()]
    _forget_shared_rows(first.database)
    assert second.force(portfolio_id)
    alone.append(second.rows())
    _forget_shared_rows(first.database)

    both_ended_well_and_met_at_every_step = _race(first, second, portfolio_id)

    assert all(both_ended_well_and_met_at_every_step)
    with first.entered() as instance:
        assert [run.status for run in runs(instance, read_roster(first.database))] == [dg.DagsterRunStatus.SUCCESS] * 4
    found = first.rows()
    for group in (FACTORS, CORRELATIONS):
        assert _some(alone[0], group) != _some(alone[1], group)
        assert _some(found, group) in [_some(dump, group) for dump in alone]
    for table in found.keys() - {*FACTORS, *CORRELATIONS}:
        assert found[table] == alone[0][table] == alone[1][table], table


@pytest.mark.parametrize("where", ["deployment", "embedded"], ids=["postgresql", "sqlite"])
def test_a_process_that_died_is_not_waited_for_although_no_daemon_runs(
    where: str, request: pytest.FixtureRequest
) -> None:
    """Nor is its turn at the price source."""
    deployment: Deployment = request.getfixturevalue(where)
    portfolio_id = add_book(deployment.database)
    with _rival(deployment, portfolio_id, IN_POOL) as dead:
        assert dead.stdout is not None
        assert dead.stdout.readline().strip() == IN_POOL
        dead.kill()
        dead.wait()

    succeeded = [
        each.succeeded for each in deployment.run(UpdateRequest((portfolio_id,), LAST, LAST), on_wait=pytest.fail)
    ]

    assert succeeded == [True]
    with deployment.entered() as instance:
        calendar, roster = read_settings(deployment.environment).calendar, read_roster(deployment.database)
        _, died = stories(instance, roster, calendar, portfolio_id=portfolio_id)
    ((_, kind, message),) = died.failures
    assert (died.record()["status"], kind) == ("failure", "worker died")
    assert "has ended without finishing it" in message


def test_two_threads_of_a_process_run_one_after_the_other(embedded: Deployment, tmp_path: Path) -> None:
    """Dagster's own set-up of logging would let two runs in one process wait for each other for ever."""
    portfolio_id = add_book(embedded.database)
    said, told = tmp_path / "said", tmp_path / "told"

    # into files: a pipe would stay open for as long as any process that a run has started
    with said.open("w") as stdout, told.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", TWO_THREADS, portfolio_id],
            env=embedded.of_process(),
            cwd=CHECKOUT,
            stdout=stdout,
            stderr=stderr,
        )
        process.wait(WAIT_SECONDS)

    assert said.read_text().splitlines()[-1:] == ["[True, True]"], told.read_text()


def _race(first: Deployment, second: Deployment, portfolio_id: str) -> list[bool]:
    """Run one here and one in another process; at each step hold up the writes until both wait, then let go."""
    releases: list[threading.Thread] = []
    with _rival(second, portfolio_id) as rival:
        assert rival.stdin is not None
        assert rival.stdout is not None

        def on_event(event: dg.DagsterEvent) -> None:
            if event.event_type != dg.DagsterEventType.STEP_START or event.step_key == IN_POOL:
                return
            assert rival.stdout.readline().strip() == event.step_key
            for release in releases:
                release.join()
            asset = str(event.step_key)
            held = threading.Event()
            arguments = (first, SHARED.get(asset, FAMILIES[asset][0].name), held)
            releases.append(threading.Thread(target=_hold_up, args=arguments))
            releases[-1].start()
            assert held.wait(WAIT_SECONDS)
            rival.stdin.write("go\n")
            rival.stdin.flush()

        with announced_writes(first.home / ANNOUNCEMENTS):
            succeeded = first.force(portfolio_id, on_event)
        return [succeeded, rival.wait() == 0, len(releases) == len(PORTFOLIO_ASSETS) - 1]


def _hold_up(deployment: Deployment, table: str, held: threading.Event) -> None:
    """Keep writers off a table (on SQLite off the file) until two of them wait; readers go on."""
    database, announcements = deployment.database, deployment.home / ANNOUNCEMENTS
    with database.begin() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE MODE")
        before = len(announcements.read_text().splitlines())
        held.set()
        deadline = time.monotonic() + WAIT_SECONDS
        if database.dialect == "sqlite":  # who waits for a file cannot be seen, only who is about to
            while time.monotonic() < deadline and len({*announcements.read_text().splitlines()[before:]}) < 2:
                time.sleep(0.02)
            time.sleep(0.2)
            return
        while time.monotonic() < deadline and _waiting(database) < 2:
            time.sleep(0.02)


def _waiting(database: Database) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.read() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())


@contextmanager
def _rival(deployment: Deployment, portfolio_id: str, *steps: str) -> Iterator[subprocess.Popen[str]]:
    """Start the other process; it is killed after so long, so that nobody waits for it for ever."""
    command = [sys.executable, "-m", "sigma_assets_tests.deployment.rival", portfolio_id, *steps]
    with (deployment.home / "rival.log").open("w") as log:
        rival = subprocess.Popen(
            command,
            env=deployment.of_process(),
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    watchdog = threading.Timer(WAIT_SECONDS, rival.kill)
    watchdog.start()
    try:
        yield rival
    finally:
        watchdog.cancel()
        rival.kill()
        rival.communicate()


def _forget_shared_rows(database: Database) -> None:
    """So that a forced run computes the betas and metrics of its symbols, too."""
    with database.begin() as connection:
        for table in SHARED.values():
            connection.exec_driver_sql(f"DELETE FROM {table}")


def _some(dump: Dump, tables: tuple[str, ...]) -> Dump:
    return {table: dump[table] for table in tables}
