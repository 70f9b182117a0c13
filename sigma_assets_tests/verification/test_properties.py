"""Properties of the calculations as a whole: lots and prices in, every table out, whatever the book and the day."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_assets.analytics.factors.exposures import betas, factor_exposures
from sigma_assets.analytics.factors.regression import symbol_factors
from sigma_assets.analytics.performance.performance import performance
from sigma_assets.analytics.risk.attribution import risk
from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.analytics.risk.stress.contracts import contracts
from sigma_assets.analytics.risk.stress.scenarios import Replay, Scenarios, Shock
from sigma_assets.analytics.risk.stress.tables import sorted_positions, stress_tests
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.analytics.series.metrics import symbol_metrics
from sigma_assets.analytics.valuation.ledger import ledgers
from sigma_assets.base.conventions import (
    CorrelationModel,
    FactorModel,
    OptionModel,
    PerformanceModel,
    RiskModel,
    VolatilityModel,
)
from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.analytics.books import (
    Book,
    assert_same_bits,
    book,
    lot,
    option,
    portfolio_snapshots,
    position_values,
)
from sigma_assets_tests.analytics.histories import random_history, tail
from sigma_assets_tests.analytics.risk.stress.moves import moves_in

LENGTH = 400
DAYS = 12
"""Sessions at the end of the history over which books live."""
STOCKS = 6
FEW = settings(max_examples=6, deadline=None)
DAYS_OF_ALL = random_history(LENGTH, STOCKS, seed=0).sessions
SCENARIOS = Scenarios(
    (Shock("fall", "market", "move", -0.2), Shock("rise", "rates", "basis_points", 100.0),
     Shock("spread", "size_spread", "deviations", 2.0)),
    (Replay("dated", DAYS_OF_ALL[-90].item(), DAYS_OF_ALL[-40].item()),),
)  # fmt: skip
seeds = st.integers(0, 10_000)


def _history(seed: int) -> PriceHistory:
    history = random_history(LENGTH, STOCKS, seed=seed)
    random = np.random.default_rng(seed)
    history.split_factor[LENGTH - 4, history.column("S03")] = 2.0
    history.close[LENGTH - 4 :, history.column("S03")] /= 2.0
    history.dividend[LENGTH - 6, history.column("S05")] = 0.5
    late = random.integers(1, 4)
    history.close[-late:, history.column("S02")] = np.nan
    return history


def _lots(seed: int, history: PriceHistory, portfolio: str) -> list[dict]:
    random = np.random.default_rng([seed, ord(portfolio[-1])])
    days = [str(day) for day in history.sessions[-DAYS:]]
    rows = []
    for number in range(random.integers(2, 8)):
        entry = int(random.integers(DAYS - 1))
        closing = int(random.integers(entry + 1, DAYS))
        exit_ = {"exit_date": days[closing], "exit_price": 90.0} if random.random() < 0.3 else {}
        symbol, quantity = f"S{random.integers(STOCKS):02d}", float(random.integers(-400, 900)) or 1.0
        rows.append(lot(f"{portfolio}-{number}", symbol, quantity, 100.0, days[entry], **exit_))
    rows.append(
        option(
            f"{portfolio}-call",
            3,
            4.0,
            days[0],
            underlying_symbol="S03",
            expiration_date=str(history.sessions[-1] + 99),
        )
    )
    rows.append(lot(f"{portfolio}-fund", "FUND", 10.0, 100.0, days[0], investment_class="PRIVATE"))
    return rows


def _book(seed: int, history: PriceHistory, portfolios=("P1", "P2")) -> Book:
    start = str(history.sessions[-DAYS])
    parts = [
        book(_lots(seed, history, name), [(str(history.sessions[-5]), 5_000.0)], equity=250_000.0, inception=start,
             portfolio_id=name)
        for name in portfolios
    ]  # fmt: skip
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def _everything(holdings: Book, history: PriceHistory, sessions: np.ndarray) -> dict[str, pd.DataFrame]:
    """Return all tables at some sessions, each made from the ones before as in the pipeline."""
    options = OptionModel()
    positions = position_values(*holdings, history, sessions, options=options)
    factors = symbol_factors(history, sessions, FactorModel())
    model = CorrelationModel(min_value_usd=100.0)
    terms = contracts(sorted_positions(positions), holdings.lots, history, history, options)
    moves = moves_in(history, sessions, SCENARIOS)
    parts: dict[str, tuple[pd.DataFrame, ...]] = {
        "factors": (factors,),
        "metrics": (symbol_metrics(history, sessions),),
        "snapshots": (portfolio_snapshots(*holdings, history, sessions, options=options),),
        "positions": (positions,),
        "betas": betas(positions, factors),
        "exposures": factor_exposures(positions, factors),
        "volatility": volatility(positions, history, VolatilityModel()),
        "correlations": correlations(positions, history, model),
        "risk": risk(ledgers(*holdings, history, sessions, options=options), history, RiskModel(), FactorModel()),
        "stress": stress_tests(sorted_positions(positions), factors, terms, moves, SCENARIOS),
        "performance": (
            performance(ledgers(*holdings, history, sessions, options=options), history, PerformanceModel()),
        ),
    }
    return {f"{name}_{number}": frame for name, frames in parts.items() for number, frame in enumerate(frames)}


def _up_to(tables: dict[str, pd.DataFrame], day: np.datetime64) -> dict[str, pd.DataFrame]:
    return {name: rows[rows["session"] <= pd.Timestamp(day)] for name, rows in tables.items()}


def _assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    assert sum(len(rows) for rows in expected.values()) > 50
    for name, rows in expected.items():
        assert_same_bits(found[name], rows)


@FEW
@given(seed=seeds, back=st.integers(1, DAYS - 1))
def test_no_number_looks_ahead(seed, back):
    """Whatever happens to any price, split or dividend after a day, no bit of any table up to that day changes."""
    history = _history(seed)
    holdings, last = _book(seed, history), LENGTH - back
    otherwise = np.random.default_rng(seed + 1)
    close, split_factor, dividend = history.close.copy(), history.split_factor.copy(), history.dividend.copy()
    close[last + 1 :] *= otherwise.uniform(0.2, 3.0, close[last + 1 :].shape)
    close[last + 1 :][otherwise.random(close[last + 1 :].shape) < 0.2] = np.nan
    split_factor[last + 1 :] = 3.0
    dividend[last + 1 :] = 1.0
    changed = replace(history, close=close, split_factor=split_factor, dividend=dividend)
    sessions, day = history.sessions[-DAYS:], history.sessions[last]

    before, after = (_up_to(_everything(holdings, prices, sessions), day) for prices in (history, changed))

    _assert_same(after, before)


@FEW
@given(seed=seeds, rng=st.randoms(use_true_random=False))
def test_a_number_is_the_same_in_any_company(seed, rng):
    """One portfolio, one session, lots shuffled, a shorter history: the bits are those of the whole at once."""
    history = _history(seed)
    holdings = _book(seed, history)
    sessions = history.sessions[-DAYS:]
    whole = _everything(holdings, history, sessions)
    day = sessions[rng.randrange(DAYS)]
    shuffled = Book(*(rows.sample(frac=1.0, random_state=seed) for rows in _book(seed, history, ("P2",))))

    alone = _everything(shuffled, tail(history, 40), np.array([day]))

    for name, rows in whole.items():
        wanted = rows[rows["session"] == pd.Timestamp(day)]
        if "portfolio_id" in rows:
            wanted = wanted[wanted["portfolio_id"] == "P2"]
        assert_same_bits(alone[name], wanted)


@FEW
@given(seed=seeds)
def test_splitting_a_portfolio_splits_its_pnl(seed):
    history = _history(seed)
    lots = _lots(seed, history, "P1")
    start, sessions = str(history.sessions[-DAYS]), history.sessions[-DAYS:]
    parts = [lots, lots[::2], lots[1::2]]
    books = [book(part, equity=1e6, inception=start, portfolio_id="P1") for part in parts]

    whole, first, second = (portfolio_snapshots(*one, history, sessions, options=OptionModel()) for one in books)

    for column in ("daily_pnl", "cumulative_pnl", "realized_pnl", "dividend_income", "net_exposure", "gross_exposure"):
        np.testing.assert_allclose(whole[column], first[column] + second[column], rtol=1e-9, atol=1e-6)


@FEW
@given(seed=seeds, factor=st.sampled_from([1e-6, 0.001, 0.5, 3.0, 1_000.0]))
def test_a_book_of_another_size_has_the_same_ratios_and_its_share_of_the_money(seed, factor):
    history = _history(seed)
    holdings, sessions = _book(seed, history, ("P1",)), history.sessions[-DAYS:]
    lots, portfolios, flows = holdings.lots, holdings.portfolios, holdings.flows
    scaled = Book(
        portfolios.assign(initial_equity_usd=portfolios["initial_equity_usd"] * factor),
        lots.assign(quantity=lots["quantity"] * factor),
        flows.assign(amount_usd=flows["amount_usd"] * factor),
    )

    one, other = (_everything(each, history, sessions) for each in (holdings, scaled))

    np.testing.assert_allclose(other["snapshots_0"]["equity"], one["snapshots_0"]["equity"] * factor, rtol=1e-9)
    for table, column in (("risk_0", "var_99_usd"), ("stress_0", "pnl_usd"), ("stress_1", "scenario_04_pnl_usd")):
        np.testing.assert_allclose(other[table][column], one[table][column] * factor, rtol=1e-6, err_msg=column)
    for table, columns in {
        "snapshots_0": ["daily_return", "leverage", "hhi", "max_drawdown"],
        "betas_0": ["market_beta", "rates_beta", "market_coverage"],
        "exposures_0": ["value_exposure", "size_spread_exposure"],
        "volatility_0": ["realized_21d", "expected_21d", "trend_ratio"],
        "risk_0": ["realized_63d", "var_99", "es_95", "exceptions", "specific_share"],
        "risk_1": ["volatility_contribution", "share", "es_contribution"],
        "risk_2": ["beta", "std_error", "variance_share"],
        "stress_0": ["pnl_share", "direct_share", "coverage", "shock"],
        "performance_0": ["return_mtd", "return_since_inception", "drawdown", "money_weighted_return"],
    }.items():
        np.testing.assert_allclose(
            other[table][columns].astype(float), one[table][columns].astype(float), rtol=1e-6, atol=1e-9, err_msg=table
        )


@FEW
@given(seed=seeds)
def test_matrices_are_correlations_and_concentrations_keep_their_bounds(seed):
    history = _history(seed)
    tables = _everything(_book(seed, history), history, history.sessions[-DAYS:])

    for _, pairs in tables["correlations_1"].groupby(["portfolio_id", "session"]):
        symbols = sorted({*pairs["symbol"], *pairs["other_symbol"]})
        matrix = pd.DataFrame(np.eye(len(symbols)), symbols, symbols)
        for pair in pairs.itertuples():
            matrix.at[pair.symbol, pair.other_symbol] = matrix.at[pair.other_symbol, pair.symbol] = pair.correlation
        assert np.linalg.eigvalsh(matrix.to_numpy()).min() > -1e-9
        assert pairs["correlation"].abs().max() <= 1.0
    snapshots = tables["snapshots_0"].dropna(subset=["hhi"])
    held = tables["positions_0"].groupby(["portfolio_id", "session"])["symbol"].nunique()
    count = held.reindex(pd.MultiIndex.from_frame(snapshots[["portfolio_id", "session"]])).to_numpy()
    assert (snapshots["hhi"] <= 10_000 + 1e-6).all()
    assert (snapshots["hhi"] >= 10_000 / count - 1e-6).all()
    assert (snapshots["effective_positions"] <= count + 1e-9).all()
    bets = tables["correlations_0"].dropna(subset=["effective_bets"])
    assert (bets["effective_bets"] >= 1 - 1e-9).all()


@pytest.mark.parametrize("portfolio", ["P1", "P2"])
def test_the_book_of_these_properties_has_everything_in_it(portfolio):
    """A property that holds because nothing was there would prove nothing."""
    history = _history(1)
    tables = _everything(_book(1, history), history, history.sessions[-DAYS:])

    for name, rows in tables.items():
        own = rows[rows["portfolio_id"] == portfolio] if "portfolio_id" in rows else rows
        assert len(own) or name == "correlations_2", name
    volatilities = tables["volatility_0"]
    assert volatilities["expected_21d"].notna().any()
    assert tables["positions_0"]["is_modelled"].any()
    assert tables["positions_0"]["is_stale"].any()
