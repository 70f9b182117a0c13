"""A price source that fails, or that ends too early: the command says so, and the history keeps it."""

import json
import sqlite3
from datetime import date
from pathlib import Path

import pytest

from sigma_assets.settings import Settings

PRICES = "date,symbol,close\n2024-01-02,AAA,10\n2024-01-03,AAA,11\n"
LOTS = "Symbol,Quantity,Entry Price Per Share,Entry Date\nAAA,10,10,2024-03-01\n"


@pytest.fixture(scope="module")
def late(sigma, folder: Path, variables: dict[str, str]):
    """Return the command where one portfolio begins two months after the last price."""
    (folder / "prices.csv").write_text(PRICES)
    (folder / "lots.csv").write_text(LOTS)
    place = {"DAGSTER_HOME": str(folder / "late"), "SIGMA_PRICES": f"files:{folder / 'prices.csv'}"}
    imported = sigma("import", "lots.csv", "--name", "late", "--equity", "1000", **place)
    assert imported.exit_code == 0, imported.output

    def run(*words: str, **more: str):
        return sigma(*words, **(place | more))

    return run


def test_a_source_that_ends_before_a_portfolio_begins_is_said(late):
    """v0.1 said "nothing is missing", and raised IndexError later on."""
    for command in ("run", "missing"):
        answer = late(command)

        assert answer.exit_code == 0, answer.output
        assert "late: begins on 2024-03-01, but the price source ends on 2024-01-03" in answer.output
        assert "no prices yet" in answer.output


def test_a_portfolio_that_begins_in_the_future_is_no_fault_of_the_price_source(late, monkeypatch):
    monkeypatch.setattr(Settings, "current_session", lambda _: date(2024, 1, 3))

    answer = late("missing")

    assert (
        "late: begins on 2024-03-01, and the current session is 2024-01-03: nothing can be computed yet"
        in answer.output
    )
    assert "SIGMA_PRICES" not in answer.output


def test_a_portfolio_without_any_session_is_not_up_to_date(late):
    """0 of 0 sessions were done, and so `status` said `up to date`, and `run` and `missing` that nothing is missing."""
    status, computed, missing = late("status", "late"), late("run"), late("missing")

    assert "up to date" not in status.output
    assert "nothing computed yet" in status.output
    assert "symbols have prices" not in status.output
    for answer in (computed, missing):
        assert "nothing is missing" not in answer.output
        assert "no session that can be computed is missing" in answer.output


def test_a_range_before_the_inception_is_refused(late):
    """v0.1 succeeded with nothing done."""
    answer = late("run", "--start", "2024-01-02", "--end", "2024-02-01")

    assert answer.exit_code != 0
    assert "begins on 2024-03-01" in f"{answer.output}{answer.exception}"


def test_a_failing_price_source_leaves_a_failed_run_in_the_history(late, folder: Path):
    """v0.1 printed the error, and the history knew of nothing."""
    (folder / "broken.csv").write_text(PRICES + "2024-01-04,AAA,-1\n")

    answer = late("run", SIGMA_PRICES=f"files:{folder / 'broken.csv'}")

    (kept,) = json.loads(late("runs", "--json").stdout)
    assert answer.exit_code != 0
    assert "broken.csv:4: column close: found '-1'" in f"{answer.output}{answer.exception}"
    assert kept["status"].lower() in ("failed", "failure")
    assert "broken.csv:4" in kept["failures"][0]["message"]


def test_a_step_that_fails_says_why_at_once(late, folder: Path):
    """It said "Execution of step symbol_metrics failed", and one had to look for the reason elsewhere."""
    place = {"DAGSTER_HOME": str(folder / "failing"), "SIGMA_PRICES": "simulated:last=2024-03-15"}
    assert late("import", "lots.csv", "--name", "failing", "--equity", "1000", **place).exit_code == 0
    with sqlite3.connect(folder / "failing" / "sigma.sqlite") as connection:
        words = "CREATE TRIGGER broken BEFORE INSERT ON symbol_metrics BEGIN SELECT RAISE(ABORT, 'no [red] today'); END"
        connection.execute(words)

    answer = late("run", **place)

    assert answer.exit_code == 1
    (said,) = [line for line in answer.stderr.splitlines() if line.startswith("  symbol_metrics failed: ")]
    assert "no [red] today" in said
