"""How fast a report and stored numbers are served: clients that ask every two seconds, of a portfolio of many years.

`python -m benchmarks.reading_load` onboards one portfolio of 13 lots with ten years of history on simulated prices, then
lets 50 clients ask the status server. Target: 99 of 100 answers of the API within 50 ms, a page within 100 ms. With
`--runs 500` the portfolio has so many runs, with `--busy` one of another portfolio is always on.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np

from benchmarks.status_load import SERVE, SYMBOLS, _base, _configure
from benchmarks.worlds import ROOT, temporary_postgres

WORK = "from benchmarks.reading_load import work; work()"
ASKED = {
    "status": "/api/v1/onboarding/status/{}",
    "numbers, a year": "/api/v1/portfolios/{}/portfolio_snapshots?start={start}&limit=300",
    "numbers, a page of 1,000 rows": "/api/v1/portfolios/{}/position_values?limit=1000",
    "report as data": "/api/v1/portfolios/{}/report",
    "report as a page": "/portfolio/{}",
    "list": "/api/v1/portfolios",
}


def main() -> None:
    """Prepare an installation, ask, and print what the clients saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two questions of a client")
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--runs", type=int, default=1, help="of the portfolio; those after the first are copies of one")
    parser.add_argument(
        "--busy", action="store_true", help="let runs of another portfolio follow one another meanwhile"
    )
    parser.add_argument("--postgres", action="store_true", help="everything on a PostgreSQL server of our own")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        _configure(Path(home), temporary_postgres() if chosen.postgres else "")
        portfolio_id, start = _onboarded("Book", chosen.years)
        _copy_run(portfolio_id, chosen.runs - 1)
        other = _onboarded("Another", 1)[0] if chosen.busy else ""
        server = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            paths = {name: path.format(portfolio_id, start=start) for name, path in ASKED.items()}
            _warm_up(paths.values())
            program = [sys.executable, "-c", WORK, other]
            busy = (
                subprocess.Popen(program, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
                if other
                else None
            )
            seen = asyncio.run(_ask(paths, chosen))
            if busy is not None:
                os.killpg(busy.pid, signal.SIGKILL)  # and the command that it waits for
                busy.wait()
        finally:
            server.kill()
            server.wait()
    for name, seconds in seen.items():
        p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
        sys.stdout.write(f"{name}: {len(seconds)} answers, p50 {p50:.0f} ms, p99 {p99:.0f} ms\n")


def _onboarded(name: str, years: int) -> tuple[str, str]:
    """Return a portfolio with its whole history, and the day a year before its last session."""
    last = time.gmtime()
    os.environ.setdefault("SIGMA_FIRST_SESSION", f"{last.tm_year - years}-01-04")
    lots = "\n".join(f"{symbol},100,100.00,{last.tm_year - years}-02-01" for symbol in SYMBOLS)
    file = Path(os.environ["DAGSTER_HOME"]) / "book.csv"
    file.write_text(f"Symbol,Quantity,Entry Price Per Share,Entry Date\n{lots}\n")
    _command("db", "upgrade")
    said = _command("import", str(file), "--name", name, "--equity", "1000000", "--yes")
    portfolio_id = said.strip().splitlines()[-1]
    _command("run", "--portfolio", portfolio_id)
    return portfolio_id, f"{last.tm_year - 1}-{last.tm_mon:02d}-01"


def _copy_run(portfolio_id: str, times: int) -> None:
    """Give a portfolio more runs, as its nights would: copies of one over its last session, with all their events."""
    if times <= 0:
        return
    import dagster as dg
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
    from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

    snapshots = _command("export", "portfolio_snapshots", "--portfolio", portfolio_id, "--format", "json")
    _command("run", "--portfolio", portfolio_id, "--force", "--start", json.loads(snapshots)[-1]["session"])
    with dg.DagsterInstance.get() as instance:
        run_id = instance.get_run_records(limit=1)[0].dagster_run.run_id
        with instance.run_storage.connect() as runs, instance.event_log_storage.index_connection() as events:
            for _ in range(times - 1):
                copy = str(uuid4())
                for connection, table in ((runs, RunsTable), (runs, RunTagsTable), (events, SqlEventLogStorageTable)):
                    names = [column.name for column in table.columns if column.name != "id"]
                    texts = ("run_id", "run_body", "event")
                    told = [f"replace({name}, :old, :new)" if name in texts else name for name in names]
                    statement = (
                        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(told)} FROM {table.name}"
                    )
                    connection.execute(
                        sa.text(f"{statement} WHERE run_id = :old ORDER BY id"), {"old": run_id, "new": copy}
                    )


def _command(*arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-m", "sigma_assets.cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _warm_up(paths: Iterable[str]) -> None:
    deadline = time.monotonic() + 60
    for path in paths:
        while True:
            try:
                httpx.get(f"{_base()}{path}", timeout=30).raise_for_status()
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def work() -> None:
    """Compute a portfolio again and again, until somebody ends this process."""
    while True:
        _command("run", "--portfolio", sys.argv[1], "--force")


async def _ask(paths: dict[str, str], chosen: argparse.Namespace) -> dict[str, list[float]]:
    """Let each client ask one thing after the other, at moments of its own, for some seconds."""
    seen: dict[str, list[float]] = {name: [] for name in paths}
    until = time.monotonic() + chosen.seconds
    names = list(paths)

    async def client(number: int) -> None:
        await asyncio.sleep(random.random() * chosen.every)
        alone = httpx.Limits(max_keepalive_connections=0)  # a client that is late would use what the server just closed
        # without certificates, which there are none of here: each client that read those would hold up all the others
        async with httpx.AsyncClient(base_url=_base(), timeout=30, limits=alone, verify=False) as http:
            while time.monotonic() < until:
                name = names[number % len(names)]
                begun = time.perf_counter()
                (await http.get(paths[name])).raise_for_status()
                seen[name].append(time.perf_counter() - begun)
                number += 1
                await asyncio.sleep(chosen.every)

    await asyncio.gather(*(client(number) for number in range(chosen.clients)))
    return seen


if __name__ == "__main__":
    main()
