"""Wall time, CPU time and memory of a piece of work, its child processes (a database server, run workers) included."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parents[1]
HEADER = ("case", "phase", "wall s", "CPU s", "peak MB", "rows", "events")


@dataclass
class Measured:
    """One line of the table; 0 where there is nothing to count."""

    case: str
    phase: str
    wall: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    rows: int = 0
    events: int = 0


def cpu_seconds() -> float:
    """Return user and system time of this process and of all its descendants, ended or not."""
    own = os.times()
    ended = own.children_user + own.children_system
    return own.user + own.system + ended + sum(_cpu_of(pid) for pid in _descendants(os.getpid()))


def peak_mb() -> float:
    """Return the most memory that this process has held so far (not its children)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def measured(case: str, phase: str, into: list[Measured]) -> Iterator[Measured]:
    """Measure a block; the caller may add rows and events to what it gets."""
    line = Measured(case, phase)
    wall, cpu = time.perf_counter(), cpu_seconds()
    yield line
    line.wall, line.cpu, line.peak_mb = time.perf_counter() - wall, cpu_seconds() - cpu, peak_mb()
    into.append(line)


def in_child(case: str, **arguments: object) -> list[Measured]:
    """Run a case in a process of its own, so that its memory and its imports are its own; return its lines.

    Raises
    ------
    subprocess.CalledProcessError
        The case failed; what it wrote to standard error is on ours.
    """
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks", "--child", case, json.dumps(arguments)]
    # compiled modules are what every deployment has from its second start on
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [Measured(**line) for line in json.loads(done.stdout.splitlines()[-1])]


def report(lines: Sequence[Measured]) -> str:
    """Return lines as what a child process hands to its parent."""
    return json.dumps([asdict(line) for line in lines])


def table(lines: Sequence[Measured]) -> str:
    """Return lines as a table in Markdown."""
    cells = [HEADER, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(_aligned(text, width, place) for place, (text, width) in enumerate(zip(row, widths, strict=True)))
        + " |"
        for row in [cells[0], rule, *cells[1:]]
    )


def exponent(cost: Mapping[int, float]) -> tuple[float, float]:
    """Return the exponents k of cost ~ size^k: fitted to all points, and between the two largest."""
    sizes = np.log(sorted(cost))
    costs = np.log([cost[size] for size in sorted(cost)])
    return float(np.polyfit(sizes, costs, 1)[0]), float((costs[-1] - costs[-2]) / (sizes[-1] - sizes[-2]))


def _cells(line: Measured) -> tuple[str, ...]:
    counts = (f"{count:,}" if count else "" for count in (line.rows, line.events))
    return line.case, line.phase, f"{line.wall:.2f}", f"{line.cpu:.2f}", f"{line.peak_mb:.0f}", *counts


def _aligned(text: str, width: int, place: int) -> str:
    return text.ljust(width) if place < 2 else text.rjust(width)


def _descendants(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _read(path).split()):
            yield child
            yield from _descendants(child)


def _cpu_of(pid: int) -> float:
    """Return what a process and its ended children have used; 0 if it has ended meanwhile."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
