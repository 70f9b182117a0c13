"""How fast the status server answers while portfolios onboard: clients that poll every two seconds, a run beside them.

Run ``python benchmarks/status_load.py`` for the embedded installation on simulated prices; with
``--database-url postgresql://...`` our tables and Dagster's storage are on that server (an empty database). The server,
the runs and the clients are three processes, as in life. Target (SPEC 8): 99 of 100 answers within 50 ms.
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
from collections import Counter
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
SYMBOLS = ("AAPL", "JNJ", "JPM", "NVDA", "PG", "WMT", "XOM", "VFIAX", "FCNTX", "VBTLX", "VUG", "VTV", "LQD")
POSTGRES = "storage:\n  postgres:\n    postgres_url: {env: SIGMA_DATABASE_URL}\n"
SERVE = "from sigma_assets.settings import settings; from sigma_assets.status.app import serve; serve(settings())"


def main() -> None:
    """Prepare an installation, start the runs and the server, poll, and print what the clients saw."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as home:
        _configure(Path(home), arguments.database_url)
        ids = _import_portfolios(arguments.portfolios)
        server = _start(SERVE)
        runs = _start(f"import sys; sys.path.insert(0, {str(ROOT)!r}); import benchmarks.status_load as b; b.onboard()")
        try:
            _warm_up(ids)
            seconds, wrong = asyncio.run(_poll_all(ids, arguments))
        finally:
            for process in (runs, server):
                process.kill()
                process.wait()
    milliseconds = np.array(seconds) * 1000
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    sys.stdout.write(
        f"{len(milliseconds)} answers to {arguments.clients} clients about {len(ids)} portfolios:"
        f" p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, max {milliseconds.max():.1f} ms; {wrong} failed\n"
    )


def onboard() -> None:
    """Onboard every portfolio, one run each, one after another: what the sensor does with many at once."""
    import dagster as dg

    from sigma_assets.automation.execution import Wish, bring_up_to_date
    from sigma_assets.cli.world import open_database, open_market
    from sigma_assets.definitions import defs
    from sigma_assets.storage.portfolios import portfolios

    tables, price_source = open_market()
    with dg.DagsterInstance.get() as instance:
        for portfolio_id in portfolios(open_database())["portfolio_id"]:
            bring_up_to_date(
                defs,
                instance,
                tables,
                price_source,
                Wish((portfolio_id,)),
                on_event=lambda *_: None,
                on_wait=lambda _: None,
                source="onboarding",
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--portfolios", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two polls of a client")
    parser.add_argument("--debug", action="store_true", help="ask for details and log lines too")
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL database for everything")
    return parser.parse_args()


def _configure(home: Path, database_url: str) -> None:
    """Write dagster.yaml and set this process's (and so its children's) environment."""
    configuration = (ROOT / "dagster.yaml").read_text()
    if database_url:
        head, _, tail = configuration.partition("storage:\n")
        configuration = head + POSTGRES + tail[tail.index("\n\n") :]
    (home / "dagster.yaml").write_text(configuration)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {"DAGSTER_HOME": str(home), "SIGMA_STATUS_PORT": str(port), "SIGMA_PRICES": "simulated"}
    if database_url:
        os.environ["SIGMA_DATABASE_URL"] = database_url


def _import_portfolios(count: int) -> list[str]:
    from sigma_assets.settings import settings
    from sigma_assets.storage.database import Database
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


def _start(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)


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


def _base() -> str:
    return f"http://127.0.0.1:{os.environ['SIGMA_STATUS_PORT']}"


async def _poll_all(ids: list[str], arguments: argparse.Namespace) -> tuple[list[float], int]:
    """Return how long each answer took, and how many were no answer."""
    seconds: list[float] = []
    statuses: Counter[str] = Counter()
    wrong = 0
    end = time.monotonic() + arguments.seconds

    async def client(number: int) -> None:
        nonlocal wrong
        reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["SIGMA_STATUS_PORT"]))
        path = f"/api/v1/onboarding/status/{ids[number % len(ids)]}?debug={str(arguments.debug).lower()}"
        await asyncio.sleep(random.random() * arguments.every)
        while time.monotonic() < end:
            begun = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
            seconds.append(time.perf_counter() - begun)
            wrong += " 200 " not in head.splitlines()[0]
            statuses[body.split(b'"status":"')[1].split(b'"')[0].decode()] += 1
            await asyncio.sleep(max(arguments.every - seconds[-1], 0.0))
        writer.close()

    await asyncio.gather(*(client(number) for number in range(arguments.clients)))
    sys.stdout.write(f"statuses seen: {dict(statuses)}\n")
    return seconds, wrong


if __name__ == "__main__":
    main()
