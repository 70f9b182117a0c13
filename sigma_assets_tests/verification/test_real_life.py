"""Holdings as they are in real life: what a broker's statement shows, from the file to the numbers (SPEC scenario 15)."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.factors.exposures import betas
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.conventions import OptionModel, VolatilityModel
from sigma_assets.base.frames import PriceHistory
from sigma_assets.holdings.reader import read_holdings
from sigma_assets_tests.analytics.books import portfolio_snapshots, position_values

TODAY = date(2024, 12, 31)
SESSIONS = nyse_calendar().between(date(2023, 6, 1), date(2024, 12, 31))
HEADER = "Symbol,Quantity,Entry Price Per Share,Entry Date"


def history(closes: dict[str, object], dividends: dict | None = None, splits: dict | None = None) -> PriceHistory:
    """Return prices of symbols over `SESSIONS`; a number is a close that never moves."""
    symbols = np.array(sorted(closes), dtype=object)
    close = np.column_stack([np.broadcast_to(np.asarray(closes[symbol], float), SESSIONS.shape) for symbol in symbols])
    action = {"dividends": np.zeros(close.shape), "splits": np.ones(close.shape)}
    for name, entries in (("dividends", dividends), ("splits", splits)):
        for (symbol, day), value in (entries or {}).items():
            action[name][np.searchsorted(SESSIONS, np.datetime64(day)), np.searchsorted(symbols, symbol)] = value
    none = np.full(len(symbols), np.nan)
    return PriceHistory(
        sessions=SESSIONS,
        symbols=symbols,
        close=close,
        volume=np.full(close.shape, np.nan),
        split_factor=action["splits"],
        dividend=action["dividends"],
        prior_close=none,
        prior_session=none.astype("datetime64[D]"),
    )


def numbers(
    text: str, prices: PriceHistory, equity: float = 100_000.0, flows: list[tuple[str, float, str]] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return snapshots, by session, and position values of a portfolio with these holdings."""
    lots = read_holdings(text.encode(), "book.csv", TODAY)
    lots = lots.assign(portfolio_id="p", lot_id=[f"L{number:03d}" for number in range(len(lots))])
    portfolio = {"portfolio_id": "p", "inception": lots["entry_date"].min(), "initial_equity_usd": equity}
    cash = pd.DataFrame(
        [
            {"flow_id": f"F{n}", "portfolio_id": "p", "flow_date": d, "amount_usd": a, "kind": k}
            for n, (d, a, k) in enumerate(flows or [])
        ],
        columns=["flow_id", "portfolio_id", "flow_date", "amount_usd", "kind"],
    ).astype({"flow_date": "datetime64[s]", "amount_usd": float})
    inputs = (pd.DataFrame([portfolio]), lots, cash, prices, SESSIONS)
    snapshots = portfolio_snapshots(*inputs, options=OptionModel()).set_index("session")
    return snapshots, position_values(*inputs, options=OptionModel())


def test_a_partial_sale_is_two_lots_and_1600_realized():
    text = f"{HEADER},Exit Date,Exit Price Per Share\nAAPL,40,150,2024-01-05,2024-06-03,190\nAAPL,60,150,2024-01-05,,\n"

    snapshots, positions = numbers(text, history({"AAPL": 190.0}))

    assert snapshots.loc["2024-06-03", "realized_pnl"] == 40 * 40
    assert positions.set_index("session").loc["2024-06-04", "market_value"] == 60 * 190


@pytest.mark.parametrize(
    "symbol", ["-AAPL250117C200", ".AAPL250117C200", "AAPL_011725C200", "AAPL250117C200", "O.AAPL250117C200"]
)
def test_a_contract_in_a_brokers_notation_costs_a_hundred_times_its_price(symbol):
    _, positions = numbers(f"{HEADER}\n{symbol},2,5.00,2024-06-03\n", history({"AAPL": 190.0}))

    assert set(positions["symbol"]) == {"AAPL250117C00200000"}
    assert set(positions["cost_basis"]) == {1000.0}


def test_a_bond_is_worth_its_per_cent_of_the_face_value():
    text = f"{HEADER},Investment Class,Investment Subtype\n912828YK0,10000,99.5,2024-01-05,PUBLIC,BOND\n"

    snapshots, positions = numbers(text, history({"SPY": 100.0}))

    assert set(positions["market_value"]) == {9_950.0}
    assert snapshots["leverage"].max() == pytest.approx(0.0995)


def test_a_coupon_is_in_per_cent_of_par_like_the_price():
    """10,000 of face at 98, then a coupon of 2.5: 250 USD, not 25,000; the lot's return is that of the symbol."""
    text = f"{HEADER},Investment Class,Investment Subtype\n912828YK0,10000,98,2024-06-03,PUBLIC,BOND\n"

    snapshots, positions = numbers(text, history({"912828YK0": 98.0}, {("912828YK0", "2024-06-05"): 2.5}))

    held = positions.set_index("session").loc["2024-06-05"]
    assert snapshots.loc["2024-06-05", ["dividend_income", "daily_pnl"]].tolist() == [250.0, 250.0]
    assert held["daily_pnl"] / held["market_value"] == pytest.approx(2.5 / 98, rel=1e-15)
    assert snapshots["equity"].iloc[-1] == 100_250.0


def test_a_gift_costs_nothing_and_is_worth_its_price():
    snapshots, _ = numbers(f"{HEADER}\nGEV,25,0,2024-04-02\n", history({"GEV": 140.0}))

    assert snapshots["equity"].iloc[0] == 100_000 + 25 * 140


def test_a_money_market_fund_without_quotes_is_cash_and_costs_nothing_of_what_is_known():
    """30,000 of the fund beside a share: every number is that of the same book with cash in the bank."""
    rng = np.random.default_rng(7)
    closes = 40 * np.cumprod(1 + rng.normal(0, 0.01, len(SESSIONS)))
    prices = history({"PLN": closes})
    header = f"{HEADER},Investment Class,Investment Subtype"
    fund = f"{header}\nSPAXX,30000,1,2024-06-03,PUBLIC,CASH\nPLN,1700,41,2024-06-03,,\n"
    bank = fund.replace("SPAXX,30000,1,2024-06-03,PUBLIC,CASH", "CASH_USD,30000,1,2024-06-03,,")

    snapshots, positions = numbers(fund, prices)
    other, others = numbers(bank, prices)
    by_portfolio, by_symbol = volatility(positions, prices, VolatilityModel())

    pd.testing.assert_frame_equal(snapshots, other)
    pd.testing.assert_frame_equal(by_portfolio, volatility(others, prices, VolatilityModel())[0])
    assert len(by_portfolio) == len(snapshots)
    assert set(by_symbol["symbol"]) == {"PLN"}
    assert set(snapshots["cash_equivalents"]) == {30_000.0}
    assert set(snapshots["positions"]) == {1}
    assert set(snapshots["hhi"]) == {10_000.0}
    np.testing.assert_allclose(snapshots["gross_exposure"], 1700 * closes[-len(snapshots) :])
    np.testing.assert_allclose(snapshots["cash"], 100_000 - 30_000 - 1700 * 41)


def test_cash_equivalents_have_beta_0_and_lower_no_coverage():
    prices = history({"PLN": 40.0})
    _, positions = numbers(f"{HEADER}\nSPAXX**,30000,1,2024-06-03\nPLN,1700,41,2024-06-03\n", prices)
    factors = pd.DataFrame(
        [
            {"session": session, "symbol": "PLN"}
            | {
                f"{name}_{measure}": value
                for name in ("market", "rates")
                for measure, value in (("beta", 0.8), ("r_squared", 0.5), ("observations", 90.0))
            }
            for session in positions["session"].unique()
        ]
    )

    by_portfolio, by_position = betas(positions, factors)

    assert set(by_portfolio["market_coverage"]) == {1.0}
    assert set(by_position.loc[by_position["symbol"] == "SPAXX", "market_beta"]) == {0.0}
    assert by_portfolio["market_beta"].iloc[0] == pytest.approx(0.8 * 1700 * 40 / (100_000 - 1700))


def test_from_the_session_without_equity_there_is_no_index_and_nothing_falls_below_nothing():
    closes = np.where(np.datetime64("2024-02-01") <= SESSIONS, 20.0, 10.0)
    text = f"{HEADER}\nSQZ,-6000,10,2024-01-08\n"

    snapshots, _ = numbers(text, history({"SQZ": closes}), equity=50_000)

    over = snapshots.loc["2024-02-01":]
    assert over["equity"].iloc[0] == -10_000
    assert over["time_weighted_return"].isna().all()
    assert set(over["max_drawdown"]) == {-1.0}
    assert snapshots.loc[:"2024-01-31", "time_weighted_return"].eq(0).all()


def test_a_call_that_expires_on_good_friday_is_settled_on_monday_at_thursdays_close():
    closes = np.where(np.datetime64("2024-04-01") <= SESSIONS, 94.0, 93.7405)
    text = f"{HEADER}\nUND240329C00080000,2,25,2024-02-01\n"

    snapshots, _ = numbers(text, history({"UND": closes}))

    proceeds = snapshots.loc["2024-04-01", "realized_pnl"] + 2 * 100 * 25
    assert proceeds == pytest.approx(2_748.10)


def test_an_adjusted_contract_delivers_what_its_multiplier_says():
    text = f"{HEADER},Underlying Symbol,Multiplier\nUNS1240419C00150000,1,60,2024-02-01,UNS,150\n"

    _, positions = numbers(text, history({"UNS": 200.0}))

    assert set(positions["cost_basis"]) == {9_000.0}


def test_what_is_dated_on_a_saturday_takes_effect_on_the_next_session():
    """Tuesday 2024-01-16 is the ex-date and the first session after the weekend and the holiday: no dividend."""
    text = f"{HEADER},Exit Date,Exit Price Per Share\nDVD,100,60,2024-01-13,,\nPLN,50,80,2024-01-15,2024-01-20,82\n"

    snapshots, _ = numbers(text, history({"DVD": 60.0, "PLN": 80.0}, {("DVD", "2024-01-16"): 0.40}))

    assert snapshots.index[0] == pd.Timestamp("2024-01-16")
    assert snapshots["dividend_income"].sum() == 0
    assert snapshots.loc["2024-01-22", "realized_pnl"] == 100


def test_fees_interest_and_taxes_are_profit_and_loss_and_contributions_are_not():
    flows = [("2024-02-01", 1_000.0, "external"), ("2024-02-02", -5.0, "fee"), ("2024-02-05", 2.0, "interest")]

    snapshots, _ = numbers(f"{HEADER}\nPLN,100,80,2024-01-16\n", history({"PLN": 80.0}), flows=flows)

    days = snapshots.loc["2024-02-01":"2024-02-05"]
    assert days["equity"].tolist() == [101_000.0, 100_995.0, 100_997.0]
    assert days["daily_pnl"].tolist() == [0.0, -5.0, 2.0]
    assert days["capital_flow"].tolist() == [1_000.0, 0.0, 0.0]
    assert days["daily_return"].tolist() == pytest.approx([0.0, -5 / 101_000, 2 / 100_995])
