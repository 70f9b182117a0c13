"""A whole deployment in a temporary folder: code server, daemon and, where asked for, webserver, as real processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import yaml
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from sigma_assets.runs.covers import RunCover, runs
from sigma_assets.settings import Settings, read_settings
from sigma_assets.storage import migrations
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import LOT_COLUMNS, NewPortfolio, add_portfolio
from sigma_assets.storage.roster import read_roster

CHECKOUT = Path(__file__).parents[2]
LOCATION = "sigma_assets_tests.processes.gated_location"
LAST = date(2026, 1, 8)
"""Last session of the simulated market of these tests, a Thursday."""
HUNDRED = 100_000.0


def until(is_so: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """Wait until something is so, and return it; the test fails where it never is.

    Most of the time it sleeps, however long a look takes: what is waited for needs the processors.
    """
    deadline = time.monotonic() + seconds
    while True:
        before = time.thread_time()
        if found := is_so():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(max(0.1, 5 * (time.thread_time() - before)))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lots_of(symbols: Mapping[str, float], entry: date, price: float = 50.0) -> pd.DataFrame:
    """Return lots of public symbols, entered on one day at one price."""
    rows = pd.DataFrame({"symbol": list(symbols), "quantity": list(symbols.values())})
    rows = rows.assign(entry_price=price, entry_date=pd.Timestamp(entry), investment_class="PUBLIC")
    missing: dict[str, Any] = {"strike_price": float("nan"), "exit_price": float("nan")}
    missing |= {"exit_date": pd.NaT, "expiration_date": pd.NaT}
    return rows.assign(**{name: missing.get(name) for name in LOT_COLUMNS if name not in rows})[list(LOT_COLUMNS)]


class Deployment:
    """Processes around one DAGSTER_HOME; every one of them can be killed and started again."""

    def __init__(
        self,
        home: Path,
        prices: str = f"simulated:last={LAST}",
        dagster_yaml: Path = CHECKOUT / "dagster.yaml",
        location: str = LOCATION,
        **variables: str,
    ) -> None:
        self.home = home
        self.location = location
        self.port, self.web_port = free_port(), free_port()
        self.environment = {
            "DAGSTER_HOME": str(home),
            "SIGMA_PRICES": prices,
            "SIGMA_FIRST_SESSION": "2025-06-02",
            "SIGMA_DAGSTER_URL": f"http://127.0.0.1:{self.web_port}",
            **variables,
        }
        self.processes: dict[str, subprocess.Popen] = {}
        self._instance: dg.DagsterInstance | None = None
        (home / "gates").mkdir(parents=True)
        (home / "dagster.yaml").write_text(dagster_yaml.read_text())
        self.configure(run_monitoring={"poll_interval_seconds": 1})
        if "SIGMA_DATABASE_URL" in variables:
            config = {"postgres_url": variables["SIGMA_DATABASE_URL"]}
        else:
            config = {"base_dir": str(home)}
        self.configure(storage={"custom": {**self._configuration()["storage"]["custom"], "config": config}})
        server = f"grpc_server: {{host: 127.0.0.1, port: {self.port}, location_name: sigma_assets}}"
        (home / "workspace.yaml").write_text(f"load_from:\n  - {server}\n")
        self.settings: Settings = read_settings(self.environment)
        self.database = Database(self.settings.database)
        migrations.upgrade(self.database)

    def configure(self, **changes: Mapping[str, Any]) -> None:
        """Change sections of dagster.yaml."""
        self._close_instance()
        configuration = self._configuration()
        for section, values in changes.items():
            configuration[section] |= values
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(configuration))

    def _configuration(self) -> dict[str, Any]:
        return yaml.safe_load((self.home / "dagster.yaml").read_text())

    @contextlib.contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Return the Dagster instance; it stays open, since opening it costs thirty times what a look into it does."""
        if self._instance is None:
            self._instance = dg.DagsterInstance.from_config(str(self.home))
        yield self._instance

    def _close_instance(self) -> None:
        if self._instance is not None:
            self._instance.dispose()
            self._instance = None

    def start(self, *names: str) -> None:
        """Start processes: code server, daemon, webserver; the code server is waited for."""
        for name in names:
            self.processes[name] = self._popen(*self._command(name))
            if name == "code server":
                until(lambda: listens(self.port), "code server listens")
            if name == "webserver":
                until(lambda: listens(self.web_port), "webserver listens")

    def kill(self, *names: str, number: int = signal.SIGKILL) -> None:
        """Send processes a signal and wait for their end."""
        for name in names:
            self.processes[name].send_signal(number)
        for name in names:
            self.processes.pop(name).wait(30)

    def stop(self) -> None:
        """End every process that is left, run workers included."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self._close_instance()
        self.database.dispose()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `sigma-assets` and return what came of it."""
        command = [sys.executable, "-m", "sigma_assets.cli.main", *arguments]
        return subprocess.run(
            command, env=self._environment(), cwd=self.home, capture_output=True, text=True, check=False
        )

    def shut(self, asset: str, portfolio_id: str = "universe") -> Path:
        """Shut a gate; return the file that a worker which arrives there writes its process id to."""
        gate = self.home / "gates" / f"{asset}.{portfolio_id}"
        gate.touch()
        return gate.with_name(f"{gate.name}.reached")

    def open(self, reached: Path) -> None:
        """Open the gate again that `shut` shut."""
        reached.with_name(reached.name.removesuffix(".reached")).unlink(missing_ok=True)

    def add(self, name: str, lots: pd.DataFrame | None = None, inception: date | None = None) -> str:
        """Add a portfolio straight into the database, as anybody's code might."""
        held = lots_of({"AAPL": 100, "JNJ": 50}, date(2026, 1, 5)) if lots is None else lots
        first = inception or held["entry_date"].min().date()
        return add_portfolio(self.database, NewPortfolio(name, "taxable", HUNDRED, first), held)

    def runs(self, portfolio_id: str | None = None) -> list[RunCover]:
        """Return the runs, oldest first: all, or those that cover a portfolio."""
        with self.instance() as instance:
            found = runs(instance, read_roster(self.database))[::-1]
        return [run for run in found if portfolio_id is None or portfolio_id in run.portfolio_ids]

    def ticks(self, sensor: str) -> list[InstigatorTick]:
        """Return the ticks of a sensor that have ended, newest first."""
        with self.instance() as instance:
            states = {state.instigator_name: state for state in instance.all_instigator_state()}
            if sensor not in states:
                return []
            found = instance.get_ticks(states[sensor].instigator_origin_id, states[sensor].selector_id)
            return [tick for tick in found if tick.status is not TickStatus.STARTED]

    def wait_until_done(self, *portfolio_ids: str, seconds: float = 90) -> None:
        """Wait until portfolios have no run in flight, and the last one of each succeeded."""
        wanted = set(portfolio_ids)

        def done() -> bool:
            covering = [run for run in self.runs() if not wanted.isdisjoint(run.portfolio_ids)]
            last = {key: run.status for run in covering for key in wanted.intersection(run.portfolio_ids)}
            return (
                last.keys() == wanted
                and not any(run.in_flight for run in covering)
                and all(status is dg.DagsterRunStatus.SUCCESS for status in last.values())
            )

        until(done, "portfolios are up to date", seconds)

    def log(self) -> str:
        """Return what the processes wrote."""
        return (self.home / "processes.log").read_text()

    def _command(self, name: str) -> list[str]:
        workspace = ["--workspace", str(self.home / "workspace.yaml")]
        address = ["--host", "127.0.0.1", "--port"]
        return {
            "code server": ["sigma_assets.instance.code_server", "-m", self.location, *address, str(self.port)],
            "daemon": ["dagster._daemon", "run", *workspace],
            "webserver": ["dagster_webserver", *workspace, *address, str(self.web_port)],
        }[name]

    def _popen(self, *module: str) -> subprocess.Popen:
        with (self.home / "processes.log").open("a") as log:
            command = [sys.executable, "-m", *module]
            return subprocess.Popen(command, env=self._environment(), cwd=self.home, stdout=log, stderr=log)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SIGMA_", "DAGSTER_"))}
        return {**inherited, "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore", **self.environment}
