"""A night on PostgreSQL, divided among worker processes: what another worker on the same machine is worth.

The workers have imported everything before the clock starts, as warm ones have. `python -m benchmarks.night_workers
--portfolios 1000 --workers 1 2` prints a table.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from time import perf_counter, process_time, sleep
from typing import Any

from benchmarks.cases import LOTS, YEAR
from benchmarks.measuring import ROOT, Measured, cpu_seconds, in_child, table
from benchmarks.worlds import add_portfolios, extra_symbols, load_prices, make_world

READY, GO, DONE = "ready", "go", "done"


def night_workers(portfolios: int, workers: int, symbols: int = 300, lots: int = LOTS) -> list[Measured]:
    """One session of all portfolios, planned for so many workers and executed by as many processes at once."""
    world = make_world(1, "postgres")
    names = extra_symbols(symbols)
    entry = world.tables.calendar.shift(world.sessions[0].item(), -YEAR)
    load_prices(world, names, entry)
    ids = add_portfolios(world, portfolios, names, lots, entry)
    from sigma_assets.automation.inputs import adopt_portfolios
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS
    from sigma_assets.automation.jobs import names as names_of
    from sigma_assets.automation.planner import plan_runs
    from sigma_assets.cli.terminal.world import open_instance

    with open_instance() as instance:
        adopt_portfolios(instance, world.tables, "command")
    assets = names_of(PORTFOLIO_ASSETS)
    missing = {(key, asset): world.sessions for key in ids for asset in assets}
    planned = plan_runs(missing, assets=assets, order=ids, calendar=world.tables.calendar.sessions, workers=workers)
    written = [{**asdict(run), "first": str(run.first), "last": str(run.last)} for run in planned]
    processes = [_start(written[number::workers]) for number in range(min(workers, len(written)))]
    for process in processes:
        _expect(process, READY)
    wall, cpu = perf_counter(), cpu_seconds()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{GO}\n")
        process.stdin.flush()
    own = sum(float(_expect(process, DONE)) for process in processes)
    line = Measured(
        f"night, {portfolios:,} portfolios x {lots} lots, postgres", f"{workers} workers, {len(planned)} runs"
    )
    line.wall, line.cpu = perf_counter() - wall, cpu_seconds() - cpu
    server = Measured(line.case, "  of it PostgreSQL", cpu=line.cpu - own)
    for process in processes:
        process.communicate()
    return [line, server]


def _start(planned: list[dict[str, Any]]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.night_workers", "--work"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(f"{json.dumps(planned)}\n")
    process.stdin.flush()
    return process


def _expect(process: "subprocess.Popen[str]", word: str) -> str:
    """Wait for a worker's word; return what it says with it."""
    assert process.stdout is not None
    said, _, more = process.stdout.readline().strip().partition(" ")
    if said != word:
        raise RuntimeError(f"a worker said {said!r}; expected {word!r}")
    return more


def _work() -> None:
    """Execute the planned runs of the first line of stdin, one after the other, when told to."""
    from sigma_assets.automation.execution import execute
    from sigma_assets.automation.planner import PlannedRun
    from sigma_assets.cli.terminal.world import open_instance, open_market
    from sigma_assets.definitions import defs

    planned = []
    for values in json.loads(sys.stdin.readline()):
        values |= {name: date.fromisoformat(values[name]) for name in ("first", "last")}
        values |= {name: tuple(values[name]) for name in ("assets", "portfolio_ids")}
        planned.append(PlannedRun(**values))
    tables, _ = open_market()
    with open_instance() as instance:
        roster = tables.roster()
        _tell(READY)
        if sys.stdin.readline().strip() != GO:
            sys.exit(1)
        before = process_time()
        for run in planned:
            outcome = execute(defs, instance, roster, run, "admin", _on_event)
            if outcome is None:
                sys.exit("another run does the same")
            if not outcome.succeeded:
                sys.exit(f"run {outcome.run_id} failed")
        used = process_time() - before
    _tell(f"{DONE} {used:.3f}")
    sleep(0.1)


def _on_event(_: object, event: Any) -> None:
    """Show why something failed."""
    if event.is_failure:
        sys.stderr.write(f"{event.event_type_value}: {event.message}\n{event.event_specific_data}\n")


def _tell(word: str) -> None:
    print(word, flush=True)  # noqa: T201


def main() -> None:
    """Measure one number of workers after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portfolios", type=int, default=1000)
    parser.add_argument("--lots", type=int, default=30)
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        _work()
        return
    lines = [
        line
        for workers in chosen.workers
        for line in in_child(
            "night_workers", portfolios=chosen.portfolios, workers=workers, symbols=chosen.symbols, lots=chosen.lots
        )
    ]
    _tell(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    _tell(table(lines))


if __name__ == "__main__":
    main()
