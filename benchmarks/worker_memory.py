"""What 20 run workers cost in memory: forked from one process, and each with imports of its own.

Run ``python -m benchmarks.worker_memory``. Proportional set size: a page that n processes share counts as 1/n for each.
"""

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from sigma_assets.instance.warm.run_workers import RunWorkers

WORKERS = 20
MODULE = "sigma_assets.definitions"


def idle(answer: Connection, done: Connection) -> None:
    """Resolve the jobs as a worker does, say how long the process has run, and wait."""
    import importlib

    importlib.import_module("sigma_assets.instance.warm.preloaded")
    importlib.import_module(MODULE).defs.get_repository_def().get_all_jobs()
    answer.send(sum(os.times()[:2]))
    done.recv()


def measure(name: str, start: Callable[..., BaseProcess]) -> None:
    """Start workers, and print their memory and the CPU time that they took to get ready."""
    processes, ready, ends = [], [], []
    for _ in range(WORKERS):
        answer, theirs = multiprocessing.Pipe(duplex=False)
        done, end = multiprocessing.Pipe(duplex=False)
        process = start(target=idle, args=(theirs, done))
        process.start()
        processes.append(process)
        ready.append(answer.recv())
        ends.append(end)
    pss = sum(_pss_mb(process.pid or 0) for process in processes)
    cpu = sum(ready) / WORKERS
    print(f"{name}: {pss:,.0f} MB together, {pss / WORKERS:.0f} MB and {cpu:.2f} s CPU each")  # noqa: T201
    for process, end in zip(processes, ends, strict=True):
        end.send(None)
        process.join()


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Measure both."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        workers = RunWorkers(MODULE)
        workers.settle(logging.getLogger("benchmarks"))
        measure(f"{WORKERS} forked", multiprocessing.get_context("forkserver").Process)
        measure(f"{WORKERS} that import", multiprocessing.get_context("spawn").Process)


if __name__ == "__main__":
    main()
