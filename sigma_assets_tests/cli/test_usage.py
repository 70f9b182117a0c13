"""What a newcomer mistypes: each mistake is named, with what was expected, and nothing has happened."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from sigma_assets.cli.terminal.printing import table

TOMORROW = str(datetime.now(UTC).date() + timedelta(days=1))
INCEPTION = "2024-03-04"


@pytest.fixture(scope="module")
def portfolio_id(sigma) -> str:
    answer = sigma("import", "growth.csv", "--name", "Growth", "--equity", "250000")
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout.strip()


def refused(answer, *found: str) -> None:
    """Assert that a command was refused as bad usage, with these words and no traceback."""
    assert answer.exit_code == 2, answer.output
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert [words for words in found if words not in answer.stderr] == []
    assert answer.stdout == ""


@pytest.mark.parametrize("words", [("run",), ("check",), ("export", "betas")])
def test_a_range_that_ends_before_it_starts_is_refused(sigma, portfolio_id, words):
    answer = sigma(*words, "--start", "2024-03-12", "--end", "2024-03-11")

    refused(answer, "'--end'", "2024-03-11 is before --start 2024-03-12")


@pytest.mark.parametrize("words", [("run",), ("check",), ("export", "betas")])
def test_a_range_in_the_future_is_refused(sigma, portfolio_id, words):
    refused(sigma(*words, "--start", TOMORROW), "'--start'", f"{TOMORROW} is in the future")


def test_a_range_of_one_day_is_a_range(sigma, portfolio_id):
    answer = sigma("export", "betas", "--start", "2024-03-12", "--end", "2024-03-12")

    assert (answer.exit_code, answer.stdout.split(",")[0]) == (0, "portfolio_id")


@pytest.mark.parametrize(
    "words",
    [("export", "betas", "--portfolio"), ("export", "market_prices", "--portfolio"), ("runs", "--portfolio"),
     ("positions",), ("check", "--portfolio"), ("missing", "--portfolio")],
)  # fmt: skip
def test_an_unknown_portfolio_is_an_error_not_an_empty_table(sigma, portfolio_id, words):
    refused(sigma(*words, "nobody"), "nobody", "`sigma-assets portfolios` lists")


def test_an_export_that_cannot_be_written_says_where_and_why(sigma, portfolio_id, folder):
    (folder / "a_file").write_text("")

    refused(sigma("export", "betas", "-o", "no/such/folder.csv"), "no/such/folder.csv", "No such file or directory")
    refused(sigma("export", "betas", "-o", "a_file/x.csv"), "a_file/x.csv", "Not a directory")
    parquet = sigma("export", "betas", "--format", "parquet", "-o", "no/such/folder.parquet")
    refused(parquet, "no/such/folder.parquet")


@pytest.mark.parametrize("day", [TOMORROW, INCEPTION, "2020-01-05"])
def test_a_flow_that_could_not_count_is_refused(sigma, portfolio_id, day):
    """A flow up to the inception is in the initial equity (SPEC 4.3: flows with date in (inception, d])."""
    refused(
        sigma("flow", portfolio_id, day, "100"), f"cash flow on {day}", f"after the portfolio's inception {INCEPTION}"
    )


def test_a_flow_on_the_day_after_the_inception_is_taken(sigma, portfolio_id):
    assert sigma("flow", portfolio_id, "2024-03-05", "100").exit_code == 0


def test_json_has_numbers_where_the_table_has_separators(sigma, portfolio_id):
    (row,) = json.loads(sigma("portfolios", "--json").stdout)

    assert row["initial_equity_usd"] == 250_000
    assert "250,000.00" in sigma("portfolios").stdout


def test_ids_can_be_copied_from_a_narrow_terminal(sigma, portfolio_id):
    """The command's console took its width when it was made: hence the tables on a console of our own."""
    paper = io.StringIO()
    rows = json.loads(sigma("portfolios", "--json").stdout)
    lots = json.loads(sigma("positions", portfolio_id, "--json").stdout)

    for records in (rows, lots):
        shown = [{name: value for name, value in record.items() if value is not None} for record in records]
        Console(width=80, file=paper).print(table(shown))

    assert portfolio_id in paper.getvalue()
    assert [lot["lot_id"] for lot in lots if lot["lot_id"] not in paper.getvalue()] == []


@pytest.mark.parametrize(
    "words", [("portfolios",), ("runs",), ("missing",), ("import", "growth.csv", "--name", "x", "--equity", "1")]
)
def test_a_home_that_is_no_folder_is_named(sigma, folder, words):
    (folder / "a_file").write_text("")

    answer = sigma(*words, DAGSTER_HOME=str(folder / "a_file"))

    refused(answer, f"DAGSTER_HOME={folder / 'a_file'} cannot be used", "expected a folder")


@pytest.mark.parametrize("command", ["upgrade", "current", "check"])
def test_database_commands_speak_json(sigma, portfolio_id, folder, command):
    record = json.loads(sigma("db", command, "--json").stdout)

    assert record["database"] == f"SQLite {folder / 'home' / 'sigma.sqlite'}"
    assert int(record["schema"]) >= 2
