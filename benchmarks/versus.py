"""`python -m benchmarks.versus --ref COMMIT`: this tree against that commit, alternately, and against Dagster's floor.

Each case runs with the code of COMMIT, then with the code of this tree, and so on in turn: whatever else the machine does
meets both. The floor is a run of assets that do nothing, with the same names, partitions, checks and events as ours.
Prints medians, and medians of the ratios of each pair. Wall time is worth something on a quiet machine only.
"""

import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import click

from benchmarks.measuring import ROOT, Measured
from benchmarks.same.comparing import CompareError
from benchmarks.same.sides import checked_out

Case = tuple[str, Mapping[str, object]]
CASES: dict[str, Case] = {
    "onboarding, the run alone, SQLite": ("onboarding", {"database": "sqlite"}),
    "onboarding, the run alone, PostgreSQL": ("onboarding", {"database": "postgres"}),
    "onboarding, run asked for at once": ("end_to_end", {"by_sensor": False}),
    "onboarding, found by the sensor": ("end_to_end", {"by_sensor": True}),
    "universe, 1,193 symbols x 254": ("universe", {"database": "sqlite", "symbols": 1193}),
    "night of 1,000 portfolios, PostgreSQL": ("nightly", {"database": "postgres", "symbols": 1193, "portfolios": 1000}),
}
SMALL: dict[str, Case] = {
    "onboarding of 20 sessions, SQLite": ("onboarding", {"database": "sqlite", "sessions": 20}),
    "night of 20 portfolios, SQLite": ("nightly", {"database": "sqlite", "symbols": 60, "portfolios": 20}),
}
FLOORS: dict[str, Mapping[str, object]] = {
    "onboarding, the run alone, SQLite": {"database": "sqlite"},
    "onboarding, the run alone, PostgreSQL": {"database": "postgres"},
    "onboarding of 20 sessions, SQLite": {"database": "sqlite", "sessions": 20},
}
WHOLE = ("universe: the run", "portfolios: the run", "commit to last materialisation", "  worker started")


@click.command(help=__doc__)
@click.option("--ref", required=True, metavar="COMMIT", help="Commit, branch or tag to compare with.")
@click.option("--pairs", default=5, show_default=True, type=click.IntRange(1), help="How often each side runs.")
@click.option("--small", is_flag=True, help="Two small cases, to see that it works.")
@click.option("--case", "chosen", multiple=True, help="Only cases whose name contains this; repeatable.")
def main(ref: str, pairs: int, small: bool, chosen: tuple[str, ...]) -> None:
    """Measure and print a table in Markdown."""
    cases = {
        name: case
        for name, case in (SMALL if small else CASES).items()
        if not chosen or any(part in name for part in chosen)
    }
    try:
        with checked_out(ROOT, ref) as tree:
            rows = [row for name, case in cases.items() for row in _compared(name, case, tree, pairs)]
    except CompareError as error:
        sys.exit(f"error: {error}")
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    click.echo(f"\nmedians of {pairs} pairs, {ref} and this tree alternately; {machine}\n")
    click.echo(f"| case | {ref}: wall s | CPU s | this tree: wall s | CPU s | wall ratio | CPU ratio |")
    click.echo("|---|---|---|---|---|---|---|")
    for row in rows:
        click.echo(f"| {' | '.join(row)} |")


def _compared(name: str, case: Case, tree: Path, pairs: int) -> Iterator[list[str]]:
    """Yield a row for each phase that both sides have, then one against the floor where the case has one."""
    theirs, ours, floor = ([] for _ in range(3))
    for pair in range(pairs):
        click.echo(f"{name}, pair {pair + 1} of {pairs}", err=True)
        theirs.append(_measured(tree, *case))
        ours.append(_measured(ROOT, *case))
        if name in FLOORS:
            floor.append(_measured(ROOT, "floor", FLOORS[name]))
    for phase in WHOLE:
        if phase in ours[0] and phase in theirs[0]:
            yield _row(f"{name}: {phase.strip()}", [side[phase] for side in theirs], [side[phase] for side in ours])
    if floor:
        phase = "portfolios: the run"
        yield _row(f"{name}: Dagster's floor", [side[phase] for side in floor], [side[phase] for side in ours])


def _row(name: str, theirs: list[Measured], ours: list[Measured]) -> list[str]:
    def ratio(number: str) -> str:
        pairs = [(getattr(a, number), getattr(b, number)) for a, b in zip(theirs, ours, strict=True)]
        return f"{median(b / a for a, b in pairs):.2f}" if all(a for a, _ in pairs) else "-"

    sides = [
        f"{median(getattr(line, number) for line in side):.2f}" for side in (theirs, ours) for number in ("wall", "cpu")
    ]
    return [name, *sides, ratio("wall"), ratio("cpu")]


def _measured(tree: Path, case: str, arguments: Mapping[str, object]) -> dict[str, Measured]:
    """Run a case in a process with the code of a tree; return its lines by phase.

    Raises
    ------
    CompareError
        The case failed there.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(tree)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks", "--child", case, json.dumps(arguments)]
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise CompareError(f"{case} {json.dumps(arguments)} failed in {tree}; what it wrote is above")
    found: dict[str, Measured] = defaultdict()
    for line in json.loads(done.stdout.splitlines()[-1]):
        found[line["phase"]] = Measured(**line)
    return dict(found)


if __name__ == "__main__":
    main()
