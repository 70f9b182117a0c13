"""How results are shown: a table for people, JSON for programs."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNBOUNDED = 100_000
"""Columns of what is piped or written to a file: nothing is cut or wrapped there."""
DAY = re.compile(r"\d{4}-\d\d-\d\d")
FORMATTED = re.compile(r"[+-]?[\d,]+(\.\d+)?( %)?|-")
"""A number in words: `+1,234.50`, `12.3 %`; or that there is none."""

console = Console(width=None if Console().is_terminal else 110)
errors = Console(stderr=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@contextmanager
def after(done: str) -> Iterator[None]:
    """Add to whatever fails in the block what is done already, and stays: else people would do it again."""
    try:
        yield
    except Exception as error:  # whatever it is: it goes on, with a note
        error.add_note(done)
        raise


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, nothing: str = "nothing to show") -> None:
    """Print rows as a table, or as a JSON array."""
    if as_json:
        click.echo(json.dumps(list(rows), default=_plain, indent=2))
    elif rows:
        print_rows(rows)
    else:
        console.print(nothing)


def print_rows(rows: Sequence[Mapping[str, Any]], title: str = "", paper: Console = console) -> None:
    """Print rows as a table that cuts no number, date or id: one field per line where they do not fit side by side."""
    shown = table(rows, title)
    if not paper.is_terminal:
        Console(file=paper.file, width=UNBOUNDED).print(shown)
        return
    if Measurement.get(paper, paper.options.update(width=UNBOUNDED), shown).minimum <= paper.width:
        paper.print(shown)
        return
    if title:
        paper.print(title, style="bold")
    names = max(len(name) for name in rows[0])
    for row in rows:
        for name, value in row.items():
            paper.print(f"{name:<{names}}  {_cell(value)}", markup=False, highlight=False, soft_wrap=True)
        paper.print()


def program() -> str:
    """Return what to type for this command: its name if it is found by it, else its path from here."""
    script = Path(sys.executable).parent / "sigma-assets"
    found = shutil.which("sigma-assets")
    if found is not None and Path(found).resolve() == script.resolve():
        return "sigma-assets"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def show_one(record: Mapping[str, Any], *, as_json: bool, sentence: str) -> None:
    """Print a sentence, or the record as a JSON object."""
    click.echo(json.dumps(dict(record), default=_plain, indent=2) if as_json else sentence)


def table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """Return rows as a rich table; numbers to the right."""
    columns = list(rows[0])
    shown = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    for column in columns:
        numeric = all(_is_number(row[column]) for row in rows)
        is_one = (
            numeric
            or column.endswith("_id")
            or column in ("symbol", "Symbol")
            or all(_is_day(row[column]) for row in rows)
        )  # in one piece
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=is_one)
    for row in rows:
        shown.add_row(*(_cell(row[column]) for column in columns))
    return shown


def formatted(rows: Iterable[Mapping[str, Any]], **formats: Callable[[Any], str]) -> list[dict[str, Any]]:
    """Return rows with some columns formatted; missing values stay missing."""
    return [
        {
            name: formats[name](value) if name in formats and value is not None and value == value else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float) or bool(FORMATTED.fullmatch(str(value)))


def _is_day(value: Any) -> bool:
    return value is None or isinstance(value, date) or bool(DAY.match(str(value)))


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.2f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"cannot print {type(value).__name__} as JSON")
