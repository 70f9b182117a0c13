"""Where risk comes from: the numbers again from positions by pandas, identities, and no row of another session."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from sigma_assets.analytics.risk.attribution import volatility_contributions
from sigma_assets.analytics.risk.attribution_formulas import FORMULAS
from sigma_assets.analytics.risk.held_book import HeldBook, ReturnWindows, exceptions, held_book
from sigma_assets.analytics.risk.held_rows import held_returns, held_rows
from sigma_assets.analytics.risk.tails import value_at_risk
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.analytics.series.returns import total_returns
from sigma_assets.analytics.valuation.ledger import ledgers
from sigma_assets.base.conventions import OptionModel, VolatilityModel
from sigma_assets_tests.analytics.books import assert_same_bits, book, lot, portfolio_snapshots, position_values
from sigma_assets_tests.analytics.histories import history_of_returns
from sigma_assets_tests.analytics.histories import tail as later_part
from sigma_assets_tests.analytics.risk.worlds import FACTORS, MODEL, risk_of, whole_history, world


def test_two_symbols_share_their_portfolios_volatility_as_by_hand():
    """sd 0.2 and 0.1, correlation 0.3, weights 0.6 and 0.4: 0.115280 + 0.022124 = 0.137405."""
    random = np.random.default_rng(1)
    white = random.normal(size=(63, 2))
    white -= white.mean(axis=0)
    orthogonal = np.linalg.qr(white)[0] * np.sqrt(62)
    daily = np.array([0.2, 0.1]) / np.sqrt(252)
    returns = (
        np.stack([orthogonal[:, 0], 0.3 * orthogonal[:, 0] + np.sqrt(1 - 0.09) * orthogonal[:, 1]]) * daily[:, None]
    )
    weight = np.array([0.6, 0.4])

    contribution, total = volatility_contributions(weight, returns, np.zeros(2, dtype=int), (weight @ returns)[None, :])

    assert contribution == pytest.approx([0.115280, 0.022124], abs=5e-7)
    assert total[0] == pytest.approx(0.137405, abs=5e-7)


def test_a_volatility_takes_two_returns():
    """+1 % and -1 %: the standard deviation is 1 % x sqrt(2)."""
    portfolio = np.array([[0.01, -0.01], [np.nan, 0.01]])
    returns = np.nan_to_num(portfolio)

    contribution, total = volatility_contributions(np.ones(2), returns, np.arange(2), portfolio)

    assert total.tolist() == pytest.approx([0.01 * np.sqrt(2 * 252), np.nan], nan_ok=True)
    assert contribution.tolist() == pytest.approx(total.tolist(), nan_ok=True)


@pytest.fixture(scope="module")
def complete():
    holdings, history = world(gaps=False)
    return holdings, history, risk_of(holdings, history)


@pytest.fixture(scope="module")
def with_gaps():
    holdings, history = world()
    return holdings, history, risk_of(holdings, history)


@pytest.mark.parametrize("which", ["complete", "with_gaps"])
def test_contributions_add_up(which: str, request: pytest.FixtureRequest):
    _, _, (by_portfolio, by_position, by_factor) = request.getfixturevalue(which)
    keys = ["portfolio_id", "session"]
    total = by_position.groupby(keys)[["volatility_contribution", "share", "es_contribution"]].sum(min_count=1)
    found = by_portfolio.set_index(keys).join(total).dropna(subset=["realized_63d"])

    assert len(found) > 250
    np.testing.assert_allclose(found["volatility_contribution"], found["realized_63d"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["es_contribution"], found["es_95"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["share"], 1.0, rtol=0, atol=1e-11)
    shares = by_factor.groupby(keys)["variance_share"].sum()
    np.testing.assert_allclose(shares + found["specific_share"], 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("which", ["complete", "with_gaps"])
def test_the_volatility_attributed_is_that_of_the_table_of_volatilities(which: str, request: pytest.FixtureRequest):
    holdings, history, (by_portfolio, _, _) = request.getfixturevalue(which)
    positions = position_values(*holdings, history, history.sessions[330:], options=OptionModel())

    expected, _ = volatility(positions, history, VolatilityModel())

    both = by_portfolio.merge(expected, on=["portfolio_id", "session"], suffixes=("", "_again"))
    assert len(both) == len(expected)
    np.testing.assert_allclose(both["realized_63d"], both["realized_63d_again"], rtol=1e-12)
    np.testing.assert_allclose(both["coverage"], both["coverage_again"], rtol=1e-12)


@pytest.mark.parametrize("row", [330, 345, 470, 559, 560, 619])
def test_a_session_again_from_positions_prices_and_pandas(row: int, complete):
    holdings, history, (by_portfolio, by_position, by_factor) = complete
    positions = position_values(*holdings, history, history.sessions, options=OptionModel()).dropna(
        subset=["risk_weight"]
    )
    weights = positions.groupby(["session", "risk_symbol"])["risk_weight"].sum().unstack(fill_value=0.0)
    daily = pd.DataFrame(
        total_returns(history), index=history.sessions.astype("datetime64[s]"), columns=history.symbols
    )
    snapshots = portfolio_snapshots(*holdings, history, history.sessions, options=OptionModel())
    earned = snapshots.set_index("session")["daily_return"]
    day = daily.index[row]

    def held(at: int) -> pd.Series:
        window = daily.iloc[max(at - 249, 1) : at + 1][weights.columns]
        return window @ weights.loc[daily.index[at]]

    def var(at: int, q: float) -> float:
        return -np.quantile(held(at), q, method="inverted_cdf")

    found = by_portfolio.set_index("session").loc[day]
    returns = held(row)
    assert found["observations"] == len(returns)
    for level, q in {"95": 0.05, "99": 0.01}.items():
        assert found[f"var_{level}"] == pytest.approx(var(row, q), abs=1e-12)
        assert found[f"es_{level}"] == pytest.approx(-returns[returns <= -var(row, q) + 1e-13].mean(), abs=1e-12)
    assert found["var_99_normal"] == pytest.approx(2.326347874 * returns.std() - returns.mean(), abs=1e-11)
    equity = snapshots.set_index("session")["equity"][day]
    assert found["es_975_usd"] == pytest.approx(found["es_975"] * equity, rel=1e-12)

    judged = range(max(row - 249, 331), row + 1)
    exceptions = sum(earned.iloc[at - 330] < -var(at - 1, 0.01) for at in judged)
    assert found["backtest_sessions"] == len(judged)
    assert found["exceptions"] == exceptions

    of_positions = by_position[by_position["session"] == day].set_index("symbol")
    held_today = weights.loc[day][weights.loc[day] != 0]
    assert of_positions.index.tolist() == sorted(held_today.index)
    last = daily.iloc[row - 62 : row + 1]
    covariance = last[held_today.index].cov() @ held_today
    expected = held_today * covariance / np.sqrt(held_today @ covariance) * np.sqrt(252)
    pd.testing.assert_series_equal(
        of_positions["volatility_contribution"], expected, check_names=False, rtol=1e-10, check_index_type=False
    )

    legs = [FACTORS.spreads[name] for name in FACTORS.spreads]
    factors = pd.concat([daily["SPY"], daily["TLT"], *(daily[a] - daily[b] for a, b in legs)], axis=1).iloc[
        max(row - 251, 1) : row + 1
    ]
    whole = (daily.iloc[max(row - 251, 1) : row + 1][weights.columns] @ weights.loc[day]).to_numpy()
    fit = sm.OLS(whole, sm.add_constant(factors.to_numpy())).fit()
    of_factors = by_factor[by_factor["session"] == day]
    assert of_factors["factor"].tolist() == ["market", "rates", *FACTORS.spreads]
    np.testing.assert_allclose(of_factors["beta"], fit.params[1:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(of_factors["std_error"], fit.bse[1:], rtol=1e-8)
    assert found["specific_share"] == pytest.approx(1 - fit.rsquared, abs=1e-10)
    market = sm.OLS(whole, sm.add_constant(factors.iloc[:, 0].to_numpy())).fit()
    assert found["systematic_share"] == pytest.approx(market.rsquared, abs=1e-10)
    assert found["factor_observations"] == len(factors)


def test_the_fit_on_the_market_alone_counts_sessions_without_the_other_factors_and_says_so():
    """40 sessions without TLT: 212 of 252 returns are left for six factors, all 252 for the market alone."""
    _, history = world(gaps=False)
    last = len(history.sessions) - 1
    history.close[last - 100 : last - 60, history.column("TLT")] = np.nan
    stock = book(
        [lot("L1", "S00", 300, 100.0, str(history.sessions[330]))],
        equity=100_000.0,
        inception=str(history.sessions[330]),
    )

    found = risk_of(stock, history, history.sessions[last:])[0].iloc[0]

    pair = total_returns(history)[-252:, [history.column("S00"), history.column("SPY")]]
    assert found["factor_observations"] == 252 - 40
    assert found["systematic_share"] == pytest.approx(np.corrcoef(pair.T)[0, 1] ** 2, abs=1e-12)
    said = FORMULAS["risk_by_portfolio"]["systematic_share"].text
    assert "on which portfolio and market have a return" in said
    assert "{factor_observations}" not in said


def test_a_symbol_without_a_return_in_three_months_has_no_contribution_to_their_volatility():
    """Delisted 100 sessions ago: what it adds to volatility is not known, and 0 would say that it adds nothing."""
    _, history = world(gaps=False)
    history.close[-100:, history.column("S01")] = np.nan
    days = history.sessions.astype(str)
    lots = [lot("L1", "S00", 300, 100.0, days[330]), lot("L2", "S01", 20, 100.0, days[330])]

    by_portfolio, by_position, _ = risk_of(
        book(lots, equity=100_000.0, inception=days[330]), history, history.sessions[-1:]
    )

    found = by_position.set_index("symbol")
    assert found.loc["S00", "volatility_contribution"] == pytest.approx(by_portfolio.loc[0, "realized_63d"], rel=1e-12)
    assert np.isnan(found.loc["S01", ["volatility_contribution", "share"]].to_numpy(dtype=float)).all()
    assert np.isfinite(found.loc["S01", "es_contribution"]), "of the 250 sessions it has 150"


def test_without_the_market_no_share_is_called_specific():
    """SPY on 125 of 252 sessions, one too few: what rates and one spread leave over is not "explained by no factor"."""
    _, history = world(gaps=False)
    last = len(history.sessions) - 1
    history.close[last - 251 : last - 124, history.column("SPY")] = np.nan
    days = history.sessions.astype(str)
    stock = book([lot("L1", "S00", 300, 100.0, days[330])], equity=100_000.0, inception=days[330])

    by_portfolio, _, by_factor = risk_of(stock, history, history.sessions[last:])

    found = by_portfolio.iloc[0]
    assert np.isfinite(found["var_95"])
    assert np.isnan([found["specific_share"], found["systematic_share"], found["factor_observations"]]).all()
    assert by_factor.empty


def test_a_session_alone_has_the_bits_that_it_has_among_all(with_gaps):
    holdings, history, together = with_gaps
    for row in (330, 480, 619):
        day = history.sessions[row : row + 1]

        alone = risk_of(holdings, history, day)

        for found, expected in zip(alone, together, strict=True):
            assert_same_bits(found, expected[expected["session"].to_numpy().astype("datetime64[D]") == day[0]])


def test_portfolios_computed_together_have_the_bits_of_each_alone(with_gaps):
    """Of other symbols, other ages and other numbers of lots; one holds nothing that moves."""
    first, history, _ = with_gaps
    days = history.sessions.astype(str)
    others = [
        book([lot("M1", "S04", 30, 100.0, days[420])], inception=days[420], portfolio_id="P2"),
        book([], inception=days[300], portfolio_id="P3"),
        book(
            [lot(f"N{n}", f"S0{n}", 9 - 5 * n, 50.0, days[200]) for n in range(4)],
            inception=days[200],
            portfolio_id="P4",
        ),
    ]
    several = type(first)(*(pd.concat(tables, ignore_index=True) for tables in zip(first, *others, strict=True)))

    together = risk_of(several, history, history.sessions[500:503])

    alone = [risk_of(each, history, history.sessions[500:503]) for each in (first, *others)]
    assert together[0]["portfolio_id"].unique().tolist() == ["P1", "P2", "P4"]
    for found, parts in zip(together, zip(*alone, strict=True), strict=True):
        assert_same_bits(found, pd.concat(parts, ignore_index=True))


def test_a_volatility_takes_a_window_of_63_returns():
    """Of 64 prices there are 63 returns, of 63 there are 62: the volatility begins with the 64th price."""
    history = whole_history(70, 1)
    first = str(history.sessions[0])
    holdings = book([lot("L1", "S00", 10, 100.0, first)], inception=first)

    by_portfolio, by_position, _ = risk_of(holdings, history, history.sessions)

    assert by_position["session"].tolist() == [pd.Timestamp(day) for day in history.sessions[63:]]
    close = pd.Series(history.close[:, history.column("S00")])
    weight = 10 * close / (10_000 - 1_000 + 10 * close)
    expected = close.pct_change().rolling(63).std() * weight * np.sqrt(252)
    found = by_portfolio.set_index("session")["realized_63d"].reindex(history.sessions.astype("datetime64[s]"))
    assert found.notna().tolist() == [False] * 63 + [True] * (len(history.sessions) - 63)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_where_too_few_recent_returns_give_a_volatility_there_is_still_value_at_risk():
    """A symbol with 220 returns, then halted for 20 of the last 63 sessions: 43 are not enough for a volatility."""
    history = whole_history(240, 1)
    history.close[-20:, history.column("S00")] = np.nan
    first = str(history.sessions[0])
    holdings = book([lot("L1", "S00", 10, 100.0, first)], inception=first)

    by_portfolio, by_position, _ = risk_of(holdings, history, history.sessions[-1:])

    assert np.isnan(by_portfolio["realized_63d"]).tolist() == [True]
    assert by_portfolio["observations"].tolist() == [220]
    assert np.isnan(by_position["volatility_contribution"]).tolist() == [True]
    assert by_position["es_contribution"].tolist() == pytest.approx(by_portfolio["es_95"].tolist(), abs=1e-12)


def test_value_at_risk_takes_100_returns():
    history = whole_history(100, 1)
    first = str(history.sessions[0])

    by_portfolio, _, _ = risk_of(book([lot("L1", "S00", 10, 100.0, first)], inception=first), history, history.sessions)

    numbers = by_portfolio.set_index("session")[["observations", "var_95", "var_99_normal"]]
    assert numbers.dropna().index.tolist() == [pd.Timestamp(history.sessions[100])]
    assert numbers.loc[pd.Timestamp(history.sessions[100]), "observations"] == 100


def test_a_factor_that_does_not_move_has_no_row():
    history = whole_history(200, 1)
    history.close[:, history.column("TLT")] = 100.0
    first = str(history.sessions[0])
    holdings = book([lot("L1", "S00", 10, 100.0, first)], inception=first)

    _, _, by_factor = risk_of(holdings, history, history.sessions[-1:])

    assert by_factor["factor"].tolist() == ["market", *FACTORS.spreads]


def test_a_symbol_without_any_return_has_no_row():
    """Its lot is valued at the entry price throughout: it has a weight, and nothing to attribute."""
    history = whole_history(120, 2)
    history.close[:, history.column("S01")] = np.nan
    first = str(history.sessions[0])
    lots = [lot("L1", "S00", 50, 100.0, first), lot("L2", "S01", 1, 100.0, first)]

    _, by_position, _ = risk_of(book(lots, inception=first), history, history.sessions[-1:])

    assert by_position["symbol"].tolist() == ["S00"]


def test_later_prices_change_nothing_and_earlier_ones_than_the_windows_neither(with_gaps):
    holdings, history, together = with_gaps
    day = history.sessions[520:521]
    spoiled = replace(history, close=history.close.copy())
    spoiled.close[521:] *= 3.0

    ahead = risk_of(holdings, spoiled, day)
    later = risk_of(holdings, later_part(history, 520 - 190 - 253), day)

    for found, other, expected in zip(ahead, later, together, strict=True):
        rows = expected[expected["session"].to_numpy().astype("datetime64[D]") == day[0]]
        assert_same_bits(found, rows)
        assert_same_bits(other, rows)


@pytest.mark.parametrize("times", [2.0, 1e-6])
def test_the_same_book_with_more_or_less_of_everything_has_the_same_fractions(times: float, complete):
    holdings, history, (by_portfolio, _, by_factor) = complete
    scaled = type(holdings)(
        holdings.portfolios.assign(initial_equity_usd=100_000.0 * times),
        holdings.lots.assign(quantity=holdings.lots["quantity"] * times),
        holdings.flows.assign(amount_usd=holdings.flows["amount_usd"] * times),
    )

    found, _, of_factors = risk_of(scaled, history)

    fractions = ["realized_63d", "var_95", "es_99", "exceptions", "specific_share"]
    pd.testing.assert_frame_equal(found[fractions], by_portfolio[fractions], rtol=1e-12)
    pd.testing.assert_series_equal(found["var_95_usd"], times * by_portfolio["var_95_usd"], rtol=1e-12)
    pd.testing.assert_frame_equal(of_factors, by_factor, rtol=1e-8)


def test_a_portfolio_without_anything_that_moves_has_no_rows(complete):
    _, history, expected = complete
    empty = book([], equity=1000.0, inception=str(history.sessions[400]))

    for found, like in zip(risk_of(empty, history), expected, strict=True):
        assert found.empty
        assert found.dtypes.equals(like.dtypes)


def test_exceptions_are_returns_below_the_value_at_risk_of_the_session_before(complete, with_gaps):
    """By the quantile itself, which the code need not know: of each session's window, at the weights of that session."""
    for holdings, history, _ in (complete, with_gaps):
        (ledger,) = ledgers(*holdings, history, history.sessions[330:], options=OptionModel())
        of_all, windows = held_book(ledger, 250), ReturnWindows.of(history, 252)
        returns, _ = held_returns(held_rows([of_all], windows), min_coverage=0.8)
        limit = -value_at_risk(returns[:, -250:], "99", min_observations=100)[:-1]
        daily = of_all.daily_return[1:]

        is_judged, is_exception = exceptions(of_all, windows, MODEL)

        assert is_judged.tolist() == [False, *(np.isfinite(limit) & np.isfinite(daily))]
        assert is_exception.tolist() == [False, *(daily < limit)]
        assert 2 < is_exception.sum() < 20


def one_symbol(market: list[float], daily_return: list[float], weight: float = 1.0) -> tuple[HeldBook, ReturnWindows]:
    """Return a book of one symbol on its last sessions, and the windows of the symbol's returns of `market`."""
    history = history_of_returns({"S00": np.array(market)})
    n_sessions = len(daily_return)
    held = HeldBook(
        portfolio_id="p",
        sessions=history.sessions[-n_sessions:],
        wanted=np.arange(n_sessions),
        symbols=np.array(["S00"], dtype=object),
        weight=np.full((n_sessions, 1), weight),
        is_held=np.ones((n_sessions, 1), dtype=bool),
        equity=np.full(n_sessions, 1_000.0),
        daily_return=np.array(daily_return),
    )
    return held, ReturnWindows.of(history, 252)


def test_a_loss_is_an_exception_if_fewer_than_three_of_250_days_were_as_bad():
    """The third worst of 250 is value at risk at 99 %: 3 % here. Losing just that, but for rounding, is none."""
    market = [0.01] * 247 + [-0.05, -0.04, -0.03]
    days = [(-0.03 + 1e-14), -0.03 - 1e-14, -0.0301, -0.02, 0.01]

    for loss in days:
        held, windows = one_symbol([*market, loss], [0.0, loss])

        assert exceptions(held, windows, MODEL)[1].tolist() == [False, loss == -0.0301]


def test_the_days_that_are_worst_for_most_sessions_need_not_be_those_of_one():
    """The book is short afterwards, so the days that it is compared with first are those that rose."""
    market = [0.01] * 247 + [-0.05, -0.04, -0.03]

    for loss, expected in ((-0.03, False), (-0.0301, True)):
        held, windows = one_symbol([*market, loss, loss], [0.0, loss, np.nan])
        held = replace(held, weight=np.array([[1.0], [-3.0], [-3.0]]))

        assert exceptions(held, windows, MODEL)[1].tolist() == [False, expected, False]


def test_four_of_five_equal_weights_are_enough_for_a_day_to_count():
    history = history_of_returns({f"S{number:02d}": np.full(300, 0.001) for number in range(4)})
    symbols = np.array([f"S{number:02d}" for number in range(5)], dtype=object)
    held = HeldBook(
        portfolio_id="p",
        sessions=history.sessions[-2:],
        wanted=np.arange(2),
        symbols=symbols,
        weight=np.full((2, 5), 0.2),
        is_held=np.ones((2, 5), dtype=bool),
        equity=np.full(2, 1_000.0),
        daily_return=np.array([0.0, -0.5]),
    )

    is_judged, _ = exceptions(held, ReturnWindows.of(history, 252), MODEL)
    by_less, _ = exceptions(
        replace(held, weight=held.weight * [0.99, 0.99, 0.99, 0.99, 1.0]), ReturnWindows.of(history, 252), MODEL
    )

    assert is_judged.tolist() == [False, True]
    assert by_less.tolist() == [False, False]


def test_sessions_that_the_prices_do_not_reach_are_refused():
    held, windows = one_symbol([0.001] * 260, [0.0, 0.0])
    beyond = np.array([held.sessions[-1], held.sessions[-1] + 1])

    with pytest.raises(KeyError, match="are not in"):
        exceptions(replace(held, sessions=beyond), windows, MODEL)


def test_without_equity_there_are_no_weights(complete):
    holdings, history, _ = complete
    (ledger,) = ledgers(*holdings, history, history.sessions[330:335], options=OptionModel())
    equity = ledger.equity.copy()
    equity[-2:] = 0.0, -1.0

    weight = held_book(replace(ledger, equity=equity), 2).weight

    assert np.isnan(weight).any(axis=1).tolist() == [False] * (len(weight) - 2) + [True] * 2
    assert not np.isinf(weight).any()


def test_only_the_250_days_before_a_session_judge_it():
    """Three days of -5 % at its beginning do, one of them just before it does not, and neither do days after the session."""
    losses = [-0.03, -0.05, -0.05, -0.05]

    for calm, expected in ((247, [False, True, True, True]), (248, [True, True, True, True])):
        held, windows = one_symbol([*[-0.05] * 3, *[0.001] * calm, *losses], [0.0, *losses])

        assert exceptions(held, windows, MODEL)[1].tolist() == [False, *expected]


def test_fewer_than_100_days_judge_nothing():
    held, windows = one_symbol([*[0.001] * 98, -0.5, -0.5, -0.5, -0.5], [0.0, -0.5, -0.5, -0.5, -0.5])

    assert exceptions(held, windows, MODEL)[0].tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("days", [300, 120])
def test_a_session_is_judged_at_the_weights_of_the_session_before_and_not_without_any(days: int):
    held, windows = one_symbol([-0.01, 0.01] * (days // 2), [0.0, -0.015, -0.015, -0.015, np.nan])
    weights = np.array([[2.0], [1.0], [0.0], [np.nan], [1.0]])  # 2 % could be lost, then 1 %, then nothing is known

    is_judged, is_exception = exceptions(replace(held, weight=weights), windows, MODEL)

    assert is_judged.tolist() == [False, True, True, False, False]
    assert is_exception.tolist() == [False, False, True, False, False]
