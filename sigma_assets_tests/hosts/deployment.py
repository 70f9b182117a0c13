"""A deployment over several hosts as deploy/celery/README.md describes it: one PostgreSQL, one broker, worker hosts."""

import itertools
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg
import redis
import sqlalchemy as sa

from sigma_assets.storage import schema
from sigma_assets_tests.deployment.certificates import ADDRESS, make_certificates, url_of_the_readme
from sigma_assets_tests.hosts.network import Network, NoHostsError
from sigma_assets_tests.postgres import PostgresServer
from sigma_assets_tests.processes.deployment import CHECKOUT, HUNDRED, Deployment, free_port, until

BROKER_PASSWORD = "broker-open-sesame"
DEAD_AFTER_SECONDS = 31.0
"""The least that the launcher takes."""
SYMBOLS = ("AAPL", "MSFT", "NVDA", "XOM", "JNJ", "JPM", "PG", "KO", "WMT", "HD", "CVX", "MRK", "PEP", "COST", "DIS")


class Broker:
    """Redis with a password, over TLS, that can be stopped and started again; it keeps its queue in a file."""

    def __init__(self, folder: Path, address: str) -> None:
        self._redis = shutil.which("redis-server")
        if self._redis is None or shutil.which("openssl") is None:
            raise NoHostsError("redis-server and openssl are needed (Debian: redis-server, openssl)")
        self._folder, self._address, self._port = folder, address, free_port()
        self.tls = make_certificates(folder, address)
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """Return its address as a worker gets it."""
        replaced = {"PASSWORD": BROKER_PASSWORD, f"{ADDRESS}:6379": f"{self._address}:{self._port}"}
        return url_of_the_readme("SIGMA_BROKER_URL", self.tls, **replaced)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "port": 0,
            "tls-port": self._port,
            "bind": self._address,
            "tls-cert-file": self.tls / "server.pem",
            "tls-key-file": self.tls / "server.key",
            "tls-auth-clients": "no",
            "requirepass": BROKER_PASSWORD,
            "dir": self._folder,
            "appendonly": "yes",
            "save": "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self._folder / "broker.log").open("a") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(self._redis), *words], stdout=log, stderr=log
            )
        client = redis.Redis.from_url(self.url)
        until(lambda: _answers(client), "the broker answers")
        client.close()

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


class HostsDeployment(Deployment):
    """Code server and daemon on this machine, workers on hosts of a network."""

    def __init__(self, folder: Path, network: Network, server: PostgresServer, name: str, broker: Broker) -> None:
        self.network, self.server, self.broker = network, server, broker
        verified = {"sslmode": "verify-full", "sslrootcert": str(broker.tls / "ca.pem")}
        database = server.url.set(host=network.address, database=name, drivername="postgresql", query=verified)
        super().__init__(
            folder / "home",
            dagster_yaml=CHECKOUT / "deploy" / "celery" / "dagster.yaml",
            SIGMA_DATABASE_URL=database.render_as_string(hide_password=False),
            SIGMA_BROKER_URL=broker.url,
            SIGMA_RUN_WORKERS="4",
        )
        self.configure(run_launcher={"config": {"broker": broker.url, "dead_after_seconds": DEAD_AFTER_SECONDS}})

    def add_books(self, count: int, first: date, lots: int, distinct: int) -> list[str]:
        """Add portfolios of different symbols and quantities, all in one transaction; return their ids.

        Parameters
        ----------
        distinct : after so many, the next ones hold the same again.
        """
        usual = {"account_type": "taxable", "currency": "USD", "initial_equity_usd": HUNDRED, "inception": first}
        books = [
            {"portfolio_id": str(uuid4()), "name": f"number {seed}", "created_at": datetime.now(UTC), **usual}
            for seed in range(count)
        ]
        held = [
            {
                "portfolio_id": book["portfolio_id"],
                "lot_id": f"{number:08x}{str(book['portfolio_id'])[8:]}",
                "symbol": SYMBOLS[(seed + number) % len(SYMBOLS)],
                "quantity": 10.0 + 7 * seed + 3 * number,
                "entry_price": 50.0,
                "entry_date": first,
                "investment_class": "PUBLIC",
            }
            for seed, book in zip(itertools.cycle(range(distinct)), books)
            for number in range(lots)
        ]
        with self.database.begin() as connection:
            connection.execute(sa.insert(schema.portfolios), books)
            connection.execute(sa.insert(schema.lots), held)
        return [str(book["portfolio_id"]) for book in books]

    def allow_runs(self, count: int) -> None:
        """Let as many runs be in flight at once."""
        limits = self._configuration()["concurrency"]["runs"]
        self.configure(concurrency={"runs": {**limits, "max_concurrent_runs": count}})

    def count(self, table: str, portfolio_id: str, first: date = date.min) -> int:
        """Return how many rows a table has of a portfolio, from a session on."""
        query = sa.text(f"SELECT count(*) FROM {table} WHERE portfolio_id = :portfolio_id AND session >= :first")
        with self.database.read() as connection:
            return connection.execute(query, {"portfolio_id": portfolio_id, "first": first}).scalar_one()

    def start_workers(self, *hosts: str, checkout: Path = CHECKOUT) -> None:
        """Start workers with one slot each on hosts, and wait until all take runs.

        Call it from the thread that outlives them: a process ends with the thread that has started it.
        """
        environment = {**self._environment(), "PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": "1"}
        command = (sys.executable, "-m", "sigma_assets.cli.main", "worker", "--slots", "1")
        before = {host: self.worker_log(host).count(" ready.") for host in hosts}
        for host in hosts:
            log = self.home / f"{host}.log"
            self.network.host(host).start(*command, environment=environment, log=log, folder=self.home)
        for host in hosts:
            process = self.worker(host)
            until(
                lambda host=host, process=process: (
                    process.poll() is not None or self.worker_log(host).count(" ready.") > before[host]
                ),
                f"the worker on {host} is ready",
                seconds=240,
            )
            assert process.poll() is None, self.worker_log(host)

    def worker(self, host: str) -> subprocess.Popen:
        """Return the worker that was started last on a host."""
        return self.network.host(host).processes[-1]

    def worker_log(self, host: str) -> str:
        """Return what the worker of a host wrote."""
        log = self.home / f"{host}.log"
        return log.read_text() if log.exists() else ""

    def arrived(self, reached: Path) -> tuple[int, str]:
        """Wait until a worker stands at a gate; return its process id, and its host."""
        until(reached.exists, f"a worker is at {reached.name}", seconds=300)
        with self.instance() as instance:
            pid = int(reached.read_text())
            beats = [instance.run_storage.heartbeats.last(run.run_id) for run in instance.get_runs()]
            return pid, next(beat.host for beat in beats if beat is not None and beat.pid == pid)

    def messages(self, run_id: str) -> list[tuple[str, str]]:
        """Return type and text of a run's events, oldest first."""
        with self.instance() as instance:
            records = instance.get_records_for_run(run_id).records
        entries = [record.event_log_entry for record in records]
        return [(entry.dagster_event_type.value if entry.dagster_event_type else "", _text(entry)) for entry in entries]


def _text(entry: dg.EventLogEntry) -> str:
    event, error = entry.dagster_event, None
    if event is not None and event.is_step_failure:
        error = event.step_failure_data.error
    elif event is not None and event.event_type is dg.DagsterEventType.ENGINE_EVENT:
        error = event.engine_event_data.error
    return f"{entry.message} {'' if error is None else error.to_string()}"
