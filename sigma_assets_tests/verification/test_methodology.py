"""The examples worked by hand in docs/methodology.md, computed again by the code."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import hadamard

from sigma_assets.analytics.factors.exposures import betas, factor_exposures
from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.analytics.performance.money_weighted import Cash, money_weighted_returns
from sigma_assets.analytics.performance.performance import performance
from sigma_assets.analytics.risk.attribution import volatility_contributions
from sigma_assets.analytics.risk.backtest import christoffersen_ratio, kupiec_ratio
from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.analytics.risk.stress.contracts import contracts
from sigma_assets.analytics.risk.stress.replays import replay_windows
from sigma_assets.analytics.risk.stress.scenarios import Scenarios, standard_scenarios
from sigma_assets.analytics.risk.stress.shocks import shock_moves
from sigma_assets.analytics.risk.stress.tables import BETAS, Moves, stress_tests
from sigma_assets.analytics.risk.tails import expected_shortfall, tail, value_at_risk
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.analytics.series.coverage import coverage
from sigma_assets.analytics.series.metrics import symbol_metrics
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.valuation.ledger import ledgers
from sigma_assets.analytics.valuation.options import black_scholes
from sigma_assets.base.conventions import (
    STYLE_FACTORS,
    CorrelationModel,
    FactorModel,
    OptionModel,
    PerformanceModel,
    VolatilityModel,
)
from sigma_assets.settings import Settings
from sigma_assets_tests.analytics import books, factor_books
from sigma_assets_tests.analytics.histories import history_of, history_of_returns

PAGE = (Path(__file__).parents[2] / "docs" / "methodology.md").read_text(encoding="utf-8")


def example(name: str) -> pd.DataFrame:
    """Return the table below `<!-- example: name -->`: numbers as floats, empty cells as NaN."""
    lines = PAGE.split(f"<!-- example: {name} -->\n\n")[1].split("\n\n")[0].splitlines()
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    table = pd.DataFrame([row[: len(header)] for row in rows], columns=header).replace("", np.nan)
    for name_of_column in table:
        numbers = pd.to_numeric(table[name_of_column], errors="coerce")
        if numbers.notna().equals(table[name_of_column].notna()):
            table[name_of_column] = numbers
    return table


def assert_results(name: str, found: pd.Series, column: str = "value") -> None:
    """Check the numbers of a results table to all its printed digits."""
    table = example(name).set_index(example(name).columns[0])
    assert len(table), name
    for number, expected in table[column].items():
        assert found[number] == pytest.approx(expected, abs=6e-7), number


def test_returns():
    table = example("returns")
    splits = {("XYZ", row): factor for row, factor in enumerate(table["split_factor"])}
    dividends = {("XYZ", row): cash for row, cash in enumerate(table["dividend"])}

    found = total_returns(history_of({"XYZ": table["close"].to_list()}, splits=splits, dividends=dividends))[:, 0]

    np.testing.assert_allclose(found, table["return"], atol=6e-7)


def test_market_beta():
    table = example("market_beta")
    history = history_of_returns({"SPY": table["x (SPY)"].to_numpy(), "XYZ": table["y"].to_numpy()})

    (found,) = _factors(history, window=4)

    assert_results("market_beta_results", found)
    residual = table["y"] - found["market_alpha"] - found["market_beta"] * table["x (SPY)"]
    np.testing.assert_allclose(residual, table["residual"], atol=1e-12)


def test_ridge_betas():
    signs = hadamard(8)[:, 1:7] * 0.01
    returns = {FactorModel().styles[factor]: signs[:, place] for place, factor in enumerate(STYLE_FACTORS)}
    history = history_of_returns({**returns, "XYZ": 0.9 * returns["VTV"] + 0.45 * returns["VUG"]})

    (found,) = _factors(history, window=8)

    assert_results("ridge_results", found)


def _factors(history, *, window):
    model = FactorModel(window=window, min_observations=3, spread_window=window, spread_min_observations=3)
    rows = symbol_factors(history, history.sessions[-1:], model)
    return [row for _, row in rows[rows["symbol"] == "XYZ"].iterrows()]


def test_metrics():
    table = example("metrics")
    days = np.array(table["session"].to_list(), dtype="datetime64[D]")
    sessions = books.weekdays("2024-12-02", 46)
    closes = np.full(len(sessions), np.nan)
    closes[np.searchsorted(sessions, days)] = table["close"]
    history = books.price_history(
        sessions,
        {"XYZ": closes},
        dividends={("XYZ", day): cash for day, cash in zip(days, table["dividend"], strict=True)},
    )

    found = symbol_metrics(history, days[-1:]).iloc[0]

    assert_results("metrics_results", found)


def test_coverage():
    table = example("coverage")
    sessions = books.weekdays("2025-01-06", 2)
    days = [pd.Timestamp(day) for day in sessions]
    yesterday = table.loc[table["first row"] == "earlier", "symbol"]
    today = table.loc[table["row on this session"] == "yes", "symbol"]
    available = pd.DataFrame(
        {"symbol": [*yesterday, *today], "session": [days[0]] * len(yesterday) + [days[1]] * len(today)}
    )
    held = [symbol for symbol in table["symbol"] if symbol != "SPY"]
    needed = pd.DataFrame(
        {"portfolio_id": "P", "symbol": held, "first_needed": days[0], "last_needed": pd.Series([pd.NaT] * len(held))}
    )

    found = coverage(needed, available, pd.Series(days[0], index=list(yesterday)), sessions, ["SPY"]).iloc[1]

    assert_results("coverage_results", found)
    assert found["missing_symbols"] == "CCC"


@pytest.fixture(scope="module")
def sold_book():
    table = example("snapshots")
    days = np.array(table["session"].to_list(), dtype="datetime64[D]")
    history = books.price_history(
        days,
        {"XYZ": table["close"].to_list()},
        splits={("XYZ", day): factor for day, factor in zip(days, table["split_factor"], strict=True)},
        dividends={("XYZ", day): cash for day, cash in zip(days, table["dividend"], strict=True)},
    )
    lot = books.lot("L1", "XYZ", 50, 100.0, "2025-01-06", exit_date="2025-01-10", exit_price=51.5)
    flows = [(day, flow) for day, flow in zip(table["session"], table["flow"], strict=True) if flow]
    return books.book([lot], flows), history


def test_snapshots(sold_book):
    expected = example("snapshots_results")

    found = books.snapshots(*sold_book)

    assert (found["session"].dt.strftime("%Y-%m-%d") == expected["session"]).all()
    numbers = expected.columns.drop("session")
    np.testing.assert_allclose(found[numbers], expected[numbers], atol=6e-7)


def test_position_values(sold_book):
    found = books.positions(*sold_book)

    assert_results("position_results", found[found["session"] == "2025-01-08"].iloc[0])


def test_option_values():
    (call, put), _ = black_scholes(42, 40, 0.5, 0.2, is_call=[True, False], risk_free_rate=0.1)

    expected = example("option_results")["value"]
    np.testing.assert_allclose([call, put], expected, atol=0.005)


@pytest.fixture(scope="module")
def weighted_book():
    table = example("betas")
    values = table["risk_weight"] * factor_books.EQUITY
    lots = [factor_books.lot("L1", "LONG", values[0]), factor_books.lot("L2", "SHORT", values[1])]
    known = {
        symbol: {"market": row["market_beta"], "value": row["value_beta"]}
        for symbol, (_, row) in zip(["LONG", "SHORT"], table.iloc[:2].iterrows(), strict=True)
    }
    return factor_books.positions(*lots, factor_books.private_lot("L3", values[2])), factor_books.factors(known)


def test_betas(weighted_book):
    by_portfolio, _ = betas(*weighted_book)

    assert_results("betas_results", by_portfolio.iloc[0])


def test_factor_exposures(weighted_book):
    by_portfolio, _ = factor_exposures(*weighted_book)

    assert_results("exposures_results", by_portfolio.iloc[0])


def test_volatility():
    history = history_of_returns({"XYZ": 0.01 * (-1.0) ** np.arange(401)})
    day = pd.Timestamp(history.sessions[-1])
    positions = factor_books.positions(factor_books.lot("L1", "XYZ", factor_books.EQUITY / 2, session=day))

    by_portfolio, by_symbol = volatility(positions, history, VolatilityModel())

    assert_results("volatility_results", by_symbol.iloc[0], "symbol")
    assert_results("volatility_results", by_portfolio.iloc[0], "portfolio")
    assert by_portfolio["trend"].tolist() == ["stable"]


def test_correlations():
    table = example("correlations").set_index("symbol")
    returns = table.filter(like="return ")
    history = history_of_returns({symbol: row.to_numpy(dtype=float) for symbol, row in returns.iterrows()})
    day = pd.Timestamp(history.sessions[-1])
    lots = [factor_books.lot(symbol, symbol, value, session=day) for symbol, value in table["value"].items()]
    positions = factor_books.positions(*lots).assign(investment_class="PUBLIC")

    by_portfolio, _, by_cluster = correlations(positions, history, CorrelationModel(window=4, min_observations=4))

    assert_results("correlations_results", by_portfolio.iloc[0])
    assert np.isnan(by_portfolio["condition_number"].iloc[0])
    assert by_cluster["name"].tolist() == ["AAA lookalikes"]


def test_contributions():
    table = example("contributions")
    signs = hadamard(64)[:, 1:3]  # 64 sessions, mean 0, uncorrelated
    daily = table["volatility"].to_numpy()[:, None] * np.sqrt(63 / 64 / 252)
    returns = np.stack([signs[:, 0], 0.3 * signs[:, 0] + np.sqrt(1 - 0.3**2) * signs[:, 1]]) * daily
    weight = table["weight"].to_numpy()

    found, _ = volatility_contributions(weight, returns, np.zeros(len(weight), dtype=int), (weight @ returns)[None, :])

    np.testing.assert_allclose(found, table["contribution"], atol=6e-7)


def test_tails():
    returns = np.array([[-0.05, -0.04, -0.03, -0.02, -0.01, *[0.01] * 95]])
    var = {level: value_at_risk(returns, level, min_observations=100) for level in ("95", "975", "99")}
    shortfall = {level: expected_shortfall(returns, tail(returns, loss))[0] for level, loss in var.items()}

    found = {"var_95": var["95"][0], "var_99": var["99"][0], "es_95": shortfall["95"], "es_975": shortfall["975"]}

    assert_results("tails_results", pd.Series(found))


def test_backtest():
    found = {f"kupiec_{count}": kupiec_ratio(250, count, 0.01) for count in (3, 7)}
    found["christoffersen"] = christoffersen_ratio([[44, 2], [2, 1]])

    table = example("backtest_results").set_index("number")
    for name, expected in table["value"].items():
        assert found[name] == pytest.approx(expected, abs=6e-6), name


def test_stress():
    values, betas_of = {"AAA": 1_000.0, "BBB": -400.0, "TLT": 10_000.0}, {"AAA": 1.5, "BBB": 0.5, "TLT": 0.0}
    day = pd.Timestamp("2025-01-10").as_unit("s")
    positions = pd.DataFrame(
        {
            "portfolio_id": "P", "session": day, "lot_id": list(values), "symbol": list(values),
            "investment_class": "PUBLIC", "quantity": 1.0, "price": 1.0, "market_value": values.values(),
            "weight": np.array([*values.values()]) / 20_000,
            "risk_symbol": list(values), "risk_value": values.values(),
        }
    )  # fmt: skip
    factors = pd.DataFrame({"session": day, "symbol": list(values)}).assign(**dict.fromkeys(BETAS, 0.0))
    factors["market_beta"] = factors["symbol"].map(betas_of)
    factors.loc[factors["symbol"] == "TLT", "rates_beta"] = 1.0
    scenarios = Scenarios(standard_scenarios().shocks, ())
    sessions = np.array(["2025-01-10"], dtype="datetime64[D]")
    history = history_of({"SPY": [1.0]}, first="2025-01-10")
    windows = replay_windows((), history, sessions)
    nothing = np.empty((0, 1))
    shocks = shock_moves(scenarios.shocks, history, sessions, FactorModel(), Settings().rates_duration)
    moves = Moves(sessions, shocks, windows, nothing, nothing[:, 0], history.symbols)
    lots = books.book([], inception="2025-01-10").lots

    found, _ = stress_tests(
        positions, factors, contracts(positions, lots, history, history, OptionModel()), moves, scenarios
    )

    assert_results("stress_results", found.set_index("scenario")["pnl_usd"])


def test_performance():
    closes = 100 * np.cumprod([1.1, 0.8, 1.05])
    sessions = books.weekdays("2025-01-06", 3)
    holdings = books.book([books.lot("L1", "XYZ", 100, 100.0, "2025-01-06")])
    history = books.price_history(sessions, {"XYZ": closes})
    model = PerformanceModel(min_observations=3)

    found = performance(ledgers(*holdings, history, sessions, options=OptionModel()), history, model).iloc[-1]

    days = np.array(["2008-01-01", "2008-03-01", "2008-10-30", "2009-02-15", "2009-04-01"], dtype="datetime64[D]")
    flows = np.array([10_000.0, -2_750.0, -4_250.0, -3_250.0])
    found["money_weighted_return"] = money_weighted_returns([Cash(flows, days[:4], np.array([2_750.0]), days[4:])])[0][
        0
    ]
    assert_results("performance_results", found)
