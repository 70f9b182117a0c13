"""What scenarios do to portfolios: by hand, by identity, and with options revalued."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from sigma_assets.analytics.risk.stress.contracts import contracts
from sigma_assets.analytics.risk.stress.scenarios import Replay, Scenarios, Shock
from sigma_assets.analytics.risk.stress.shocks import shock_moves
from sigma_assets.analytics.risk.stress.tables import BETAS, stress_tests, tidy_positions
from sigma_assets.base.conventions import FactorModel, OptionModel
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
from sigma_assets_tests.analytics.histories import history_of, random_history
from sigma_assets_tests.analytics.risk.stress.moves import DURATION, moves_in

MARKET_DOWN = Shock("down", "market", "move", -0.20)


def stressed(
    holdings: Book,
    history: PriceHistory,
    betas: dict[str, dict[str, float]],
    *shocks: Shock,
    replays: tuple[Replay, ...] = (),
    rows: slice = slice(-1, None),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables at some sessions; betas are by symbol and factor, the same on every session."""
    sessions = history.sessions[rows]
    positions = position_values(*holdings, history, sessions, options=OptionModel())
    grid = [
        {"session": np.datetime64(day, "s"), "symbol": symbol, **{f"{name}_beta": value for name, value in of.items()}}
        for day in sessions
        for symbol, of in betas.items()
    ]
    factors = pd.DataFrame(grid, columns=["session", "symbol", *BETAS]).astype(dict.fromkeys(BETAS, "float64"))
    factors = factors.astype({"session": "datetime64[s]", "symbol": "str"})
    scenarios = Scenarios(shocks, replays)
    moves = moves_in(history, sessions, scenarios)
    options = contracts(positions, holdings.lots, history, history, OptionModel())
    equity = portfolio_snapshots(*holdings, history, sessions, options=OptionModel())[
        ["portfolio_id", "session", "equity"]
    ]
    return stress_tests(positions, factors, options, moves, scenarios, equity)


FLAT = history_of({"SPY": [100.0] * 70, "AAA": [50.0] * 70, "TLT": [90.0] * 70, "BBB": [20.0] * 70})
ENTRY = str(FLAT.sessions[0])


def test_a_shock_moves_each_holding_by_its_beta():
    """1,000 of AAA at beta 1.5, -400 of BBB short at beta 0.5, market -20 %: -300 + 40."""
    holdings = book(
        [lot("L1", "AAA", 20, 50, ENTRY), lot("L2", "BBB", -20, 20, ENTRY)], equity=2_000.0, inception=ENTRY
    )

    by_portfolio, by_position = stressed(holdings, FLAT, {"AAA": {"market": 1.5}, "BBB": {"market": 0.5}}, MARKET_DOWN)

    row = by_portfolio.iloc[0]
    assert row["pnl_usd"] == pytest.approx(-260.0, abs=1e-12)
    assert row["pnl_share"] == pytest.approx(-0.13, abs=1e-15)
    assert (row["direct_share"], row["coverage"], row["shock"]) == (1.0, 1.0, -0.20)
    assert by_position["scenario_01_pnl_usd"].tolist() == pytest.approx([-300.0, 40.0])


def test_a_long_bond_fund_loses_when_yields_rise():
    """Duration 16.5, 100 basis points: TLT at beta 1 loses 16.5 %, 1,650 of 10,000."""
    holdings = book([lot("L1", "TLT", 1000 / 9, 90, ENTRY)], equity=10_000.0, inception=ENTRY)
    up, down = (Shock(f"r{size:+d}", "rates", "basis_points", float(size)) for size in (100, -100))

    by_portfolio, _ = stressed(holdings, FLAT, {"TLT": {"rates": 1.0}}, up, down)

    assert by_portfolio["pnl_usd"].tolist() == pytest.approx([-1_650.0, 1_650.0])


def test_a_holding_without_a_beta_is_not_covered():
    holdings = book([lot("L1", "AAA", 20, 50, ENTRY), lot("L2", "BBB", 50, 20, ENTRY)], inception=ENTRY)

    by_portfolio, by_position = stressed(holdings, FLAT, {"AAA": {"market": 1.0}}, MARKET_DOWN)

    assert by_portfolio[["pnl_usd", "direct_share", "coverage"]].iloc[0].tolist() == [-200.0, 0.5, 0.5]
    assert by_position["symbol"].tolist() == ["AAA"]


def test_of_holdings_without_any_beta_nothing_is_known():
    """A P&L of 0 would say that the scenario does them no harm."""
    holdings = book([lot("L1", "AAA", 20, 50, ENTRY), lot("L2", "BBB", 50, 20, ENTRY)], inception=ENTRY)

    by_portfolio, by_position = stressed(holdings, FLAT, {"AAA": {"rates": 1.0}}, MARKET_DOWN)

    assert (len(by_portfolio), len(by_position)) == (0, 0)


def test_private_lots_do_not_move_and_do_not_count():
    lots = [lot("L1", "AAA", 20, 50, ENTRY), lot("L2", "HOUSE", 1, 9_000, ENTRY, investment_class="PRIVATE")]

    by_portfolio, by_position = stressed(book(lots, inception=ENTRY), FLAT, {"AAA": {"market": 1.0}}, MARKET_DOWN)
    only_house, none = stressed(book(lots[1:], inception=ENTRY), FLAT, {}, MARKET_DOWN)

    assert by_portfolio[["pnl_usd", "direct_share"]].iloc[0].tolist() == [-200.0, 1.0]
    assert len(by_position) == 1
    assert only_house["pnl_usd"].tolist() == [0.0]
    assert np.isnan(only_house["direct_share"].iloc[0])
    assert none.empty


@pytest.fixture(scope="module")
def lively() -> tuple[Book, PriceHistory, dict]:
    history = random_history(400, 4, seed=11)
    first = str(history.sessions[300])
    lots = [lot(f"L{n}", symbol, quantity, 100, first) for n, (symbol, quantity) in enumerate(
        [("S00", 30), ("S01", -20), ("S02", 10), ("S03", 40), ("SPY", 25), ("TLT", 60)]
    )]  # fmt: skip
    random = np.random.default_rng(1)
    betas = {
        symbol: dict(zip(("market", "rates", *FactorModel().spreads), random.normal(size=6), strict=True))
        for symbol in ("S00", "S01", "S02", "S03", "SPY", "TLT")
    }
    return book(lots, equity=50_000.0, inception=first), history, betas


def test_linear_books_are_linear_in_the_shock(lively):
    holdings, history, betas = lively
    sizes = (-0.4, -0.1, 0.1, 0.3)

    by_portfolio, _ = stressed(
        holdings, history, betas, *(Shock(f"m{n}", "market", "move", x) for n, x in enumerate(sizes))
    )

    per_unit = by_portfolio["pnl_usd"].to_numpy() / sizes
    np.testing.assert_allclose(per_unit, per_unit[0], rtol=1e-12)


def test_positions_add_up_to_their_portfolio_in_every_scenario(lively):
    holdings, history, betas = lively
    shocks = (MARKET_DOWN, Shock("spread", "size_spread", "deviations", 2.0))
    replays = (Replay("dated", date(2024, 2, 1), date(2024, 3, 1)), Replay("worst", worst_sessions=21))

    by_portfolio, by_position = stressed(holdings, history, betas, *shocks, replays=replays, rows=slice(-5, None))

    long = tidy_positions(by_position, by_portfolio)
    assert long.index.tolist() == list(range(len(long)))
    total = long.groupby(["session", "scenario"])["pnl_usd"].sum()
    found = by_portfolio.set_index(["session", "scenario"])["pnl_usd"]
    assert len(found) == 20
    np.testing.assert_allclose(total.reindex(found.index), found, rtol=1e-12)


def test_a_replay_of_stored_prices_is_the_sum_of_the_holdings_own_returns(lively):
    holdings, history, betas = lively
    replay = Replay("dated", date(2024, 11, 1), date(2025, 1, 15))

    by_portfolio, by_position = stressed(holdings, history, betas, replays=(replay,))

    rows = history.rows(np.array(["2024-11-01", "2025-01-15"], dtype="datetime64[D]"))
    closes = pd.DataFrame(history.close, columns=history.symbols).ffill()
    moved = closes.iloc[rows[1]] / closes.iloc[rows[0]] - 1
    value = position_values(*holdings, history, history.sessions[-1:], options=OptionModel())
    expected = value["market_value"] * moved.reindex(value["symbol"]).to_numpy()
    assert by_portfolio["pnl_usd"].iloc[0] == pytest.approx(expected.sum(), rel=1e-12)
    assert by_portfolio["direct_share"].iloc[0] == 1.0
    np.testing.assert_allclose(by_position["scenario_01_pnl_usd"], expected, rtol=1e-12)


def test_a_symbol_that_was_not_there_moves_by_its_beta_and_direct_share_says_so():
    """SPY falls from 100 to 80 while NEW has no prices yet: at beta 2 it loses 40 % of 1,000."""
    closes = {"SPY": [100.0, 80.0, *[100.0] * 20], "NEW": [np.nan] * 10 + [10.0] * 12, "OLD": [10.0, 5.0, *[10.0] * 20]}
    history = history_of(closes)
    entry = str(history.sessions[12])
    holdings = book([lot("L1", "NEW", 100, 10, entry), lot("L2", "OLD", 300, 10, entry)], inception=entry)
    replay = Replay("fall", history.sessions[0].item(), history.sessions[1].item())

    by_portfolio, by_position = stressed(holdings, history, {"NEW": {"market": 2.0}}, replays=(replay,))

    assert by_position["scenario_01_pnl_usd"].tolist() == pytest.approx([-400.0, -1_500.0])
    assert by_portfolio[["pnl_usd", "direct_share", "coverage", "shock"]].iloc[0].tolist() == pytest.approx(
        [-1_900.0, 0.75, 1.0, -0.2]
    )


def test_short_puts_lose_more_than_their_delta_says():
    """Two written puts, strike 100, UND at 100, 20 % volatility, 91 days: worth 3.98 each, and 20.02 at UND 80."""
    path = 100 * np.cumprod(np.r_[1.0, 1 + 0.2 / np.sqrt(252) * np.where(np.arange(69) % 2, 1.0, -1.0)])
    path *= 100 / path[-1]
    history = history_of({"SPY": [100.0] * 70, "UND": path})
    day = history.sessions[-1]
    terms = {"strike_price": 100.0, "option_type": "PUT", "expiration_date": str(day + 91)}
    holdings = book([option("L1", -2, 4.0, str(history.sessions[0]), **terms)], inception=str(history.sessions[0]))
    shocks = [Shock(f"s{n}", "market", "move", size) for n, size in enumerate((-0.20, -0.01, 0.01, 0.20))]

    by_portfolio, by_position = stressed(holdings, history, {"UND": {"market": 1.0}}, *shocks)

    volatility = pd.Series(path).pct_change().iloc[-63:].std() * np.sqrt(252)

    def put(spot: float) -> float:
        root = volatility * np.sqrt(91 / 365)
        d1 = np.log(spot / 100) / root + root / 2
        return 100 * norm.cdf(root - d1) - spot * norm.cdf(-d1)

    pnl = by_portfolio["pnl_usd"].to_numpy()
    np.testing.assert_allclose(pnl, [-200 * (put(100 * (1 + shock.size)) - put(100)) for shock in shocks], rtol=1e-9)
    assert pnl[0] == pytest.approx(-200 * (20.02 - 3.98), rel=0.01)
    assert pnl[0] < 20 * pnl[1], "twenty times the shock costs more than twenty times as much"
    assert pnl[3] < 20 * pnl[2], "and gains less: the premium is all that can be kept"
    adjusted = Book(holdings.portfolios, holdings.lots.assign(multiplier=10.0), holdings.flows)
    of_adjusted, _ = stressed(adjusted, history, {"UND": {"market": 1.0}}, *shocks)
    np.testing.assert_allclose(of_adjusted["pnl_usd"], pnl / 10, rtol=1e-9)
    assert by_position["symbol"].tolist() == ["UND-CALL"]
    assert (by_portfolio["direct_share"] == 1.0).all()


def test_a_cheap_contract_keeps_its_own_multiplier():
    """Puts at 85 with UND at 100 cost less than 1 USD: of 10 shares each they lose a tenth of what 100 shares lose."""
    path = 100 * np.cumprod(np.r_[1.0, 1 + 0.2 / np.sqrt(252) * np.where(np.arange(69) % 2, 1.0, -1.0)])
    history = history_of({"SPY": [100.0] * 70, "UND": 100 * path / path[-1]})
    first, last = str(history.sessions[0]), history.sessions[-1]
    terms = {"strike_price": 85.0, "option_type": "PUT", "expiration_date": str(last + 91)}
    usual = book([option("L1", -2, 0.5, first, **terms)], inception=first)
    small = Book(usual.portfolios, usual.lots.assign(multiplier=10.0), usual.flows)
    fall = Shock("fall", "market", "move", -0.20)

    (of_usual, _), (of_small, _) = (stressed(each, history, {"UND": {"market": 1.0}}, fall) for each in (usual, small))

    (position,) = position_values(*usual, history, history.sessions[-1:], options=OptionModel()).to_dict("records")
    assert 0 < position["price"] < 1
    assert of_usual["pnl_usd"].iloc[0] < -200 * 5 * 0.9, "exercised at 85 with UND at 80 it costs at least 5 a share"
    assert of_small["pnl_usd"].iloc[0] == pytest.approx(of_usual["pnl_usd"].iloc[0] / 10, rel=1e-9)


@pytest.mark.parametrize(("stated", "shares"), [(float("nan"), 100), (10.0, 10)])
def test_a_put_that_is_worth_nothing_is_worth_what_it_is_exercised_for_after_a_fall(stated: float, shares: int):
    """UND at 100 hardly moves: three puts at 50 with ten days to go are worth 0. At UND 40 each pays 10 a share, on 100
    shares or what the lot states. Of 10,000 they cost 0.1 a share: nothing that is held shows what is left.
    """
    path = 100 * np.cumprod(np.r_[1.0, 1 + 0.001 * np.where(np.arange(69) % 2, 1.0, -1.0)])
    history = history_of({"SPY": [100.0] * 70, "UND": 100 * path / path[-1]})
    first, last = str(history.sessions[0]), history.sessions[-1]
    terms = {"strike_price": 50.0, "option_type": "PUT", "expiration_date": str(last + 10)}
    usual = book([option("L1", 3, 0.1, first, **terms)], equity=10_000.0, inception=first)
    holdings = Book(usual.portfolios, usual.lots.assign(multiplier=stated), usual.flows)

    by_portfolio, _ = stressed(holdings, history, {"UND": {"market": 1.0}}, Shock("fall", "market", "move", -0.60))

    (position,) = position_values(*holdings, history, history.sessions[-1:], options=OptionModel()).to_dict("records")
    assert (position["price"], position["market_value"]) == (0.0, 0.0)
    gain = 3 * shares * (50 - 40)
    assert by_portfolio["pnl_usd"].iloc[0] == pytest.approx(gain, rel=1e-9)
    assert by_portfolio["pnl_share"].iloc[0] == pytest.approx(gain / (10_000 - 3 * shares * 0.1), rel=1e-9)


def test_of_a_book_that_is_worth_nothing_and_owes_money_there_is_no_share():
    """Puts at 50 with UND at 100 are worth 0; 200 were paid for them out of 100."""
    path = 100 * np.cumprod(np.r_[1.0, 1 + 0.001 * np.where(np.arange(69) % 2, 1.0, -1.0)])
    history = history_of({"SPY": [100.0] * 70, "UND": 100 * path / path[-1]})
    first, last = str(history.sessions[0]), history.sessions[-1]
    terms = {"strike_price": 50.0, "option_type": "PUT", "expiration_date": str(last + 10)}
    holdings = book([option("L1", 1, 2.0, first, **terms)], equity=100.0, inception=first)

    by_portfolio, _ = stressed(holdings, history, {"UND": {"market": 1.0}}, Shock("fall", "market", "move", -0.60))

    assert by_portfolio["pnl_usd"].iloc[0] == pytest.approx(100 * (50 - 40), rel=1e-9)
    assert np.isnan(by_portfolio["pnl_share"].iloc[0])


def test_two_deviations_are_those_of_the_spreads_moves_over_63_sessions():
    history = random_history(400, 2, seed=4)
    sessions = history.sessions[-3:]

    moves = shock_moves((Shock("s", "size_spread", "deviations", 2.0),), history, sessions, FactorModel(), DURATION)

    returns = pd.DataFrame(history.close, columns=history.symbols).pct_change(fill_method=None)
    spread = (returns["IWM"] - returns["SPY"]).rolling(252).std().iloc[-3:] * np.sqrt(63)
    np.testing.assert_allclose(moves[0], 2 * spread, rtol=1e-10)


@pytest.mark.parametrize(("returns", "is_known"), [(125, False), (126, True), (127, True)])
def test_a_deviation_takes_half_a_window_of_returns(returns, is_known):
    """Of those there are: with 126 or 127 in the last 252 sessions, n - 1 of them are free."""
    full = random_history(400, 2, seed=4)
    closes = pd.DataFrame(full.close, columns=full.symbols).ffill()[["SPY", "IWM"]].iloc[-returns - 1 :]
    history = history_of({symbol: [np.nan] * 150 + closes[symbol].tolist() for symbol in closes})
    shock = Shock("s", "size_spread", "deviations", 1.0)

    ((move,),) = shock_moves((shock,), history, history.sessions[-1:], FactorModel(), DURATION)

    daily = closes.pct_change().dropna()
    expected = (daily["IWM"] - daily["SPY"]).std(ddof=1) * np.sqrt(63)
    assert np.isfinite(move) == is_known
    assert not is_known or move == pytest.approx(expected, rel=1e-10)


def test_the_deviation_of_a_spread_is_not_known_without_both_of_its_etfs():
    history = random_history(400, 2, seed=4)
    shock = Shock("s", "size_spread", "deviations", 1.0)

    moves = [
        shock_moves((shock,), history.of(legs), history.sessions[-1:], FactorModel(), DURATION)
        for legs in (["SPY"], ["IWM"], ["TLT"], ["SPY", "IWM"])
    ]

    assert [np.isfinite(move).item() for move in moves] == [False, False, False, True]


def test_a_scenario_that_is_not_known_on_a_session_has_no_row():
    history = random_history(400, 2, seed=4)
    holdings = book([lot("L1", "SPY", 10, 100, str(history.sessions[50]))], inception=str(history.sessions[50]))
    shocks = (MARKET_DOWN, Shock("spread", "size_spread", "deviations", 2.0))

    by_portfolio, by_position = stressed(
        holdings, history, {"SPY": {"market": 1.0, "size_spread": 0.1}}, *shocks, rows=slice(125, 128)
    )

    assert by_portfolio.groupby("session").size().tolist() == [1, 2, 2]
    assert by_position["scenario_02_pnl_usd"].notna().tolist() == [False, True, True]


def test_a_session_alone_and_lots_in_another_order_have_the_same_bits(lively):
    holdings, history, betas = lively
    shocks, replays = (MARKET_DOWN,), (Replay("worst", worst_sessions=21),)
    together = stressed(holdings, history, betas, *shocks, replays=replays, rows=slice(-8, None))
    shuffled = Book(holdings.portfolios, holdings.lots.sample(frac=1.0, random_state=1), holdings.flows)

    alone = stressed(shuffled, history, betas, *shocks, replays=replays, rows=slice(-4, -3))

    for found, expected in zip(alone, together, strict=True):
        day = history.sessions[-4]
        assert_same_bits(found, expected[expected["session"].to_numpy().astype("datetime64[D]") == day])


def test_under_stress_a_strike_is_reduced_by_a_large_distribution_as_it_is_in_the_valuation():
    """A distribution of 15 on 100: from the ex-date on the contract is worth what it is at a strike of 85."""
    closes = [100.0 + (number % 2) for number in range(76)]
    closes[74:] = [86.0, 85.0]
    history = history_of({"SPY": [100.0] * 76, "UND": closes})
    dividend = history.dividend.copy()
    dividend[74, history.column("UND")] = 15.0
    history = replace(history, dividend=dividend)
    entry, expiration = str(history.sessions[70]), str(history.sessions[-1] + np.timedelta64(90, "D"))
    holdings = book([option("L1", 1, 5.0, entry, expiration_date=expiration)], inception=entry)
    positions = position_values(*holdings, history, history.sessions[72:], options=OptionModel())

    terms = contracts(positions, holdings.lots, history, history, OptionModel())

    assert terms.strike.tolist() == [100.0, 100.0, 85.0, 85.0]
