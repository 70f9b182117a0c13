"""Code server, daemon, webserver and status server as processes of their own, with two roles, on one PostgreSQL."""

import gc
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from sigma_assets.base.errors import StorageError
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.deployment.conftest import database_with_roles
from sigma_assets_tests.deployment.deployment import (
    CHECKOUT,
    PIPELINE_PASSWORD,
    SCRIPTS,
    STATUS_PASSWORD,
    Deployment,
    configured,
    role_url,
)
from sigma_assets_tests.postgres import PostgresServer

pytestmark = pytest.mark.waits

SECRETS = {
    "MASSIVE_API_KEY": "massive-key-open-sesame",
    "SIGMA_STATUS_TOKEN": "status-token-open-sesame",
    "SIGMA_ALERT_WEBHOOK": "http://127.0.0.1:9/hook-open-sesame",
    "SIGMA_SMTP_URL": "smtp://alerts:smtp-open-sesame@127.0.0.1:9",
}
STOPS_SOON = {"DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "3"}  # as in the compose file
PATIENCE_SECONDS = 150
STOP_SECONDS = 150


@dataclass
class Team:
    """The running processes, and the portfolio that was imported while they ran."""

    deployment: Deployment
    status_url: str
    processes: dict[str, subprocess.Popen[bytes]]
    ports: dict[str, int]
    portfolio_id: str
    status: dict[str, Any]

    def get(self, name: str, path: str, payload: Any = None) -> Any:
        """Ask one of the servers."""
        headers = {"Authorization": f"Bearer {SECRETS['SIGMA_STATUS_TOKEN']}", "Content-Type": "application/json"}
        body = None if payload is None else json.dumps(payload).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def failing(self) -> list[str]:
        """Return what the health check says that fails."""
        try:
            return self.get("status", "/healthz")["failing"]
        except urllib.error.HTTPError as error:
            return json.load(error)["failing"]


@pytest.fixture(scope="module")
def team(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Start everything as deploy/README.md says, import a portfolio, wait until its onboarding has ended."""
    with database_with_roles(postgres_server) as name:
        home = tmp_path_factory.mktemp("team")
        url = role_url(postgres_server, name, "pipeline")
        deployment = configured(home, url, CHECKOUT / "deploy" / "dagster.yaml", **SECRETS, **STOPS_SOON)
        for command in (("sigma-assets", "db", "upgrade"), ("dagster", "instance", "migrate")):
            done = deployment.command(*command)
            assert done.returncode == 0, done.stderr
            (home / f"{command[0]}.log").write_text(done.stdout + done.stderr)
        ports = {process: _free_port() for process in ("code server", "webserver", "status")}
        status_url = role_url(postgres_server, name, "status")
        processes = _start(deployment, ports, status_url)
        team = Team(deployment, status_url, processes, ports, "", {})
        try:
            team.portfolio_id = _import(deployment)
            _until(lambda: _finished(team), "the portfolio is onboarded", home)
            yield team
        finally:
            for process in processes.values():
                process.kill()
                process.wait()


def test_an_imported_portfolio_is_onboarded(team: Team) -> None:
    assert team.status["status"] == "completed", team.status
    assert team.status["overall_progress"]["percent_complete"] == 100
    assert [phase["status"] for phase in team.status["phases"]] == ["completed"] * 12
    _until(lambda: team.failing() == [], "everything is healthy", team.deployment.home)


def test_the_webserver_shows_the_run(team: Team) -> None:
    query = "{runsOrError(limit: 9) {... on Runs {results {status tags {key value}}}}}"

    runs = team.get("webserver", "/graphql", {"query": query})["data"]["runsOrError"]["results"]

    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs]
    (own,) = [index for index, pairs in enumerate(tags) if pairs.get("sigma/portfolio_id") == team.portfolio_id]
    assert runs[own]["status"] == "SUCCESS"
    assert tags[own]["sigma/source"] == "onboarding"


def test_the_role_of_the_status_server_reads_and_cannot_write(team: Team) -> None:
    status = Database(team.status_url)
    statements = (
        "UPDATE portfolios SET name = 'mine'",
        "INSERT INTO cash_flows VALUES ('f', 'p', '2026-01-02', 1)",
        "DELETE FROM position_values",
        "TRUNCATE market_prices",
        "DROP TABLE lots",
        "CREATE TABLE mine (id int)",
        "UPDATE public.runs SET status = 'SUCCESS'",
        "DELETE FROM public.event_logs",
        "CREATE TABLE public.mine (id int)",
    )

    with status.read() as connection:
        for table in ("portfolios", "public.runs", "public.event_logs", "public.dynamic_partitions"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() > 0
    for statement in statements:
        with pytest.raises(StorageError, match=r"permission denied|must be owner"), status.begin() as connection:
            connection.exec_driver_sql(statement)


def test_neither_role_is_a_superuser(team: Team) -> None:
    with team.deployment.database.read() as connection:
        rights = connection.exec_driver_sql(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname IN ('sigma_pipeline', 'sigma_status')"
        ).all()

    assert {name for name, *_ in rights} == {"sigma_pipeline", "sigma_status"}
    assert not any(right for _, *given in rights for right in given)


def test_a_wrong_password_is_refused_and_not_shown(team: Team) -> None:
    wrong = team.deployment.environment["SIGMA_DATABASE_URL"].replace(PIPELINE_PASSWORD, "wrong-open-sesame")

    failed = team.deployment.command("sigma-assets", "portfolios", SIGMA_DATABASE_URL=wrong)

    assert failed.returncode == 1
    assert 'password authentication failed for user "sigma_pipeline"' in failed.stderr
    assert "open-sesame" not in failed.stdout + failed.stderr


def test_no_secret_is_in_anything_that_was_written_or_is_shown(team: Team, postgres_server: PostgresServer) -> None:
    """Every secret ends in "open-sesame": not in the event log, run tags, logs, settings, nor in the UI."""
    address = team.deployment.environment["SIGMA_DATABASE_URL"]
    dump = subprocess.run([postgres_server.tool("pg_dump"), address], capture_output=True, text=True, check=True).stdout
    shown = team.get("webserver", "/graphql", {"query": "{instance {info}}"})["data"]["instance"]["info"]
    settings = team.deployment.command("sigma-assets", "settings").stdout
    logs = team.get("status", f"/api/v1/onboarding/status/{team.portfolio_id}/logs?format=json")
    written = [dump, shown, settings, json.dumps(logs), json.dumps(team.status)]
    written += [file.read_text(errors="replace") for file in team.deployment.home.rglob("*") if file.is_file()]

    assert all(secret.endswith("open-sesame") for secret in (PIPELINE_PASSWORD, STATUS_PASSWORD))
    assert "MonitoredRunLauncher" in shown
    assert team.portfolio_id in dump
    for text in written:
        found = re.search(r".{0,300}open-sesame", text)
        assert found is None, found


def test_every_process_stops_cleanly_when_asked(team: Team) -> None:
    """Last in this file. The code server ends after its runs; nothing is left behind."""
    for name in ("daemon", "webserver", "status", "code server"):
        team.processes[name].send_signal(signal.SIGTERM)

    codes = {name: _stopped(process, name, team.deployment.home) for name, process in team.processes.items()}

    assert set(codes.values()) <= {0, -signal.SIGTERM}, codes
    gc.collect()  # each `deployment.database` of the tests above was a pool of this process, until it is collected
    database = team.deployment.database
    _until(lambda: not _others_connected(database), "no connection is left", team.deployment.home)
    database.dispose()


def _stopped(process: subprocess.Popen[bytes], name: str, home: Path) -> int:
    """Return the exit code; a process that does not stop says in its log what each of its threads is doing."""
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait()
        pytest.fail(f"{name} did not stop within {STOP_SECONDS} s:\n{(home / f'{name}.log').read_text()[-20000:]}")


def _others_connected(database: Database) -> bool:
    """Look in a transaction of its own: within one, PostgreSQL shows the same activity again and again."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with database.read() as connection:
        return bool(connection.execute(sa.text(others)).scalar_one())


def _start(deployment: Deployment, ports: dict[str, int], status_url: str) -> dict[str, subprocess.Popen[bytes]]:
    workspace = yaml.safe_load((CHECKOUT / "deploy" / "workspace.yaml").read_text())
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": ports["code server"]}
    file = deployment.home / "workspace.yaml"
    file.write_text(yaml.safe_dump(workspace))
    commands = {
        "code server": [
            "python", "-m", "sigma_assets.instance.code_server", "--module-name", "sigma_assets.definitions",
            "--host", "127.0.0.1", "--port", str(ports["code server"]),
        ],
        "daemon": ["dagster-daemon", "run", "--workspace", str(file)],
        "webserver": [
            "dagster-webserver", "--workspace", str(file), "--host", "127.0.0.1", "--port", str(ports["webserver"]),
        ],
        "status": ["python", "-m", "sigma_assets.cli.main", "serve"],
    }  # fmt: skip
    more = {"status": {"SIGMA_DATABASE_URL": status_url, "SIGMA_STATUS_PORT": str(ports["status"])}}
    processes = {}
    always = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONFAULTHANDLER": "1", **deployment.environment}
    for name, (program, *rest) in commands.items():
        environment = {**always, **more.get(name, {})}
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a script's `&` starts them
        with (deployment.home / f"{name}.log").open("wb") as log:
            processes[name] = subprocess.Popen(
                [str(SCRIPTS / program), *rest], env=environment, cwd=deployment.home, stdout=log, stderr=log
            )
        signal.signal(signal.SIGINT, before)
        if name == "code server":
            _until(lambda: _listens(ports["code server"]), "the code server listens", deployment.home)
    for name in ("webserver", "status"):
        _until(lambda name=name: _listens(ports[name]), f"{name} listens", deployment.home)
    return processes


def _import(deployment: Deployment) -> str:
    """Import a holdings file that begins a few sessions ago; return the id."""
    settings = Settings()
    begin = settings.calendar.shift(settings.current_session(), -4)
    file = deployment.home / "growth.csv"
    file.write_text(
        "Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        f"AAPL,400,180,{begin}\nNVDA,-100,120,{begin}\nQQQ,50,500,{begin}\nXOM,300,110,{begin}\n"
    )
    done = deployment.command("sigma-assets", "import", str(file), "--name", "Growth", "--equity", "250000")
    assert done.returncode == 0, done.stderr
    (deployment.home / "import.log").write_text(done.stdout + done.stderr)
    return done.stdout.split()[-1]


def _finished(team: Team) -> bool:
    path = f"/api/v1/onboarding/status/{team.portfolio_id}"
    team.status = team.get("status", path)
    return team.status["status"] not in ("pending", "running")


def _until(is_so: Callable[[], object], what: str, home: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            logs = {file.name: file.read_text()[-3000:] for file in home.glob("*.log")}
            pytest.fail(
                f"not within {PATIENCE_SECONDS} s: {what}\n" + "\n".join(f"== {k}\n{v}" for k, v in logs.items())
            )
        time.sleep(0.2)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
