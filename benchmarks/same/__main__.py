"""`python -m benchmarks.same --ref COMMIT`: does this tree store and export the same numbers as that commit?

Plays the same histories with the code of COMMIT and with the code of this tree, changes not yet committed included, each
in a fresh DAGSTER_HOME, and compares every table of the database and every export, byte for byte. Exit code 0: the same;
1: something differs; 2: it could not be compared.
"""

import signal
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import click

from benchmarks.measuring import ROOT
from benchmarks.same.comparing import (
    STAMPS,
    CompareError,
    Table,
    check_renames,
    compare,
    labelled,
    labels,
    names_of,
    read_csv,
    read_database,
    renamed,
    without_columns,
)
from benchmarks.same.histories import History, histories
from benchmarks.same.sides import Side, checked_out, copy_tree

CLOSE = time(16, 30)
LONGEST = 400
"""Characters of a differing row that are shown."""


@click.command(help=__doc__)
@click.option("--ref", required=True, metavar="COMMIT", help="Commit, branch or tag to compare with.")
@click.option("--history", "chosen", multiple=True, help="Only this history; repeatable.")
@click.option(
    "--renamed", "renames", multiple=True, metavar="OLD=NEW", help="A table or column (or TABLE.COLUMN); repeatable."
)
@click.option("--leave-out", multiple=True, metavar="COLUMN", help="Do not compare this column; repeatable.")
@click.option("--strict", is_flag=True, help="A table, column or export on one side only is a failure.")
def main(ref: str, chosen: tuple[str, ...], renames: tuple[str, ...], leave_out: tuple[str, ...], strict: bool) -> None:
    """Play, compare, print, exit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worktree is removed
    try:
        names = _renames(renames)
        wanted = _chosen(chosen)
        with checked_out(ROOT, ref) as tree, tempfile.TemporaryDirectory(prefix="sigma_same_") as folder:
            copy_tree(ROOT, Path(folder) / "tree")
            differences = [_history(each, tree, Path(folder), names, leave_out, strict) for each in wanted]
    except CompareError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    total = sum(differences)
    click.echo(f"{total} differences" if total else f"no difference between {ref} and this tree")
    sys.exit(1 if total else 0)


def _renames(pairs: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        old, separator, new = pair.partition("=")
        if not separator or not old or not new:
            raise CompareError(f"--renamed {pair}: expected OLD=NEW")
        names[old] = new
    return names


def _chosen(names: tuple[str, ...]) -> list[History]:
    known = {history.name: history for history in histories()}
    for name in names:
        if name not in known:
            raise CompareError(f"--history {name}: no such history; expected {', '.join(known)}")
    return [known[name] for name in names or known]


def _history(
    history: History, tree: Path, folder: Path, names: Mapping[str, str], leave_out: tuple[str, ...], strict: bool
) -> int:
    """Play a history on both sides at once, print what differs, and return how many tables and exports do."""
    if history.skipped:
        click.echo(f"{history.name}: skipped: {history.skipped}")
        return 0
    began, market_day = monotonic(), _market_day()
    sides = (
        Side("old code", tree, folder / history.name / "old"),
        Side("this tree", folder / "tree", folder / history.name / "new"),
    )
    for side in sides:
        side.prepare(history.settings)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(history.play, sides))
        assets = list(pool.map(Side.exportable, sides))
        both = [asset for asset in assets[0] if asset in assets[1]]
        printed = list(pool.map(Side.exports, sides, [both, both]))
    if history.depends_on_today and _market_day() != market_day:
        raise CompareError(
            f"{history.name}: the market's session changed meanwhile, and with it the prices: start again"
        )
    click.echo(f"{history.name}: played on both sides in {monotonic() - began:.0f} s")
    old, new = (read_database(side.database) for side in sides)
    exports_old, exports_new = ({asset: read_csv(text) for asset, text in each.items()} for each in printed)
    check_renames(names, names_of(old) | names_of(exports_old), names_of(new) | names_of(exports_new))
    old, exports_old = renamed(old, names), renamed(exports_old, names)
    labels_old, labels_new = labels(old, new), labels(new, old)
    dropped = {*STAMPS, *leave_out}
    count = _compare_all("table", _ready(old, labels_old, dropped), _ready(new, labels_new, dropped), strict)
    for asset in sorted({*assets[0]} ^ {*assets[1]}):
        click.echo(f"  export {asset}: only in {'this tree' if asset in assets[1] else 'the old code'}")
        count += strict
    exports = _ready(exports_old, labels_old, dropped), _ready(exports_new, labels_new, dropped)
    return count + _compare_all("export", *exports, strict)


def _ready(tables: Mapping[str, Table], names: Mapping[str, str], dropped: set[str]) -> dict[str, Table]:
    return {name: labelled(without_columns(table, dropped), names) for name, table in tables.items()}


def _compare_all(kind: str, old: Mapping[str, Table], new: Mapping[str, Table], strict: bool) -> int:
    """Print a line per table and return how many of them differ."""
    count = 0
    for name in sorted({*old, *new}):
        if name not in old or name not in new:
            click.echo(f"  {kind} {name}: only in {'this tree' if name in new else 'the old code'}")
            count += strict
            continue
        mine, yours = set(old[name].columns), set(new[name].columns)
        alone = [f"{each} only in the old code" for each in sorted(mine - yours)]
        alone += [f"{each} only in this tree" for each in sorted(yours - mine)]
        difference = compare(old[name], new[name])
        if difference is None:
            outcome = f"same, {len(new[name].rows)} rows"
        else:
            outcome = f"{difference.rows} rows of {len(new[name].rows)} differ, the first: {difference.first[:LONGEST]}"
        click.echo(f"  {kind} {name}: {'; '.join([outcome, *alone])}")
        count += difference is not None or (strict and bool(alone))
    return count


def _market_day() -> tuple[date, bool]:
    """Return the day in New York, and whether its closes are due."""
    now = datetime.now(ZoneInfo("America/New_York"))
    return now.date(), now.time() >= CLOSE


if __name__ == "__main__":
    main()
