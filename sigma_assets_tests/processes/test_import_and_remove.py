"""`sigma-assets import` and `remove` beside a live webserver, code server and daemon."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

import dagster as dg
import httpx
import pytest
import sqlalchemy as sa
from click.testing import Result

from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import portfolios
from sigma_assets_tests.automation.receivers import served
from sigma_assets_tests.cli.conftest import invoked
from sigma_assets_tests.processes.deployment import LAST, Deployment, until

pytestmark = pytest.mark.waits

HOLDINGS = "Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,100,50,2026-01-05\nJNJ,50,50,2026-01-06\n"
SUCCESS, QUEUED, CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.CANCELED
PORTFOLIO = "portfolio"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return a deployment whose daemon the first test starts."""
    made = Deployment(tmp_path_factory.mktemp("imports") / "home")
    (made.home / "growth.csv").write_text(HOLDINGS)
    try:
        made.start("code server", "webserver")
        yield made
    finally:
        made.stop()


def sigma(deployment: Deployment, *words: str) -> Result:
    """Run `sigma-assets` in this process: the servers beside it are processes of their own."""
    return invoked(deployment.home, deployment.environment, *words)


def imported(deployment: Deployment, name: str, file: str = "growth.csv") -> tuple[dict[str, Any], str]:
    """Import the holdings as a portfolio; return what the command printed, and what it said beside that."""
    done = sigma(deployment, "import", file, "--name", name, "--equity", "100000", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def partitions(deployment: Deployment) -> list[str]:
    id_of = read_roster(deployment.database).id_of
    with deployment.instance() as instance:
        return [id_of[name] for name in instance.get_dynamic_partitions(PORTFOLIO)]


def test_an_import_of_many_lots_asks_for_as_many_runs_as_fit_into_memory(deployment: Deployment):
    """1,200 lots are 40 portfolios of 30, and 125 sessions of these 5,000."""
    lots = "\n".join(f"AAPL,{number},50,2025-06-02" for number in range(1, 1_201))
    (deployment.home / "large.csv").write_text(f"{HOLDINGS.splitlines()[0]}\n{lots}\n")

    record, _ = imported(deployment, "large", "large.csv")
    asked = deployment.runs(record["portfolio_id"])
    removed = sigma(deployment, "remove", record["portfolio_id"])

    sessions = deployment.settings.calendar.between(date(2025, 6, 2), LAST).astype(str)
    assert [(run.first, run.last) for run in asked] == [(sessions[0], sessions[124]), (sessions[125], sessions[-1])]
    assert [run.status for run in asked] == [QUEUED, QUEUED]
    assert record["run_id"] == asked[0].run_id
    assert all(f"canceled run {run.run_id}" in removed.stderr for run in asked)


def test_an_import_asks_for_the_run_itself_and_a_removal_takes_it_back(deployment: Deployment):
    """Without a daemon nobody else can have asked; what waits when its portfolio is removed never starts."""
    wanted, _ = imported(deployment, "wanted")
    unwanted, _ = imported(deployment, "regretted")
    asked = {key["portfolio_id"]: deployment.runs(key["portfolio_id"]) for key in (wanted, unwanted)}
    removed = sigma(deployment, "remove", unwanted["portfolio_id"])

    deployment.start("daemon")
    deployment.wait_until_done(wanted["portfolio_id"])

    for each in (wanted, unwanted):
        (run,) = asked[each["portfolio_id"]]
        assert (run.run_id, run.source, run.status) == (each["run_id"], "onboarding", QUEUED)
        assert (run.first, run.last) == ("2026-01-05", str(LAST))
    assert removed.exit_code == 0
    assert f"canceled run {unwanted['run_id']}" in removed.stderr
    until(lambda: partitions(deployment) == [wanted["portfolio_id"]], "the partition is dropped")
    (canceled,) = deployment.runs(unwanted["portfolio_id"])
    assert (canceled.status, canceled.started) == (CANCELED, None)
    assert [run.run_id for run in deployment.runs(wanted["portfolio_id"])] == [wanted["run_id"]]


def test_a_removal_cancels_a_run_at_work_and_its_history_stays_readable(deployment: Deployment):
    record, _ = imported(deployment, "goes")
    portfolio_id = record["portfolio_id"]
    reached = deployment.shut("before_volatility", portfolio_id)
    until(reached.exists, "its run is at work", seconds=120)

    removed = sigma(deployment, "remove", portfolio_id)
    until(lambda: not deployment.runs(portfolio_id)[0].in_flight, "its run has ended")
    deployment.open(reached)

    assert removed.exit_code == 0, removed.stderr
    until(lambda: portfolio_id not in partitions(deployment), "the partition is dropped")
    told = json.loads(sigma(deployment, "runs", "--portfolio", portfolio_id, "--json").stdout)
    (story,) = told
    assert (story["run_id"], story["status"]) == (record["run_id"], "canceled")
    assert story["asset_seconds"]["betas"] > 0
    assert 0 < story["cells_done"] < story["cells_total"]
    kept = sigma(deployment, "export", "portfolio_snapshots", "--portfolio", portfolio_id, "--format", "csv")
    assert len(kept.stdout.splitlines()) == 1 + 4, kept.stderr


@pytest.mark.parametrize("held", ["addDynamicPartition", "launchRun"])
def test_import_and_sensor_at_the_same_moment_make_one_run(deployment: Deployment, held: str):
    """Whoever writes the portfolio into the roster asks for the run, however slow the import's requests are."""
    with slow_webserver(deployment, held) as (address, request):
        name = f"contested at {held}"
        importing = import_beside(deployment, name, address)
        portfolio_id = until(lambda: stored(deployment, name), "the portfolio is stored")
        until(request.arrived.is_set, f"{held} has arrived")
        ticks_since(deployment, "onboarding", 2)
        assert deployment.runs(portfolio_id) == []
        request.may_go_on.set()
        record = json.loads(importing.communicate(timeout=60)[0])
    deployment.wait_until_done(portfolio_id)

    assert importing.returncode == 0
    (run,) = deployment.runs(portfolio_id)
    assert run.source == "onboarding"
    assert record["run_id"] == run.run_id


@dataclass
class Held:
    """A request that a slow webserver holds until it may go on."""

    arrived: Event = field(default_factory=Event)
    may_go_on: Event = field(default_factory=Event)


@contextmanager
def slow_webserver(deployment: Deployment, held: str) -> Iterator[tuple[str, Held]]:
    """Serve what the webserver serves, but hold the requests whose query has a word; yield the address and the request."""
    request = Held()

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if held in json.loads(body)["query"]:
                request.arrived.set()
                request.may_go_on.wait(60)
            answer = httpx.post(
                f"{deployment.environment['SIGMA_DAGSTER_URL']}/graphql", json=json.loads(body), timeout=60
            )
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as port:
        try:
            yield f"http://127.0.0.1:{port}", request
        finally:
            request.may_go_on.set()


def import_beside(deployment: Deployment, name: str, address: str) -> subprocess.Popen:
    """Start an import that asks for its run at this address, while links name another one."""
    arguments = ["import", "growth.csv", "--name", name, "--equity", "100000", "--json"]
    command = [sys.executable, "-m", "sigma_assets.cli.main", *arguments]
    elsewhere = {"SIGMA_DAGSTER_URL": "http://127.0.0.1:9", "SIGMA_DAGSTER_REQUEST_URL": address}
    environment = {**deployment._environment(), **elsewhere}
    return subprocess.Popen(command, env=environment, cwd=deployment.home, stdout=subprocess.PIPE)


def stored(deployment: Deployment, name: str) -> str | None:
    with deployment.database.read() as connection:
        row = sa.select(portfolios.c.portfolio_id).where(portfolios.c.name == name)
        return connection.execute(row).scalar_one_or_none()


def ticks_since(deployment: Deployment, sensor: str, count: int) -> None:
    """Wait until a sensor has begun and ended so many ticks from now on."""
    now = time.time()
    until(
        lambda: sum(tick.timestamp > now for tick in deployment.ticks(sensor)) >= count,
        f"{sensor} has ticked {count} times",
    )


def test_without_a_webserver_an_import_succeeds_and_the_sensor_does_the_rest(deployment: Deployment):
    deployment.kill("webserver", number=signal.SIGTERM)

    record, said = imported(deployment, "on its own")

    assert record["run_id"] is None
    assert "no Dagster webserver" in said
    assert "the sensor `onboarding` or `sigma-assets run` will start the run" in said
    deployment.wait_until_done(record["portfolio_id"])
    (run,) = deployment.runs(record["portfolio_id"])
    assert (run.source, run.first, run.last) == ("onboarding", "2026-01-05", str(LAST))
    removed = sigma(deployment, "remove", record["portfolio_id"])
    assert (removed.exit_code, "canceled" in removed.stderr) == (0, False)
    until(lambda: record["portfolio_id"] not in partitions(deployment), "the partition is dropped")
