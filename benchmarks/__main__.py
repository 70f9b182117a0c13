"""`python -m benchmarks`: a few minutes; `--full`: SPEC section 8 and the scaling, about an hour on a busy machine."""

import argparse
import json
import os
import platform
from datetime import UTC, datetime

from benchmarks.measuring import Measured, report, table


def main() -> None:
    """Measure and print a table; or, as a child, measure one case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of SPEC section 8, and the scaling")
    parser.add_argument("--child", nargs=2, metavar=("CASE", "ARGUMENTS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(*arguments.child)
        return
    from benchmarks.suite import full, quick

    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    _say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}")
    _say("CPU s: the process and its children (database server, run workers); wall s depends on who else is busy.\n")
    for lines, remarks in full() if arguments.full else quick():
        _say(table(lines))
        _say("\n".join(["", *remarks, ""]))


def _child(case: str, arguments: str) -> None:
    if case == "numerics":
        from benchmarks.numerics import numerics as measure
    elif case == "naive":
        from benchmarks.naive import naive as measure
    elif case == "end_to_end":
        from benchmarks.end_to_end import end_to_end as measure
    elif case == "night_workers":
        from benchmarks.night_workers import night_workers as measure
    elif case == "floor":
        from benchmarks.floor import floor as measure
    else:
        from benchmarks.cases import CASES

        measure = CASES[case]
    lines: list[Measured] = measure(**json.loads(arguments))
    _say(report(lines))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
