"""How fast the status server answers while portfolios onboard: clients that poll every two seconds, a run beside them.

Run ``python -m benchmarks.status_load`` for the embedded installation on simulated prices; with ``--postgres``, or
``--database-url postgresql://...`` (an empty database), our tables and Dagster's storage are on a server. The status
server, the runs and the clients are three processes, as in life. Targets: 99 of 100 answers within 50 ms; runs that are
watched take less than 5 % longer than runs that are not, of which every other one is.
"""

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from benchmarks.worlds import temporary_postgres

ROOT = Path(__file__).parents[1]
SYMBOLS = ("AAPL", "JNJ", "JPM", "NVDA", "PG", "WMT", "XOM", "VFIAX", "FCNTX", "VBTLX", "VUG", "VTV", "LQD")
ONBOARD = "from benchmarks.status_load import onboard; onboard()"
SERVE = "from sigma_assets.settings import settings; from sigma_assets.web.app import serve; serve(settings())"


def main() -> None:
    """Prepare an installation, start the runs and the server, poll, and print what clients and runs saw."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as home:
        _configure(Path(home), temporary_postgres() if arguments.postgres else arguments.database_url)
        ids = _import_portfolios(max(arguments.clients, arguments.runs))
        server = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            _warm_up(ids)
            seen = asyncio.run(_measure(ids, arguments))
        finally:
            server.kill()
            server.wait()
    sys.stdout.write(_report(seen, arguments))


@dataclass
class Seen:
    """What the clients and the runs saw: seconds of answers, statuses, answers that were none, seconds of runs."""

    at_work: str = ""
    answers: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    unwatched: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)


def onboard() -> None:
    """Onboard a portfolio for each line of standard input, and answer with the seconds that its run took."""
    import dagster as dg

    from sigma_assets.automation.execution import UpdateRequest, bring_up_to_date
    from sigma_assets.cli.terminal.world import open_market
    from sigma_assets.definitions import defs

    tables, price_source = open_market()
    with dg.DagsterInstance.get() as instance:
        for line in sys.stdin:
            begun = time.perf_counter()
            bring_up_to_date(
                defs,
                instance,
                tables,
                price_source,
                UpdateRequest((line.strip(),)),
                on_event=lambda *_: None,
                on_wait=lambda _: None,
                source="onboarding",
            )
            sys.stdout.write(f"{time.perf_counter() - begun}\n")
            sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--runs", type=int, default=41, help="onboardings, one after another; the first warms up")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two polls of a client")
    parser.add_argument("--debug", action="store_true", help="ask for details and log lines too")
    parser.add_argument("--postgres", action="store_true", help="everything on a PostgreSQL server of our own")
    parser.add_argument("--database-url", default="", help="everything on this empty PostgreSQL database")
    return parser.parse_args()


def _configure(home: Path, database_url: str) -> None:
    """Write dagster.yaml and set this process's (and so its children's) environment."""
    configured = ROOT / ("deploy/dagster.yaml" if database_url else "dagster.yaml")
    (home / "dagster.yaml").write_text(configured.read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {"DAGSTER_HOME": str(home), "SIGMA_STATUS_PORT": str(port), "SIGMA_PRICES": "simulated"}
    if database_url:
        os.environ["SIGMA_DATABASE_URL"] = database_url


def _import_portfolios(count: int) -> list[str]:
    from sigma_assets.settings import settings
    from sigma_assets.storage.connection.database import Database
    from sigma_assets.storage.migrations import upgrade
    from sigma_assets.storage.portfolios import LOT_COLUMNS, NewPortfolio, add_portfolio

    database = Database(settings().database)
    upgrade(database)
    inception = settings().calendar.on_or_after(settings().current_session() - timedelta(days=365))
    lots = pd.DataFrame({column: [None] * len(SYMBOLS) for column in LOT_COLUMNS}).assign(
        symbol=SYMBOLS,
        quantity=100.0,
        entry_price=100.0,
        entry_date=pd.Timestamp(inception),
        investment_class="PUBLIC",
        exit_price=np.nan,
        strike_price=np.nan,
    )
    ids = [
        add_portfolio(database, NewPortfolio(f"Book {number}", "taxable", 1e6, inception), lots)
        for number in range(count)
    ]
    database.dispose()
    return ids


def _warm_up(ids: list[str]) -> None:
    """Wait for the server and ask it about each portfolio once: its imports are no part of an answer's time."""
    deadline = time.monotonic() + 60
    while True:
        try:
            for portfolio_id in ids:
                httpx.get(f"{_base()}/api/v1/onboarding/status/{portfolio_id}")
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _port() -> int:
    return int(os.environ["SIGMA_STATUS_PORT"])


def _base() -> str:
    return f"http://127.0.0.1:{_port()}"


async def _measure(ids: list[str], arguments: argparse.Namespace) -> Seen:
    """Onboard one portfolio after another; clients poll during every other run."""
    seen, watching = Seen(), asyncio.Event()
    runs = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ONBOARD), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL
    )
    assert runs.stdin is not None
    assert runs.stdout is not None
    clients = [
        asyncio.create_task(_client(number, ids, arguments, watching, seen)) for number in range(arguments.clients)
    ]
    for number, portfolio_id in enumerate(ids[: arguments.runs]):
        is_watched, seen.at_work = number % 2 == 1, portfolio_id
        watching.set() if is_watched else watching.clear()
        runs.stdin.write(f"{portfolio_id}\n".encode())
        took = float(await runs.stdout.readline())
        if number:  # the first run imports
            (seen.watched if is_watched else seen.unwatched).append(took)
    runs.stdin.close()
    for client in clients:
        client.cancel()
    ends = await asyncio.gather(runs.wait(), *clients, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):  # a client that gave up early has asked too little
            raise end
    return seen


async def _client(
    number: int, ids: list[str], arguments: argparse.Namespace, watching: asyncio.Event, seen: Seen
) -> None:
    """Poll every so often, each client at moments of its own, while watching is on: every other one the run at work."""
    connection = None
    await asyncio.sleep(random.random() * arguments.every)
    while True:
        await asyncio.sleep(arguments.every)
        if not watching.is_set():
            connection = None  # the server closes what is idle for five seconds
            continue
        portfolio_id = seen.at_work if number % 2 else ids[number % len(ids)]
        path = f"/api/v1/onboarding/status/{portfolio_id}?debug={str(arguments.debug).lower()}"
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        begun = time.perf_counter()
        reader, writer = connection = connection or await asyncio.open_connection("127.0.0.1", _port())
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        seen.answers.append(time.perf_counter() - begun)
        seen.wrong += " 200 " not in head.splitlines()[0]
        seen.statuses[body.split(b'"status":"')[1].split(b'"')[0].decode()] += 1


def _report(seen: Seen, arguments: argparse.Namespace) -> str:
    milliseconds = np.array(seen.answers) * 1000
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    watched, unwatched = np.median(seen.watched), np.median(seen.unwatched)
    return (
        f"{len(milliseconds)} answers to {arguments.clients} clients: p50 {p50:.1f} ms, p95 {p95:.1f} ms,"
        f" p99 {p99:.1f} ms, max {milliseconds.max():.1f} ms; {seen.wrong} failed; {dict(seen.statuses)}\n"
        f"median run: {unwatched:.2f} s alone ({len(seen.unwatched)} runs), {watched:.2f} s while watched"
        f" ({len(seen.watched)} runs): {watched / unwatched - 1:+.1%}\n"
    )


if __name__ == "__main__":
    main()
