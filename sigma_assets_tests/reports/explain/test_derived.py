"""Every number of the report leads to its explanation, those that are stored nowhere included."""

import re
from itertools import pairwise
from math import isclose, prod

import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import ExplainError
from sigma_assets.reports.explain.explanation import Explanation, explain
from sigma_assets.reports.portfolio import PortfolioReport
from sigma_assets.reports.reading import portfolio_report
from sigma_assets.reports.words import figures, histories
from sigma_assets.reports.words.table import TextTable, Which
from sigma_assets.reports.words.tables import tables
from sigma_assets.storage.schema import market_prices
from sigma_assets_tests.reports.computed import FIRST, LAST, computed_world

WORDS = {"Priced on", "Year"}
"""Columns that hold days and words."""


@pytest.fixture(scope="module")
def report(computed) -> PortfolioReport:
    world, key = computed
    return portfolio_report(world.tables.database, world.settings, key)


def linked_tables(report: PortfolioReport) -> list[TextTable]:
    """Return the tables of the report whose numbers are links; not the long ones by session that unfold."""
    return [*tables(report), histories.correlations(report)]


def test_every_number_of_the_report_leads_to_an_explanation(report):
    """Where each leads, and that there is the same number, the page's test follows (`web.test_report_page`)."""
    found = 0
    for table in linked_tables(report):
        for at, row in enumerate(table.rows):
            for place, text in enumerate(row):
                if table.columns[place] in table.texts or table.columns[place] in WORDS or not re.search(r"\d", text):
                    continue
                source = table.sources[at][place] if table.sources else None
                is_diagonal = table.key == "correlations" and text == "100"
                assert source or is_diagonal, f"{table.key} {row[0]} {table.columns[place]}: {text} leads nowhere"
                found += 1
    for group in figures.figures(report):
        for label, text, source in group.lines:
            assert source or not re.search(r"\d", text), f"{label}: {text} leads nowhere"
    assert found > 100


def by_hand(found: Explanation) -> float:
    """Return what the formula, filled in, comes to by Python's own arithmetic."""
    assert re.fullmatch(r"[-+/()\d.e x]*", found.filled), found.filled
    return float(eval(found.filled.replace(" x ", " * ")))  # digits and operators alone, as was just checked


@pytest.mark.parametrize("column", ["long_value", "short_value", "net_exposure", "cash_equivalents", "share_of_gross"])
def test_a_class_is_the_sum_of_its_lots(report, of, column):
    """SPY is 30 % Technology, 70 % Other; the option of AAPL is what AAPL is."""
    for row in report.allocation:
        if row[column] == 0.0:
            continue
        found = of("allocation", column, scheme=row["scheme"], class_name=row["class"])
        assert found.value == row[column]
        assert isclose(by_hand(found), found.value, rel_tol=1e-12)
    technology = of("allocation", "net_exposure", scheme="sector", class_name="Technology")
    assert [each.key.split()[0] for each in technology.inputs].count("SPY") == 1
    assert {each.key.split()[0] for each in technology.inputs} == {"AAPL", "AAPL240621C00190000", "SPY"}
    assert " x 0.3" in technology.filled


def test_the_classes_of_each_scheme_add_up_to_the_snapshot_and_cash_is_beside_them(report, of):
    """5,000 USD in the bank are PRIVATE by kind, and no exposure."""
    of_scheme = {}
    for row in report.allocation:
        of_scheme.setdefault(row["scheme"], []).append(row)
    for rows in of_scheme.values():
        for column in ("long_value", "short_value", "net_exposure", "gross_exposure", "cash_equivalents"):
            assert isclose(sum(row[column] for row in rows), report.snapshot[column], rel_tol=1e-12)
    assert of("allocation", "cash_equivalents", scheme="kind of holding", class_name="PRIVATE").value == 5_000.0
    assert of("allocation", "net_exposure", scheme="kind of holding", class_name="PRIVATE").value == 25_000.0


@pytest.mark.parametrize(
    ("column", "shown"),
    [("volatility_contribution", "volatility_contribution"), ("share", "risk_share"), ("es_contribution",) * 2],
)
def test_an_option_and_its_underlying_share_one_risk(report, of, column, shown):
    """The parts of the stock and of its option add up to what is stored of both."""
    parts = [each for each in report.holdings if each.symbol.startswith("AAPL")]
    found = [of("holdings", column, symbols=(each.symbol,)) for each in parts]

    assert [each.value for each in found] == [getattr(each, shown) for each in parts]
    assert all(isclose(by_hand(each), each.value, rel_tol=1e-12) for each in found)
    whole = of("risk_by_position", column, symbols=("AAPL",))
    assert isclose(sum(each.value for each in found), whole.value, rel_tol=1e-12)


def test_a_return_of_the_benchmark_is_that_of_its_prices(computed, report, of):
    """By hand from the closes and dividends, one session after another: what is computed begins with the first one."""
    world, _ = computed
    p = market_prices.c
    query = sa.select(p.close, p.dividend, p.split_factor).where(p.symbol == "SPY", p.session.between(FIRST, LAST))
    with world.tables.database.read() as connection:
        rows = connection.execute(query.order_by(p.session)).all()
    growth = prod(
        row.split_factor * (row.close + row.dividend) / before.close for before, row in pairwise(rows) if row.close
    )
    for period in ("return_mtd", "return_ytd", "return_since_inception"):
        found = of("benchmark", period)
        assert isclose(found.value, growth - 1.0, rel_tol=1e-9)
        assert found.value == report.benchmark_returns[period]
        assert found.filled.endswith(f"from the close of {FIRST}")
        assert isclose(eval(found.filled.partition(",")[0]), found.value, rel_tol=1e-12)
        assert [each.key for each in found.inputs] == [f"SPY {FIRST}", f"SPY {LAST}"]
        assert (found.inputs[-1].source, found.inputs[-1].sessions_old) == ("simulated", 0)
    young = of("benchmark", "return_1y")
    assert (young.value, young.filled) == (None, "unknown")
    assert "the portfolio is younger" in young.unknown


def test_what_is_stored_nowhere_says_so(of):
    found = of("allocation", "net_exposure", scheme="sector", class_name="Other")

    assert found.is_equal is None
    assert found.verdict == "stored nowhere: made of the rows below when it is asked for"
    assert found.written is not None


@pytest.mark.parametrize(
    ("table", "column", "which", "said"),
    [
        ("allocation", "luck", {}, "allocation has no number 'luck'; it has long_value"),
        ("allocation", "net_exposure", {}, "which class\\? .* There are kind of holding: "),
        ("allocation", "net_exposure", {"scheme": "sector", "class_name": "Luck"}, "which class"),
        ("holdings", "share", {}, "whose share\\? one --symbol of AAPL"),
        ("holdings", "share", {"symbols": ("TSLA",)}, "whose share"),
        ("benchmark", "return_1d", {}, "benchmark has no number 'return_1d'; it has return_mtd"),
    ],
)
def test_what_cannot_be_explained_is_said_with_what_can(of, table, column, which, said):
    with pytest.raises(ExplainError, match=said):
        of(table, column, **which)


def test_a_holding_without_a_share_says_what_of_the_portfolio_is_unknown(computed, of_altered):
    """AAPL has returns and a beta; "too few returns, or no beta" was said for want of the portfolio's volatility."""
    world, key = computed
    of_aapl = "portfolio_id = :key AND session = :day AND symbol = 'AAPL'"
    named = {"key": key, "day": LAST.isoformat()}
    before = of_altered("holdings", "share", symbols=("AAPL",)).value
    share = of_altered("risk_by_position", "share", symbols=("AAPL",)).value
    statement = sa.text(f"UPDATE risk_by_position SET share = :share WHERE {of_aapl}")
    with world.tables.database.begin() as connection:
        connection.execute(statement, named | {"share": None})
    try:
        found = of_altered("holdings", "share", symbols=("AAPL",))
    finally:
        with world.tables.database.begin() as connection:
            connection.execute(statement, named | {"share": share})

    assert before is not None
    assert found.value is None
    reason = "realized_63d is unknown or 0, or no return of the symbol is known"
    assert found.unknown == f"risk_by_position.share is not known: {reason}"
    private = of_altered("holdings", "share", symbols=("FUND_ONE",)).unknown
    assert private is not None
    assert "lives on no symbol" in private


def test_a_table_without_a_row_may_have_nothing_to_say(computed, of_altered):
    """No two holdings move together: "nothing is stored yet, run computes it" sent the reader to compute it once more."""
    world, key = computed
    with world.tables.database.begin() as connection:
        connection.execute(sa.text("DELETE FROM correlations_by_cluster WHERE portfolio_id = :key"), {"key": key})

    with pytest.raises(ExplainError, match="or there is nothing of the kind"):
        of_altered("correlations_by_cluster", "mean_correlation", cluster=1)


def test_the_benchmark_is_explained_for_a_portfolio_without_any_position(tmp_path):
    """All lots were sold on the day on which they were bought: the benchmark's returns are in the report nevertheless."""
    world, key = computed_world(tmp_path)
    with world.tables.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM position_values")

    found = explain(
        world.tables.database, world.settings, world.instance, key, "benchmark", "return_mtd", Which(session=LAST)
    )
    world.tables.database.dispose()

    assert found.unknown is None
    assert isinstance(found.value, float)
