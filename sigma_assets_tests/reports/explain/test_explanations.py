"""Every stored number is explained: computed again it is the same to the last bit, and its formula filled in is it, too."""

import re
import shlex
import struct
from datetime import UTC, datetime
from math import isclose
from pathlib import Path

import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import ExplainError
from sigma_assets.base.formulas import TERM, Formula
from sigma_assets.cli.reading.explain import lines
from sigma_assets.reports.explain import explanation
from sigma_assets.reports.explain.chosen import Which
from sigma_assets.reports.explain.explanation import Explanation
from sigma_assets.reports.explain.formulas import FORMULAS, INPUTS, TABLES, numeric_columns
from sigma_assets.reports.explain.terms import shown
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, read_rows
from sigma_assets.storage.schema import FAMILIES, portfolios
from sigma_assets.storage.schema import TABLES as SCHEMA
from sigma_assets_tests.reports.computed import FIRST, LAST, computed_world
from sigma_assets_tests.reports.explain.document import BLOCK, rewritten

COMPUTED = [table for table in FORMULAS if table not in INPUTS]


def rows_of(computed, table: str) -> list[dict]:
    """Return what the database has of the last session, read without `explain`."""
    world, key = computed
    stored = SCHEMA[table]
    scope = Rows(LAST, LAST, (key,) if "portfolio_id" in stored.c else None)
    rows = read_rows(world.tables.database, stored, scope)
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def which_of(row: dict) -> dict:
    """Return what tells a row from the others."""
    symbols = [row[name] for name in ("symbol", "other_symbol") if name in row]
    chosen = {
        "symbols": symbols,
        "lot": row.get("lot_id"),
        "factor": row.get("factor"),
        "scenario": row.get("scenario"),
    }
    return chosen | {"cluster": row.get("cluster")}


@pytest.mark.parametrize("table", list(TABLES))
def test_every_numeric_column_has_a_formula(table):
    assert set(FORMULAS[table]) == {column.name for column in numeric_columns(SCHEMA[table])}


def test_the_methodology_has_every_formula_as_the_code_says_it():
    page = (Path(__file__).parents[3] / "docs" / "methodology.md").read_text()

    assert rewritten(page) == page, "`make formulas` writes them anew"
    assert {block[1] for block in BLOCK.finditer(page)} == set(FAMILIES) - set(INPUTS)
    assert rewritten(page.replace("| `market_beta` | sum", "| `market_beta` | product")) == page


def test_an_explanation_in_words_has_all_of_it(of):
    found = of("portfolio_snapshots", "leverage")
    text = "\n".join(lines(found))

    for part in (repr(found.value), found.meaning, found.filled, found.written.run_id, found.verdict, "lots ", "JPM"):
        assert part in text


@pytest.mark.parametrize("table", COMPUTED)
def test_every_column_is_computed_again_to_the_last_bit(computed, of, table):
    """Of the first and the last row; arithmetic formulas, with their numbers, are the number by Python's own arithmetic."""
    rows = rows_of(computed, table)
    assert rows
    for column in FORMULAS[table]:
        row = max((row for row in (rows[0], rows[-1])), key=lambda row, column=column: row[column] is not None)
        found = of(table, column, **which_of(row))

        assert found.value == row[column]
        assert found.is_equal, f"{table}.{column}: {found.verdict}"
        assert "equal to the last bit" in found.verdict
        if row[column] is not None:
            assert struct.pack("d", found.recomputed) == struct.pack("d", row[column])
            _check_filled(found, table, column)
        else:
            assert found.unknown
        assert found.inputs
        assert found.written is not None
        assert "{" not in found.filled + found.formula + (found.unknown or "")


def is_arithmetic(formula: Formula) -> bool:
    """Return whether a formula is made of numbers and operators alone."""
    return re.fullmatch(r"[-+/()\d., x]*", TERM.sub("", formula.text)) is not None


def _check_filled(found: Explanation, table: str, column: str) -> None:
    if is_arithmetic(FORMULAS[table][column]):
        assert re.fullmatch(r"[-+/()\d.e x]*", found.filled), f"{table}.{column}: {found.filled}"
        by_hand = eval(found.filled.replace(" x ", " * "))  # digits and operators alone, as was just checked
        assert isclose(by_hand, found.value, rel_tol=1e-9, abs_tol=1e-6), f"{table}.{column}: {found.filled}"


@pytest.mark.parametrize(
    ("table", "column", "which", "meant"),
    [
        ("betas", "market_beta", {}, "betas_by_portfolio.market_beta"),
        ("factor_exposures", "exposure", {"factor": "value"}, "factor_exposures_by_portfolio.value_exposure"),
        ("symbol_factors", "beta", {"factor": "size", "symbols": ["AAPL"]}, "symbol_factors.size_beta"),
        ("symbol_factors", "r_squared", {"factor": "size", "symbols": ["AAPL"]}, "symbol_factors.style_r_squared"),
        ("correlations_by_pair", "correlation", {"symbols": ["SPY", "AAPL"]}, "correlations_by_pair.correlation"),
    ],
)
def test_names_of_the_tidy_form_are_understood(of, table, column, which, meant):
    found = of(table, column, **which)

    assert f"{found.table}.{found.column}" == meant
    assert found.is_equal


def test_a_shock_of_a_lot_is_found_by_its_scenario(computed, of):
    lot = next(row for row in rows_of(computed, "position_values") if row["symbol"] == "MSFT")
    scenario = rows_of(computed, "stress_tests_by_portfolio")[0]

    found = of("stress_tests_by_position", "pnl_usd", lot=lot["lot_id"], scenario=scenario["scenario"])

    assert found.column == f"scenario_{scenario['number']:02d}_pnl_usd"
    assert found.is_equal


LOTS = {"position_values": "market_value", "factor_exposures_by_position": "value_exposure"}


@pytest.mark.parametrize(("table", "column"), [*LOTS.items(), ("stress_tests_by_position", "scenario_01_pnl_usd")])
def test_a_symbol_in_several_lots_is_the_sum_of_these(computed, of, table, column):
    """Two lots of AAPL: each computed again to the last bit, and so is the sum, which the report shows."""
    stored = [row for row in rows_of(computed, table) if row["symbol"] == "AAPL"]

    found = of(table, column, symbols=["AAPL"])

    assert len(stored) == 2
    assert found.value == found.recomputed == stored[0][column] + stored[1][column]
    assert found.is_equal
    assert found.key == {"symbol": "AAPL", "lots": "2"}
    assert found.formula.startswith(f"sum of {column} over the 2 lots of AAPL; of each: ")
    assert found.filled == " + ".join(shown(row[column]) for row in stored)
    assert [each.key for each in found.inputs[:2]] == [row["lot_id"] for row in stored]
    assert all(repr(row[column]).lstrip("-") in each.values for row, each in zip(stored, found.inputs, strict=False))


def test_what_the_lots_of_a_symbol_have_in_common_is_explained_once(computed, of):
    """A price is not added up; the cost of two lots is, and their entry prices differ."""
    rows = [row for row in rows_of(computed, "position_values") if row["symbol"] == "AAPL"]

    found = of("position_values", "price", symbols=["AAPL"])

    assert found.value == rows[0]["price"] == rows[1]["price"]
    assert found.key["lot_id"] == rows[0]["lot_id"]
    assert of("position_values", "cost_basis", symbols=["AAPL"]).value == 100 * 125.5 + 50 * 182


def test_an_exposure_in_usd_is_made_of_what_is_known_where_equity_is_not_positive(tmp_path):
    """Weights and exposures divide by equity and are unknown then; USD are not, and "unknown x (-26212.79)" is not them."""
    world, key = computed_world(tmp_path)
    with world.tables.database.begin() as connection:
        connection.execute(sa.text("UPDATE position_values SET weight = NULL, risk_weight = NULL"))
        connection.execute(sa.text("UPDATE portfolio_snapshots SET equity = -100.0"))

    found = explanation.explain(
        world.tables.database, world.settings, world.instance, key, "factor_exposures", "exposure_usd",
        Which(LAST, factor="size"),
    )  # fmt: skip

    by_hand = eval(found.filled.replace(" x ", " * "))
    assert by_hand == pytest.approx(found.value, rel=1e-12)
    assert found.is_equal
    world.tables.database.dispose()


def test_a_sum_with_one_altered_lot_is_told(computed, of_altered):
    world, _ = computed
    lot = next(row for row in rows_of(computed, "position_values") if row["symbol"] == "AAPL")
    table = SCHEMA["position_values"]
    mine = sa.update(table).where(table.c.lot_id == lot["lot_id"], table.c.session == LAST)
    with world.tables.database.begin() as connection:
        connection.execute(mine.values(market_value=lot["market_value"] + 1.0))

    found = of_altered("position_values", "market_value", symbols=["AAPL"])

    assert not found.is_equal
    assert found.verdict.startswith(f"lot {lot['lot_id']}: NOT EQUAL")
    with world.tables.database.begin() as connection:
        connection.execute(mine.values(market_value=lot["market_value"]))


@pytest.mark.parametrize("table", COMPUTED)
def test_no_formula_is_the_name_of_its_own_number(table):
    """A formula says of what, and over which sessions: `observations returns` alone would leave the reader where he was."""
    for column, formula in FORMULAS[table].items():
        assert formula.over or column not in formula.names, f"{table}.{column}"
        if re.search(r"returns?\b|deviation|quantile|correlation of|index", formula.text) and not is_arithmetic(
            formula
        ):
            windowed = re.search(r"\{(last\.|since\.|first_session|stress_)|targets", formula.text)
            assert windowed, f"{table}.{column}: {formula.text} does not say of which sessions"


@pytest.mark.parametrize(
    ("table", "column", "which", "said"),
    [
        ("volatility_by_symbol", "realized_21d", {"symbols": ["SPY"]}, "the 21 sessions from 2024-02-15 to 2024-03-15"),
        ("performance", "return_mtd", {}, "the sessions after 2024-02-29, the end of the previous month"),
        ("performance", "return_qtd", {}, "the sessions after 2023-12-29, the end of the previous quarter"),
        ("performance", "return_since_inception", {}, "the day before 2023-01-03, the first session"),
        ("symbol_metrics", "return_3m", {"symbols": ["SPY"]}, "after 2023-12-15, the same day 3 months earlier"),
        (
            "symbol_factors",
            "value_beta",
            {"symbols": ["SPY"]},
            "ridge fit, alpha 1.0, .* among|in the 90 sessions from 2023",
        ),
        ("performance", "annualized_return", {}, r"\^ \(252 / 302\) - 1"),
    ],
)
def test_windows_and_periods_are_filled_in_with_their_days(of, table, column, which, said):
    """From a calendar: Presidents' Day was 19 February; 250 sessions in 2023, 21, 20 and 11 of 2024 up to 15 March."""
    assert re.search(said, of(table, column, **which).filled)


def test_inputs_have_source_load_time_and_age(of):
    """JPM has a price of the day, NEWCO never had one."""
    found = of("performance", "beta")
    (spy,) = [each for each in found.inputs if (each.table, each.key) == ("market_prices", "SPY")]
    absent = [each.key for each in found.inputs if each.values == "no price in the window"]

    assert (spy.source, spy.sessions_old) == ("simulated", 0)
    assert spy.loaded_at.startswith("20")
    assert {"NEWCO"} <= set(absent)
    assert {each.table for each in found.inputs} == {"lots", "cash_flows", "market_prices"}


def test_inputs_are_what_the_calculation_reads_and_no_more(of):
    """Betas are made of values and symbol betas alone; a lot's value of that lot alone."""
    assert {each.table for each in of("betas", "market_beta").inputs} == {"position_values", "symbol_factors"}
    of_cash = of("position_values", "market_value", symbols=["CASH_USD"]).inputs
    assert [each.table for each in of_cash].count("lots") == 1


def test_the_run_and_the_code_version_are_told(computed, of):
    world, _ = computed
    runs = {run.run_id for run in world.instance.get_runs()}

    found = of("volatility_by_portfolio", "realized_63d")

    assert found.written.run_id in runs
    assert found.written.run_url.endswith(f"/runs/{found.written.run_id}")
    assert (found.written.code_version, found.code_version) == ("3", 3)


def test_an_etf_that_every_portfolio_needs_is_explained_to_each(of):
    """VNQ is among the seventeen that coverage counts, although no regression reads it."""
    assert of("symbol_metrics", "close", symbols=["VNQ"]).is_equal


def test_an_unknown_number_has_its_reason(computed, of):
    """No return is known of NEWCO, which no price source knows; a private lot has no risk value."""
    rows = {row["symbol"]: row for row in rows_of(computed, "position_values")}

    found = of("position_values", "risk_value", lot=rows["FUND_ONE"]["lot_id"])

    assert found.value is None
    assert found.unknown.startswith("a private lot, or an option whose delta is unknown")
    assert found.is_equal
    with pytest.raises(ExplainError, match=r"no row of NEWCO .* fewer returns known"):
        of("volatility_by_symbol", "realized_21d", symbols=["NEWCO"])


@pytest.mark.parametrize(
    ("table", "column", "which", "said"),
    [
        ("prices", "close", {}, "there is no table 'prices'; there are market_prices"),
        ("performance", "luck", {}, "performance has no number 'luck'; it has return_mtd"),
        ("symbol_factors", "beta", {"symbols": ["AAPL"]}, "which factor\\? there are market"),
        ("position_values", "weight", {}, "10 rows on 2024-03-15: say which by symbol, lot"),
        ("position_values", "weight", {"symbols": ["AAPL"], "lot": "L9"}, "no row of AAPL, L9 on 2024-03-15"),
        ("position_values", "weight", {"symbols": ["TSLA"]}, "no row of TSLA on 2024-03-15.*There are: AAPL"),
        (
            "symbol_metrics",
            "close",
            {"symbols": ["TSLA"]},
            "no number of this portfolio is about TSLA; its symbols are AAPL",
        ),
        (
            "symbol_factors",
            "market_beta",
            {"symbols": ["NEWCO"]},
            "no row of NEWCO .*: market_observations of them. There are: AAPL",
        ),
        (
            "performance",
            "beta",
            {"session": FIRST.replace(day=9)},
            "no row of 2024-03-09; stored are the sessions from",
        ),
    ],
)
def test_what_cannot_be_explained_is_said_with_what_can(of, table, column, which, said):
    with pytest.raises(ExplainError, match=said):
        of(table, column, **which)


def test_a_row_that_was_altered_is_told(computed, of_altered):
    """By the last bit of one number; nothing else has changed, and that is said, too."""
    world, key = computed
    table = SCHEMA["risk_by_portfolio"]
    (row,) = rows_of(computed, table.name)
    (bits,) = struct.unpack("q", struct.pack("d", row["var_95"]))
    (altered,) = struct.unpack("d", struct.pack("q", bits + 1))
    mine = sa.update(table).where(table.c.portfolio_id == key, table.c.session == LAST)
    named = sa.update(portfolios).where(portfolios.c.portfolio_id == key)
    with world.tables.database.begin() as connection:
        before = connection.execute(sa.select(portfolios.c.name)).scalar_one()
        connection.execute(mine.values(var_95=altered))
        connection.execute(named.values(name="Tom's $5 book"))

    found = of_altered("risk_by_portfolio", "var_95")

    assert (found.is_equal, found.value, found.recomputed) == (False, altered, row["var_95"])
    assert found.verdict.startswith(f"NOT EQUAL: {altered!r} is stored, {row['var_95']!r} computed again")
    assert "no price, lot or flow is known to be newer: the stored row was altered" in found.verdict
    command = shlex.split(found.verdict.split("`")[1])
    assert command[:4] == ["sigma-assets", "run", "--portfolio", "Tom's $5 book"]
    assert command[-1] == "--force"
    with world.tables.database.begin() as connection:
        connection.execute(named.values(name=before))
        connection.execute(mine.values(var_95=row["var_95"]))


def test_a_price_that_was_loaded_since_is_told_though_coverage_has_seen_it(computed, of_altered):
    """Another run may have computed the coverage anew, and failed before it came to this row."""
    world, key = computed
    prices, coverage = SCHEMA["market_prices"], SCHEMA["price_coverage"]
    (row,) = [row for row in rows_of(computed, "market_prices") if row["symbol"] == "MSFT"]
    lot = next(row for row in rows_of(computed, "position_values") if row["symbol"] == "MSFT")
    mine = sa.update(prices).where(prices.c.symbol == "MSFT", prices.c.session == LAST)
    seen = sa.update(coverage).where(coverage.c.portfolio_id == key, coverage.c.session == LAST)
    (covered,) = rows_of(computed, "price_coverage")
    later = {"close": row["close"] * 2.0, "revision": row["revision"] + 9, "loaded_at": datetime.now(UTC)}
    with world.tables.database.begin() as connection:
        connection.execute(mine.values(later))
        connection.execute(seen.values(prices_revision=row["revision"] + 9))

    found = of_altered("position_values", "market_value", lot=lot["lot_id"])

    with world.tables.database.begin() as connection:
        connection.execute(mine.values({name: row[name] for name in later}))
        connection.execute(seen.values(prices_revision=covered["prices_revision"]))
    assert found.recomputed == 2.0 * lot["market_value"]
    assert "; prices among its inputs were loaded after it was computed." in found.verdict


def test_a_lot_that_was_corrected_since_is_told(computed, of_altered):
    """What was computed before is not equal any more, and the reason is named."""
    world, _ = computed
    lot = next(row for row in rows_of(computed, "position_values") if row["symbol"] == "MSFT")
    table = SCHEMA["lots"]
    mine = sa.update(table).where(table.c.lot_id == lot["lot_id"])
    with world.tables.database.begin() as connection:
        connection.execute(mine.values(quantity=51.0))

    found = of_altered("position_values", "market_value", lot=lot["lot_id"])

    assert not found.is_equal
    assert "lots or flows were changed after it was computed" in found.verdict
    with world.tables.database.begin() as connection:
        connection.execute(mine.values(quantity=50.0))


def test_what_is_written_while_a_number_is_explained_is_not_a_part_of_the_explanation(
    computed, of_altered, monkeypatch
):
    """The stored row was read before a lot was corrected, and its inputs would be read after: `NOT EQUAL`, for no reason."""
    world, _ = computed
    lot = next(row for row in rows_of(computed, "position_values") if row["symbol"] == "MSFT")
    table, real = SCHEMA["lots"], explanation.recomputed
    mine = sa.update(table).where(table.c.lot_id == lot["lot_id"])
    another = Database(world.settings.database)

    def corrected(quantity: float) -> None:
        with another.begin() as connection:
            connection.execute(mine.values(quantity=quantity))

    monkeypatch.setattr(explanation, "recomputed", lambda *arguments: corrected(51.0) or real(*arguments))

    found = of_altered("position_values", "market_value", lot=lot["lot_id"])

    corrected(50.0)
    another.dispose()
    assert found.is_equal
    assert found.recomputed == lot["market_value"]


@pytest.mark.parametrize("column", ["hhi", "top_3_weight", "top_10_weight"])
def test_concentration_is_filled_in_with_what_symbols_net_to(computed, of_altered, column):
    """150 AAPL and 120 of them short are 30 AAPL: gross exposure counts 270, concentration 30."""
    world, key = computed
    values = {}
    for row in rows_of(computed, "position_values"):
        if row["symbol"] != "CASH_USD":
            values[row["symbol"]] = values.get(row["symbol"], 0.0) + row["market_value"]
    values["AAPL"] *= 30 / 150
    sizes = sorted((abs(value) for value in values.values()), reverse=True)
    shares = [size / sum(sizes) for size in sizes]
    by_hand = {
        "hhi": 1e4 * sum(share * share for share in shares),
        "top_3_weight": sum(shares[:3]),
        "top_10_weight": sum(shares[:10]),
    }
    table = SCHEMA["lots"]
    short = {
        "lot_id": "short",
        "portfolio_id": key,
        "symbol": "AAPL",
        "quantity": -120.0,
        "entry_price": 150.0,
        "entry_date": FIRST,
        "investment_class": "PUBLIC",
    }
    with world.tables.database.begin() as connection:
        connection.execute(sa.insert(table), short)

    found = of_altered("portfolio_snapshots", column)

    with world.tables.database.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.lot_id == "short"))
    assert found.recomputed == pytest.approx(by_hand[column])
    assert is_arithmetic(FORMULAS["portfolio_snapshots"][column])
    assert eval(found.filled.replace(" x ", " * ")) == pytest.approx(by_hand[column])
