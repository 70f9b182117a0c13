"""How long a night takes on more workers than this machine has: a calculation from measured parts.

`python -m benchmarks.cluster --portfolios 100000 --per-portfolio 0.04 --postgres 0.01 ...` prints a table. The parts come
from `benchmarks.night_workers` (CPU of a worker and of PostgreSQL per portfolio) and `make bench` (the universe's run, the
start of a run). What it leaves out: the network, and locks between writers of different portfolios (there are none).
"""

import argparse
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Parts:
    """What was measured, in seconds.

    Attributes
    ----------
    universe : the run that loads all prices and computes factors and metrics; all portfolios wait for it.
    start : from a run in the queue to its first step.
    fixed : of each run, whatever its size: reading prices, planning, Dagster's events of a run.
    per_portfolio : CPU of a worker.
    postgres : CPU of the database server, per portfolio; spread over its cores.
    """

    universe: float
    start: float
    fixed: float
    per_portfolio: float
    postgres: float


def night(parts: Parts, portfolios: int, workers: int, cores: int, *, most_cells: int = 5_000) -> tuple[float, str]:
    """Return how long one session takes, and what it waits for: the workers, or the database.

    Parameters
    ----------
    workers : processes, each with a core of its own.
    cores : of the database server.
    """
    rounds = math.ceil(math.ceil(portfolios / most_cells) / workers)
    runs = rounds * workers
    work = rounds * (parts.start + parts.fixed + math.ceil(portfolios / runs) * parts.per_portfolio)
    database = portfolios * parts.postgres / cores
    return parts.universe + max(work, database), "PostgreSQL" if database > work else "the workers"


def main() -> None:
    """Print how long a night takes for several numbers of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portfolios", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--cores", type=int, default=8, help="of the database server")
    for name in ("universe", "start", "fixed", "per-portfolio", "postgres"):
        parser.add_argument(f"--{name}", type=float, required=True, help="seconds")
    chosen = parser.parse_args()
    parts = Parts(chosen.universe, chosen.start, chosen.fixed, chosen.per_portfolio, chosen.postgres)
    _say("| workers | minutes | waits for |")
    _say("| --- | --- | --- |")
    for workers in chosen.workers:
        seconds, what = night(parts, chosen.portfolios, workers, chosen.cores)
        _say(f"| {workers} | {seconds / 60:.1f} | {what} |")


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
