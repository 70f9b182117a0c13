"""What a newcomer mistypes: each mistake is named, with what was expected, and nothing has happened."""

import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from rich.console import Console

from sigma_assets.base.tokens import opened_portfolio
from sigma_assets.cli.holdings.importing import understand
from sigma_assets.cli.terminal.printing import print_rows
from sigma_assets.holdings.reader import ReadOptions
from sigma_assets_tests.cli.files import HOLDINGS

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
     ("lots",), ("check", "--portfolio"), ("missing", "--portfolio")],
)  # fmt: skip
def test_an_unknown_portfolio_is_an_error_not_an_empty_table(sigma, portfolio_id, words):
    refused(sigma(*words, "nobody"), "nobody", "`sigma-assets portfolios` lists")


def test_an_export_that_cannot_be_written_says_where_and_why(sigma, portfolio_id, folder):
    (folder / "a_file").write_text("")

    refused(sigma("export", "betas", "-o", "no/such/folder.csv"), "no/such/folder.csv", "No such file or directory")
    refused(sigma("export", "betas", "-o", "a_file/x.csv"), "a_file/x.csv", "Not a directory")
    parquet = sigma("export", "betas", "--format", "parquet", "-o", "no/such/folder.parquet")
    refused(parquet, "no/such/folder.parquet", "directory")


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
    """The command's console took its width when it was made: hence a terminal of our own."""
    paper = io.StringIO()
    rows = json.loads(sigma("portfolios", "--json").stdout)
    lots = json.loads(sigma("lots", portfolio_id, "--json").stdout)

    for records in (rows, lots):
        shown = [{name: value for name, value in record.items() if value is not None} for record in records]
        print_rows(shown, paper=Console(width=80, file=paper, force_terminal=True, color_system=None))

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


@pytest.mark.parametrize(
    ("words", "kept", "days"), [((), "", 400), ((), "30", 30), (("--older-than", "9"), "30", 9)], ids=str
)
def test_how_long_what_is_superseded_is_kept_is_a_setting(sigma, portfolio_id, words, kept, days):
    record = json.loads(sigma("db", "prune", "--dry-run", "--json", *words, SIGMA_KEEP_DAYS=kept).stdout)

    expected = datetime.now(UTC) - timedelta(days=days)
    before = datetime.strptime(record["before"], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert abs(before - expected) < timedelta(minutes=10)
    assert record["deleted"] is False


def test_a_holdings_file_that_is_not_there_is_named(sigma, portfolio_id):
    refused(sigma("import", "nope.csv", "--name", "q", "--equity", "5"), "nope.csv: cannot be read (No such file")


def test_a_template_that_cannot_be_written_says_where_and_why(sigma, folder):
    refused(sigma("import", "--template", str(folder / "none" / "x.csv")), "x.csv: cannot be written (No such file")


def test_a_dry_run_refuses_the_portfolio_that_the_import_would_refuse(sigma, portfolio_id):
    given = ("--name", "Growth", "--equity", "abc", "--account-type", "foo")

    answer = sigma("import", "growth.csv", "--dry-run", *given)

    refused(answer, "ERR_PORT_001", "ERR_PORT_005", "ERR_PORT_009")
    assert sigma("import", "growth.csv", "--dry-run", "--name", "Other", "--equity", "5").exit_code == 0


def test_a_class_of_more_characters_than_a_line_of_csv_may_have_is_named(sigma, folder):
    (folder / "classes.csv").write_text(f"symbol,scheme,class\nAAPL,sector,{'x' * 200_000}\n")

    refused(sigma("classify", "classes.csv"), "classes.csv:2", "cells of at most 131,072 characters")


@pytest.mark.parametrize("option", ["--quantity", "--price", "--multiplier"])
def test_a_correction_is_bounded_as_a_file_is(sigma, portfolio_id, option):
    lot = json.loads(sigma("lots", portfolio_id, "--json").stdout)[0]["lot_id"]

    refused(sigma("correct", portfolio_id, lot, option, "1e300"), "1e+300; expected a number of less than")


def test_a_correction_has_no_more_decimals_than_a_file(sigma, portfolio_id):
    lot = json.loads(sigma("lots", portfolio_id, "--json").stdout)[0]["lot_id"]

    refused(
        sigma("correct", portfolio_id, lot, "--price", "69.14681999999999"), "69.14681999999999: more than 8 decimals"
    )


def test_no_lot_begins_before_its_portfolio(sigma, portfolio_id, folder):
    """What it has earned until then would be the first session's."""
    lot = json.loads(sigma("lots", portfolio_id, "--json").stdout)[0]["lot_id"]
    (folder / "earlier.csv").write_text(HOLDINGS.replace("2024-03-06", "2024-03-01"))
    bought = ("--symbol", "AAPL", "--quantity", "10", "--price", "180", "--date", "2024-03-01")

    answers = (
        sigma("trade", portfolio_id, *bought),
        sigma("correct", portfolio_id, lot, "--date", "2024-03-01"),
        sigma("sync", portfolio_id, "earlier.csv"),
    )

    for answer in answers:
        refused(answer, "entry on 2024-03-01; expected the portfolio's inception 2024-03-04 or later")


@pytest.mark.parametrize("amount", ["1000000000000.01", "-1e13", "inf", "nan", "0", "0.001"])
def test_a_flow_is_bounded_like_equity(sigma, portfolio_id, amount):
    refused(sigma("flow", portfolio_id, "2024-03-06", amount), "cash flow of", "1,000,000,000,000 USD")


def test_an_owners_link_opens_one_portfolio(sigma, portfolio_id):
    operator = "c2f1b6b0d1a84e5b9a7e3f60"
    link = sigma("token", portfolio_id, "--site", "https://risk.example/", SIGMA_STATUS_TOKEN=operator).stdout.strip()
    record = json.loads(sigma("token", portfolio_id, "--json", SIGMA_STATUS_TOKEN=operator).stdout)

    report = sigma("token", portfolio_id[:8], "--report", SIGMA_STATUS_TOKEN=operator).stdout.strip()

    assert link == f"https://risk.example/onboarding/{portfolio_id}#token={record['token']}"
    assert report == f"http://127.0.0.1:3001/portfolio/{portfolio_id}#token={record['token']}"
    assert opened_portfolio(operator, record["token"]) == portfolio_id
    assert operator not in link


@pytest.mark.parametrize("site", ["risk.example", "https://risk.example/portfolios", "ftp://risk.example", "https://"])
def test_a_link_that_would_lead_nowhere_is_refused(sigma, portfolio_id, site):
    """Pages work at the root of a host alone."""
    answer = sigma("token", portfolio_id, "--site", site, SIGMA_STATUS_TOKEN="c2f1b6b0d1a84e5b9a7e3f60")

    refused(answer, f"--site {site}: expected an address such as https://risk.example")


def test_a_link_that_would_protect_nothing_is_refused(sigma, portfolio_id):
    refused(sigma("token", portfolio_id), "SIGMA_STATUS_TOKEN is not set", "openssl rand -hex 24")
    refused(sigma("token", portfolio_id, SIGMA_STATUS_TOKEN="short"), "expected 24 or more")
    refused(sigma("token", "nobody", SIGMA_STATUS_TOKEN="c2f1b6b0d1a84e5b9a7e3f60"), "nobody")


def test_what_is_stored_is_its_owners_alone(sigma, portfolio_id, folder):
    """Holdings and run logs: home 0700; database, its journal and Dagster's files 0600, whatever the umask was."""
    before = os.umask(0o022)
    try:
        sigma("runs")
        made = [folder / "home", *(folder / "home").rglob("*")]
    finally:
        os.umask(before)

    assert [
        str(path) for path in (folder / "home", folder / "home" / "sigma.sqlite") if path.stat().st_mode & 0o077
    ] == []
    assert [path.name for path in made if path.suffix in (".db", ".sqlite-wal") and path.stat().st_mode & 0o077] == []


def test_a_foreign_listing_is_refused_until_its_prices_are_said_to_be_in_usd(sigma, portfolio_id, folder):
    (folder / "abroad.csv").write_text("Ticker,Shares,Purchase Price,Purchase Date\nVOD.L,100,0.9,2024-03-04\n")
    words = ("import", "abroad.csv", "--name", "Abroad", "--equity", "1000")

    refused(sigma(*words), "found 'VOD.L', expected prices in USD: `.L` is London, GBp", "`--usd`")

    assert "in doubt" in sigma(*words, "--dry-run").stdout
    assert sigma(*words, "--usd").exit_code == 0
    bought = sigma("trade", "Abroad", "--symbol", "VOD.L", "--quantity", "1", "--price", "0.9", "--date", "2024-03-05")
    assert bought.exit_code == 0, bought.output


def test_on_a_terminal_one_answer_counts_for_all_foreign_listings(folder):
    file = folder / "two.csv"
    file.write_text("Ticker,Shares,Price,Date\nVOD.L,100,0.9,2024-03-04\nSAP.DE,100,0.9,2024-03-04\n")

    with CliRunner().isolation(input="y\n") as (_, errors, _):
        holdings = understand(file, ReadOptions(), asks=True)

    assert holdings.lots["symbol"].tolist() == ["VOD.L", "SAP.DE"]
    shown = errors.getvalue().decode()
    assert "line 2: VOD.L: `.L` is London, GBp: are the numbers in the file in USD?" in shown
    assert "line 3: SAP.DE: `.DE` is Germany, EUR" in shown
