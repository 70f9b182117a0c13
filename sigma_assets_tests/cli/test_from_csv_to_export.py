"""The way of a user: from a holdings file to exported numbers, through the real command, in order."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.reports.numbers import known_symbols
from sigma_assets.settings import read_settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import FAMILIES
from sigma_assets_tests.cli.files import BAD_HOLDINGS


@pytest.fixture(scope="module")
def portfolio_id(terminal) -> str:
    answer = terminal("import", "growth.csv", "--name", "Growth", "--equity", "250000", "--account-type", "ira")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.fixture(scope="module")
def done(terminal, portfolio_id) -> list[dict]:
    answer = terminal("run", "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_an_imported_portfolio_is_listed_with_what_was_typed(sigma, portfolio_id):
    (row,) = json.loads(sigma("portfolios", "--json").stdout)

    assert (row["portfolio_id"], row["name"], row["account_type"]) == (portfolio_id, "Growth", "ira")
    assert row["inception"] == "2024-03-04"


def test_classify_says_which_symbols_nobody_holds(sigma, folder, portfolio_id):
    (folder / "classes.csv").write_text("symbol,scheme,class\naapl,sector,Tech\nBRK-B,sector,Financials\n")

    found = json.loads(sigma("classify", "classes.csv", "--json").stdout)
    words = sigma("classify", "classes.csv").output

    assert (found["symbols"], found["never_held"]) == (2, ["BRK.B"])
    assert "no portfolio has ever held 1 of them: BRK.B" in words


def test_positions_show_the_lots_as_entered(sigma, portfolio_id):
    rows = json.loads(sigma("lots", portfolio_id, "--json").stdout)

    assert {(row["symbol"], row["quantity"], row["entry_date"]) for row in rows} == {
        ("AAPL", 100.0, "2024-03-04"),
        ("MSFT", 50.0, "2024-03-04"),
        ("SPY", 40.0, "2024-03-06"),
        ("VFIAX", 60.0, "2024-03-04"),
    }


def test_run_brings_everything_up_to_date_and_then_finds_nothing_missing(sigma, portfolio_id, done):
    assert {run["status"] for run in done} == {"done"}
    assert json.loads(sigma("missing", "--json").stdout) == []
    assert "nothing is missing; newest price" in sigma("run").stdout
    assert (
        "nothing is missing from 2024-03-14 to 2024-03-15; "
        in sigma("run", "--start", "2024-03-14", "--end", "2024-03-15").stdout
    )


@pytest.mark.parametrize("asset", list(FAMILIES))
def test_every_asset_can_be_exported(sigma, done, asset):
    answer = sigma("export", asset)

    rows = pd.read_csv(io.StringIO(answer.stdout))
    assert answer.exit_code == 0, answer.stderr
    assert len(rows)
    assert rows["session"].max() == "2024-03-15"


def test_exported_equity_is_the_hand_made_sum_of_exported_positions(sigma, portfolio_id, done):
    """Equity = initial equity - cost + market value, without dividends in these two weeks of the simulated market."""
    snapshots = json.loads(sigma("export", "portfolio_snapshots", "--format", "json").stdout)
    positions = pd.DataFrame(json.loads(sigma("export", "position_values", "--format", "json").stdout))

    last = snapshots[-1]
    today = positions[positions["session"] == "2024-03-15"]
    cost = 100 * 180.5 + 50 * 410 + 40 * 500.25 + 60 * 450
    dividends = sum(row["dividend_income"] for row in snapshots)
    assert last["equity"] == pytest.approx(250_000 - cost + today["market_value"].sum() + dividends, rel=1e-12)
    assert len(snapshots) == 10


def test_exports_take_a_portfolio_a_range_and_a_file(sigma, folder, portfolio_id, done):
    file = folder / "betas.parquet"

    answer = sigma(
        "export", "betas_by_position", "--portfolio", portfolio_id, "--start", "2024-03-14", "--end", "2024-03-14",
        "--format", "parquet", "-o", str(file),
    )  # fmt: skip

    assert answer.exit_code == 0, answer.stderr
    rows = pd.read_parquet(file)
    assert rows.attrs["price_source"] == "simulated"
    assert set(rows["symbol"]) == {"AAPL", "MSFT", "SPY", "VFIAX"}
    assert rows["session"].nunique() == 1


def test_symbol_factors_are_exported_one_row_per_factor(sigma, done):
    rows = pd.read_csv(io.StringIO(sigma("export", "symbol_factors", "--start", "2024-03-15").stdout))

    spy = rows[(rows["symbol"] == "SPY") & (rows["factor"] == "market")].iloc[0]
    assert spy["beta"] == pytest.approx(1.0)
    assert spy["observations"] == 90
    assert rows["factor"].nunique() == 12


def test_history_and_status_tell_what_ran(sigma, portfolio_id, done):
    runs = json.loads(sigma("runs", "--json").stdout)
    status = json.loads(sigma("status", portfolio_id, "--json").stdout)

    scoped = next(run for run in runs if run["portfolio_ids"])
    assert (scoped["status"], scoped["source"], scoped["portfolio_ids"]) == ("success", "admin", [portfolio_id])
    assert scoped["cells_done"] == scoped["cells_total"] == 12 * 10
    assert set(scoped["asset_seconds"]) >= {"betas", "volatility", "correlations"}
    assert (status["state"], status["target"]) == ("up to date", "2024-03-15")


def test_the_report_says_what_the_export_says(sigma, folder, portfolio_id, done):
    """By name, of the last session and of another one, for a reader, for a program, and as a file."""
    rows = json.loads(sigma("export", "portfolio_snapshots", "--format", "json").stdout)
    equities = {row["session"]: row["equity"] for row in rows}
    newest, earlier = (json.loads(sigma("report", "Growth", "--json", *more).stdout) for more in ((), EARLIER))

    assert (newest["session"], newest["snapshot"]["equity"]) == ("2024-03-15", equities["2024-03-15"])
    assert (earlier["session"], earlier["snapshot"]["equity"]) == (EARLIER[1], equities[EARLIER[1]])
    assert {point["session"]: point["equity"] for point in newest["series"]} == equities
    assert {holding["symbol"] for holding in newest["holdings"]} == {"AAPL", "MSFT", "SPY", "VFIAX"}
    shown = sigma("report", portfolio_id[:8])
    assert shown.exit_code == 0, shown.output
    assert "simulated" in shown.stdout
    assert f"{equities['2024-03-15']:,.0f}" in shown.stdout
    assert sigma("report", "Growth", "--html", "growth.html").exit_code == 0
    assert f"{equities['2024-03-15']:,.0f}" in (folder / "growth.html").read_text()


EARLIER = ("--session", "2024-03-13")


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (("--session", "2024-03-16"), 1, "nothing is stored for 2024-03-16; expected a session from 2024-03-04"),
        (("--html", "x.html", "--json"), 2, "choose one"),
        (("--html", "no/such/folder/x.html"), 1, "no/such/folder/x.html: cannot be written"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(sigma, done, words, code, found):
    answer = sigma("report", "Growth", *words)

    assert (answer.exit_code, found in " ".join(answer.stderr.split())) == (code, True), answer.stderr


def test_run_ends_with_a_line_per_portfolio(sigma, portfolio_id, done):
    """Equity, day, volatility and warnings, as they are stored; not between the brackets of JSON."""
    (snapshot,) = json.loads(sigma("export", "portfolio_snapshots", "--start", "2024-03-15", "--format", "json").stdout)
    (volatility,) = json.loads(sigma("export", "volatility", "--start", "2024-03-15", "--format", "json").stdout)

    line = next(line for line in sigma("run").stdout.splitlines() if line.startswith("Growth, "))

    assert line.startswith(f"Growth, 2024-03-15: {snapshot['equity']:,.0f} USD, day {snapshot['daily_pnl']:+,.0f} (")
    assert f" volatility {100 * volatility['realized_63d']:.1f} %, " in line
    assert line.endswith(("warning", "warnings"))
    assert json.loads(sigma("run", "--json").stdout) == []


def test_a_shell_completes_portfolios_by_name_or_by_id(sigma, portfolio_id, done):
    """A name that the shell would split is completed by its id."""

    def completed(*words: str) -> list[str]:
        typed = {"COMP_WORDS": " ".join(("sigma-assets", *words)), "COMP_CWORD": str(len(words))}
        return sigma(_SIGMA_ASSETS_COMPLETE="bash_complete", **typed).stdout.split()

    assert completed("report", "gro") == ["plain,Growth"]
    assert completed("report", portfolio_id[:4]) == ["plain,Growth"]
    assert completed("report", "other") == []
    assert sigma("rename", portfolio_id, "Two words").exit_code == 0
    assert completed("report", "two") == [f"plain,{portfolio_id[:8]}"]
    assert sigma("rename", portfolio_id, "Growth").exit_code == 0


def test_a_piped_report_has_no_line_that_was_broken(sigma, done):
    text = sigma("report", "Growth").stdout

    assert (
        "Market beta; contributions to realised volatility (63 sessions, per year) and to the shortfall (95 %) of a day."
        in text
    )
    assert "…" not in text


def test_a_flow_changes_the_sessions_from_its_day_on(sigma, portfolio_id, done):
    assert sigma("flow", portfolio_id, "2024-03-13", "-5000").exit_code == 0

    answer = sigma("run", "--portfolio", portfolio_id, "--force", "--start", "2024-03-12")

    assert answer.exit_code == 0, answer.stderr
    rows = pd.DataFrame(json.loads(sigma("export", "portfolio_snapshots", "--format", "json").stdout))
    flows = rows.set_index("session")["capital_flow"]
    assert flows["2024-03-13"] == -5000
    assert flows.drop("2024-03-13").eq(0).all()


def test_a_bad_file_names_every_problem_and_imports_nothing(sigma, folder, portfolio_id):
    (folder / "bad.csv").write_text(BAD_HOLDINGS)

    answer = sigma("import", "bad.csv", "--name", "Growth", "--equity", "0")

    assert answer.exit_code == 2
    codes = ("ERR_POS_005", "ERR_POS_001", "ERR_POS_013", "ERR_PORT_001", "ERR_PORT_005")
    assert all(code in answer.stderr for code in codes), answer.stderr
    assert "bad.csv:2: column Quantity: found 'ten'" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(json.loads(sigma("portfolios", "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("run", "--portfolio", "nobody"), "no active portfolio nobody"),
        (("status", "nobody"), "no active portfolio nobody"),
        (("remove", "nobody"), "nobody"),
        (("export", "everything"), "'everything' is not one of"),
        (("export", "betas", "--format", "parquet"), "parquet needs a file"),
        (("flow", "Growth", "2024-13-01", "5"), "2024-13-01"),
        (("frobnicate",), "No such command"),
    ],
)
def test_bad_usage_says_what_is_wrong_and_returns_2(sigma, done, words, found):
    answer = sigma(*words)

    assert answer.exit_code == 2
    assert found in answer.stderr
    assert "Traceback" not in answer.stderr


def test_bad_settings_are_refused_before_anything_happens(sigma):
    answer = sigma("portfolios", SIGMA_CUTOFF="teatime", SIGMA_FACTOR_WINDOW="few")

    assert answer.exit_code == 2
    assert "SIGMA_CUTOFF='teatime'" in answer.stderr
    assert "SIGMA_FACTOR_WINDOW='few'" in answer.stderr


def test_settings_are_shown_without_secrets(sigma):
    answer = sigma("settings", "--json", MASSIVE_API_KEY="s3cret-key")

    shown = {row["variable"]: row["value"] for row in json.loads(answer.stdout)}
    assert shown["SIGMA_PRICES"] == "simulated:last=2024-03-15"
    assert shown["MASSIVE_API_KEY"] == "(set)"
    assert "s3cret-key" not in answer.stdout + answer.stderr


def test_z_a_removed_portfolio_is_gone_and_its_numbers_stay(sigma, portfolio_id, done):
    assert sigma("remove", portfolio_id).exit_code == 0

    assert json.loads(sigma("portfolios", "--json").stdout) == []
    assert "Growth" not in sigma("portfolios").stdout
    assert portfolio_id in sigma("export", "portfolio_snapshots").stdout


def test_exported_json_holds_every_bit_and_no_nan(sigma, folder, done):
    """17 significant digits bring a double back; Parquet holds its bits, so it is the witness."""
    for table in ("betas_by_position", "symbol_factors", "volatility", "position_values"):
        text = sigma("export", table, "--format", "json").stdout
        assert sigma("export", table, "-o", "witness.parquet").exit_code == 0

        witness = pd.read_parquet(folder / "witness.parquet")
        rows = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        for column in witness.select_dtypes("float64"):
            told = np.array([np.nan if row[column] is None else row[column] for row in rows], dtype="float64")
            np.testing.assert_array_equal(told, witness[column].to_numpy(), err_msg=f"{table}.{column}")


@pytest.mark.parametrize(
    ("name", "start"), [("x.parquet", b"PAR1"), ("x.PQ", b"PAR1"), ("x.json", b"["), ("x.csv", b"portfolio_id,")]
)
def test_the_name_of_the_file_says_its_format(sigma, folder, done, name, start):
    assert sigma("export", "betas", "-o", name).exit_code == 0

    assert (folder / name).read_bytes().startswith(start)


def test_a_file_name_that_says_no_format_asks_for_one(sigma, folder, done):
    answer = sigma("export", "betas", "-o", "x.xlsx")

    assert answer.exit_code == 2
    assert ".csv, .json, .parquet" in answer.stderr
    assert not (folder / "x.xlsx").exists()
    assert sigma("export", "betas", "--format", "csv", "-o", "x.txt").exit_code == 0


def test_an_export_of_one_portfolio_has_the_symbols_that_its_coverage_counts(sigma, portfolio_id, done):
    """Four holdings and the seventeen ETFs, of which SPY is held: 20."""
    exported = sigma("export", "market_prices", "--portfolio", portfolio_id)
    counted = json.loads(sigma("export", "price_coverage", "--portfolio", portfolio_id, "--format", "json").stdout)

    symbols = set(pd.read_csv(io.StringIO(exported.stdout))["symbol"])

    assert symbols == {"AAPL", "MSFT", "VFIAX", *FACTOR_ETFS}
    assert len(symbols) == counted[-1]["needed"]


def test_an_etf_that_was_configured_is_a_symbol_of_every_portfolio(folder, portfolio_id, done):
    configured = read_settings({"DAGSTER_HOME": str(folder / "home"), "SIGMA_FACTOR_ETFS": "low_volatility=SPLV"})
    database = Database(configured.database)

    symbols = known_symbols(database, configured, [portfolio_id])

    assert symbols >= {"SPLV", "USMV", "AAPL"}
    database.dispose()
