"""Run workers are forked from a process that has imported everything, and from nothing else."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets_tests.conftest import drop_database, fresh_database
from sigma_assets_tests.processes.deployment import CHECKOUT, Deployment, until

pytestmark = pytest.mark.waits

HEAVY = {"click", "dagster", "dagster_shared", "exchange_calendars", "grpc", "numpy", "pandas", "psycopg2", "pyarrow",
         "rich", "scipy", "sigma_assets", "sqlalchemy", "structlog", "yaml"}  # fmt: skip
"""Libraries that a worker needs and of which it may import next to nothing by itself."""
SUCCESS = dg.DagsterRunStatus.SUCCESS
GATE = "before_volatility"
"""The last asset of a run; no transaction is open there."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    home = tmp_path_factory.mktemp("warm") / "home"
    if request.param == "sqlite":
        yield from _running(Deployment(home))
        return
    server = request.getfixturevalue("postgres_server")
    name = fresh_database(server)
    url = server.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    yield from _running(Deployment(home, dagster_yaml=CHECKOUT / "deploy" / "dagster.yaml", SIGMA_DATABASE_URL=url))
    drop_database(server, name)


def _running(deployment: Deployment) -> Iterator[Deployment]:
    try:
        deployment.start("code server", "daemon")
        yield deployment
    finally:
        deployment.stop()


def test_a_worker_is_a_fork_and_outlives_the_fork_server_which_is_started_again(deployment: Deployment):
    portfolio_id = deployment.add("first")
    reached = deployment.shut(GATE, portfolio_id)
    until(reached.exists, "a worker is at work", seconds=120)
    worker = int(reached.read_text())
    fork_server = _parent(worker)

    assert "multiprocessing.forkserver" in _command_line(fork_server)
    assert _parent(fork_server) == deployment.processes["code server"].pid
    assert _imported_by_itself(reached) == set()
    assert _connections(fork_server) == []
    assert _connections(worker) != []
    assert "run workers start warm" in deployment.log()

    os.kill(fork_server, signal.SIGKILL)
    second = deployment.add("second")
    reached_second = deployment.shut(GATE, second)
    until(reached_second.exists, "another worker is at work", seconds=120)
    other = _parent(int(reached_second.read_text()))
    deployment.open(reached)
    deployment.open(reached_second)
    deployment.wait_until_done(portfolio_id, second)

    assert other != fork_server
    assert "multiprocessing.forkserver" in _command_line(other)
    assert _imported_by_itself(reached_second) == set()
    assert [run.status for key in (portfolio_id, second) for run in deployment.runs(key)] == [SUCCESS, SUCCESS]


def test_the_fork_server_ends_with_its_code_server(deployment: Deployment):
    portfolio_id = deployment.add("third")
    reached = deployment.shut(GATE, portfolio_id)
    until(reached.exists, "a worker is at work", seconds=120)
    fork_server = _parent(int(reached.read_text()))
    deployment.open(reached)
    deployment.wait_until_done(portfolio_id)

    deployment.kill("code server", number=signal.SIGTERM)

    until(lambda: not Path(f"/proc/{fork_server}").exists(), "the fork server has ended")


def test_where_forking_does_not_work_the_log_and_each_run_say_so(tmp_path: Path):
    deployment = Deployment(tmp_path / "home", location="sigma_assets_tests.processes.cold_location")
    portfolio_id = deployment.add("cold")
    for _ in _running(deployment):
        deployment.wait_until_done(portfolio_id, seconds=120)
        (run,) = deployment.runs(portfolio_id)
        with deployment.instance() as instance:
            records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
        said = [record.event_log_entry.message for record in records if "cold" in record.event_log_entry.message]
        log = deployment.log()

    assert run.status is SUCCESS
    assert len(said) == 1
    assert "was not forked" in said[0]
    assert "run workers start cold" in log
    assert "could not import sigma_assets_tests.processes.cold_location: ImportError: this location cannot" in log


def _imported_by_itself(reached: Path) -> set[str]:
    """Return the modules of heavy libraries that a worker has imported since it was forked."""
    late = reached.with_suffix(".modules").read_text().split()
    return {name for name in late if name.partition(".")[0] in HEAVY}


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _connections(pid: int) -> list[str]:
    """Return the database files and network sockets that a process has open."""
    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    }
    opened = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = [name for name in opened if name.startswith("socket:[") and name[8:-1] in inodes]
    return sockets + [name for name in opened if Path(name).suffix in (".db", ".sqlite")]
