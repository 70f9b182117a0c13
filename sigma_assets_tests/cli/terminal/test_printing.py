"""What is printed can be read in 80 columns, pasted, and piped."""

import io
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from sigma_assets.cli.terminal.printing import print_rows, program

ROW = {
    "portfolio_id": "0d9b04a4-138f-4846-8c91-c653bc1fecb2",
    "name": "A name of several words that may be wrapped at its spaces",
    "equity": 1234567890.12,
    "cash": -987654321.09,
    "session": date(2026, 1, 8),
    "asked": "2026-01-09 21:14:03",
}
WHOLE = ("0d9b04a4-138f-4846-8c91-c653bc1fecb2", "1,234,567,890.12", "-987,654,321.09", "2026-01-08")


@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
@pytest.mark.parametrize("columns", [3, 4, 5, 6])
def test_a_terminal_cuts_no_number_date_or_id(width, columns):
    """Side by side where there is room, else one field per line."""
    paper = io.StringIO()
    row = dict(list(ROW.items())[:columns])

    print_rows([row, row], "Title", Console(file=paper, width=width, force_terminal=True, color_system=None))

    shown = paper.getvalue()
    assert [text for text, _ in zip(WHOLE, range(columns), strict=False) if text not in shown and columns > 4] == []
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert WHOLE[0] in shown
    assert shown.count("1,234,567,890.12") == 2


def test_what_is_piped_is_one_line_per_row():
    paper = io.StringIO()
    row = ROW | {"message": "word " * 100}

    print_rows([row, row], paper=Console(file=paper, width=80))

    assert [len(line.split()) > 100 for line in paper.getvalue().splitlines()] == [False, True, True]


def test_the_command_that_is_printed_is_one_that_runs(monkeypatch, tmp_path):
    """Without an activated environment `sigma-assets` is not on the PATH."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    answer = subprocess.run(f"{program()} --version", shell=True, capture_output=True, text=True, check=False)
    assert "version" in answer.stdout, answer.stderr

    monkeypatch.chdir(Path(sys.executable).parents[2])
    assert program() == f"{Path(sys.executable).parents[1].name}/bin/sigma-assets"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin")
    assert program() == "sigma-assets"
