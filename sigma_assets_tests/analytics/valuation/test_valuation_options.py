"""Options: the contract's quote, else Black-Scholes; settled at intrinsic value; never the underlying's price."""

import math

import numpy as np
import pandas as pd
import pytest

from sigma_assets_tests.analytics.books import (
    assert_same_bits,
    book,
    option,
    positions,
    price_history,
    snapshots,
    weekdays,
)

NAN = float("nan")
LOOK_BACK = 70
SESSIONS = weekdays("2025-01-06", LOOK_BACK + 8)
DAYS = [str(session) for session in SESSIONS]
ENTRY = DAYS[LOOK_BACK]
LATER = DAYS[LOOK_BACK + 1]
LAST = DAYS[-1]
NEXT_YEAR = "2026-01-16"


def swinging(level=100.0, move=0.01):
    """Return closes that go up and down by turns, and end at `level` on the entry session."""
    returns = np.where(np.arange(len(SESSIONS)) % 2, 1 + move, 1 / (1 + move))
    closes = np.cumprod(returns)
    return level * closes / closes[LOOK_BACK]


def market(underlying=None, quotes=None, **events):
    closes = {"UND": swinging() if underlying is None else underlying}
    if quotes:
        column = np.full(len(SESSIONS), NAN)
        for day, price in quotes.items():
            column[DAYS.index(day)] = price
        closes["UND-CALL"] = column
    return price_history(SESSIONS, closes, **events)


def calls(quantity=1, entry_price=5.0, entry_date=ENTRY, expiration_date=NEXT_YEAR, **terms):
    return book([option("L1", quantity, entry_price, entry_date, expiration_date=expiration_date, **terms)])


def value_and_delta(closes, day, strike=100.0, expiration=NEXT_YEAR):
    """Return Black-Scholes of a call without interest, by math.erf, from the 63 returns that end on the day."""
    row = DAYS.index(day)
    closes = np.asarray(closes)
    returns = (closes[1:] / closes[:-1] - 1)[row - 63 : row]
    years = (np.datetime64(expiration) - np.datetime64(day)).astype(int) / 365
    deviation = np.std(returns, ddof=1) * math.sqrt(252 * years)
    d1 = math.log(closes[row] / strike) / deviation + deviation / 2
    cdf = [(1 + math.erf(d / math.sqrt(2))) / 2 for d in (d1, d1 - deviation)]
    return closes[row] * cdf[0] - strike * cdf[1], cdf[0]


def test_without_a_quote_an_option_is_worth_its_model_value():
    holdings, history = calls(3), market()

    position = positions(holdings, history).set_index("session").loc[LATER]

    value, delta = value_and_delta(swinging(), LATER)
    spot = swinging()[LOOK_BACK + 1]
    assert position["price"] == pytest.approx(value, rel=1e-9)
    assert position["market_value"] == pytest.approx(300 * value, rel=1e-9)
    assert position["cost_basis"] == 1_500.0
    assert (position["is_modelled"], position["is_stale"], position["price_session"]) == (
        True,
        False,
        pd.Timestamp(LATER),
    )
    assert position["risk_symbol"] == "UND"
    assert position["risk_value"] == pytest.approx(delta * 300 * spot, rel=1e-9)


def test_a_quote_goes_before_the_model_and_leaves_the_delta():
    quoted, unquoted = market(quotes={LATER: 7.25}), market()

    of_quote = positions(calls(), quoted).set_index("session")
    of_model = positions(calls(), unquoted).set_index("session")

    assert of_quote.loc[LATER, "price"] == 7.25
    assert not of_quote.loc[LATER, "is_modelled"]
    assert of_quote.loc[LATER, "risk_value"] == of_model.loc[LATER, "risk_value"]
    assert_same_bits(
        of_quote.drop([LATER, DAYS[LOOK_BACK + 2]]).filter(like="price"),
        of_model.drop([LATER, DAYS[LOOK_BACK + 2]]).filter(like="price"),
    )


def test_an_option_is_never_valued_at_the_price_of_its_underlying():
    position = positions(calls(), market())

    assert (position["price"] < 20).all()


def test_a_contract_under_its_underlyings_symbol_has_no_quote():
    """Lots of older imports may have it: 3 contracts are 300 times the model's value, not 300 times 100 USD."""
    holdings = book([{**option("L1", 3, 5.0, ENTRY, expiration_date=NEXT_YEAR), "symbol": "UND"}])

    position = positions(holdings, market()).set_index("session").loc[LATER]

    value, _ = value_and_delta(swinging(), LATER)
    assert position["market_value"] == pytest.approx(300 * value, rel=1e-9)
    assert position["is_modelled"]


def test_a_model_on_an_old_close_of_the_underlying_is_stale():
    closes = swinging()
    closes[LOOK_BACK + 1] = NAN

    position = positions(calls(), market(closes)).set_index("session").loc[LATER]

    assert (position["is_modelled"], position["is_stale"], position["price_session"]) == (
        True,
        True,
        pd.Timestamp(ENTRY),
    )


@pytest.mark.parametrize("known", [0, 63])
def test_without_a_full_window_the_last_quote_counts_then_the_entry_price(known):
    """The underlying begins 63 sessions, hence 62 returns, before the last session: its volatility is unknown."""
    closes = swinging()
    closes[: len(closes) - known] = NAN
    history = market(closes, quotes={LATER: 7.25})

    position = positions(calls(), history).set_index("session")

    assert position["price"].tolist() == [5.0] + [7.25] * 7
    assert position["is_stale"].tolist() == [True, False] + [True] * 6
    assert not position["is_modelled"].any()
    assert position[["risk_symbol", "risk_value", "risk_weight"]].isna().all(axis=None)
    assert snapshots(calls(), history, SESSIONS[LOOK_BACK:])["lots_unpriced"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]


def test_a_window_with_a_fifth_of_its_returns_missing_still_gives_a_value():
    """A value needs 51 of 63 returns."""
    enough, too_few = swinging(), swinging()
    enough[LOOK_BACK - 20 : LOOK_BACK - 8] = NAN
    too_few[LOOK_BACK - 20 : LOOK_BACK - 7] = NAN

    modelled = [
        positions(calls(), market(closes), SESSIONS[[LOOK_BACK]])["is_modelled"].tolist()
        for closes in (enough, too_few)
    ]

    assert modelled == [[True], [False]]


@pytest.mark.parametrize(
    ("expiration", "last", "settled"),
    [
        (DAYS[LOOK_BACK + 2], DAYS[LOOK_BACK + 2], DAYS[LOOK_BACK + 2]),
        ("2025-04-19", "2025-04-18", "2025-04-21"),
    ],
)
def test_an_option_is_settled_from_the_last_close_by_its_expiration_at_the_first_session_then(
    expiration, last, settled
):
    """The second one expires on a Saturday: what Monday brings is too late."""
    closes = swinging()
    closes[DAYS.index(last)] = 112.0
    closes[DAYS.index(last) + 1 :] = 150.0
    holdings, history = calls(2, expiration_date=expiration), market(closes)

    snapshot, position = snapshots(holdings, history).set_index("session"), positions(holdings, history)

    gain = 2 * 100 * (12 - 5)
    assert snapshot.loc[settled, "realized_pnl"] == gain
    assert snapshot["realized_pnl"].sum() == gain
    assert snapshot.loc[settled:, "equity"].tolist() == [10_000.0 + gain] * len(snapshot.loc[settled:])
    assert snapshot.loc[settled:, "cash"].tolist() == [10_000.0 + gain] * len(snapshot.loc[settled:])
    assert position["session"].max() < pd.Timestamp(settled)


def test_a_written_option_that_expires_worthless_earns_its_premium():
    holdings = calls(-3, entry_price=2.0, expiration_date=LATER)
    history = market(swinging(level=80.0))

    first, second = snapshots(holdings, history, SESSIONS[LOOK_BACK : LOOK_BACK + 2]).to_dict("records")

    assert first["short_value"] < 0
    assert first["short_positions"] == 1
    assert (second["realized_pnl"], second["equity"], second["cash"]) == (600.0, 10_600.0, 10_600.0)


def test_a_written_call_has_a_negative_delta_value_and_a_written_put_a_positive_one():
    history = market()

    call = positions(calls(-1), history).iloc[0]
    put = positions(calls(-1, option_type="PUT"), history).iloc[0]

    assert call["market_value"] < 0 < put["risk_value"]
    assert call["risk_value"] < 0
    assert put["risk_value"] - call["risk_value"] == pytest.approx(100 * 100.0)  # deltas differ by one


def test_an_exit_before_expiration_counts_as_recorded():
    holdings = calls(exit_date=LATER, exit_price=6.5, expiration_date=DAYS[LOOK_BACK + 3])

    snapshot = snapshots(holdings, market()).set_index("session")

    assert snapshot.loc[LATER, "realized_pnl"] == 150.0
    assert snapshot["realized_pnl"].sum() == 150.0


@pytest.mark.parametrize(("recorded", "gain"), [(LATER, 150.0), (DAYS[LOOK_BACK + 2], 700.0)])
def test_an_exit_on_the_day_of_expiration_counts_and_one_after_it_does_not(recorded, gain):
    closes = swinging()
    closes[LOOK_BACK + 1 :] = 112.0

    snapshot = snapshots(calls(exit_date=recorded, exit_price=6.5, expiration_date=LATER), market(closes))

    assert snapshot["realized_pnl"].sum() == pytest.approx(gain)


def test_without_any_price_of_the_underlying_an_option_is_settled_at_its_own_last_price():
    quoted = price_history(SESSIONS, {"UND-CALL": [7.0] * len(SESSIONS)})
    unknown = price_history(SESSIONS, {"OTHER": [7.0] * len(SESSIONS)})
    holdings = calls(expiration_date=DAYS[LOOK_BACK + 3])

    assert snapshots(holdings, quoted)["realized_pnl"].sum() == 200.0
    assert snapshots(holdings, unknown)["realized_pnl"].sum() == 0.0
    assert snapshots(holdings, unknown)["equity"].tolist() == [10_000.0] * len(SESSIONS)


def test_a_split_of_the_underlying_multiplies_contracts_and_divides_the_strike():
    """The same market, told with and without a 2-for-1 split: value, delta value and settlement agree."""
    whole, split = swinging(), swinging()
    split[LOOK_BACK + 2 :] /= 2
    event = {("UND", DAYS[LOOK_BACK + 2]): 2.0}
    holdings = calls(3, expiration_date=DAYS[LOOK_BACK + 5])

    without = snapshots(holdings, market(whole))
    with_split = snapshots(holdings, market(split, splits=event))
    position = positions(holdings, market(split, splits=event))

    assert position["quantity"].tolist() == [3.0, 3.0, 6.0, 6.0, 6.0]
    np.testing.assert_allclose(with_split["equity"], without["equity"], rtol=1e-12)
    np.testing.assert_allclose(position["risk_value"], positions(holdings, market(whole))["risk_value"], rtol=1e-9)


def test_a_split_makes_no_jump_where_an_option_is_carried_at_an_old_price():
    """Two contracts at an old quote of 8 become four at 4; without any quote, at half the entry price."""
    closes = swinging()
    closes[: LOOK_BACK + 1] = NAN
    events = {"splits": {("UND", DAYS[LOOK_BACK + 3]): 2.0}}

    quoted = positions(calls(2), market(closes, quotes={LATER: 8.0}, **events))
    unquoted = positions(calls(2), market(closes, **events))

    assert quoted["market_value"].tolist() == [1_000.0] + [1_600.0] * 7
    assert quoted["price"].tolist() == [5.0, 8.0, 8.0] + [4.0] * 5
    assert unquoted["market_value"].tolist() == [1_000.0] * 8


def test_a_quote_of_the_session_of_a_split_is_per_new_contract():
    closes = swinging()
    closes[: LOOK_BACK + 1] = NAN
    split_day = DAYS[LOOK_BACK + 3]

    position = positions(calls(2), market(closes, quotes={split_day: 4.5}, splits={("UND", split_day): 2.0}))

    assert position["price"].tolist() == [5.0] * 3 + [4.5] * 5
    assert position["market_value"].tolist() == [1_000.0] * 3 + [1_800.0] * 5


def test_an_option_entered_after_its_expiration_is_settled_on_the_session_of_its_entry():
    closes = swinging()
    closes[LOOK_BACK:] = 112.0
    holdings = calls(entry_date=LATER, expiration_date=DAYS[LOOK_BACK - 2])

    snapshot = snapshots(holdings, market(closes)).set_index("session")

    assert snapshot.loc[ENTRY, "equity"] == 10_000.0
    assert snapshot.loc[LATER, "realized_pnl"] == 700.0
    assert positions(holdings, market(closes)).empty


def test_an_underlying_known_before_the_history_is_not_new_where_its_history_starts_with_a_gap():
    """64 sessions before the entry, the first three of them without a close; one before them is known, or is not."""
    closes = swinging()[LOOK_BACK - 64 :]
    closes[:3] = NAN
    listed_now = price_history(SESSIONS[LOOK_BACK - 64 :], {"UND": closes})
    prior = {"prior_close": np.array([100.0]), "prior_session": SESSIONS[[LOOK_BACK - 65]]}
    known_before = type(listed_now)(**{**vars(listed_now), **prior})
    holdings = book(calls().lots.to_dict("records"), inception=ENTRY)

    assert positions(holdings, known_before, SESSIONS[[LOOK_BACK]])["is_modelled"].tolist() == [True]
    assert positions(holdings, listed_now, SESSIONS[[LOOK_BACK]])["is_modelled"].tolist() == [False]


def test_a_history_too_short_for_the_volatility_of_a_known_underlying_is_refused():
    history = price_history(SESSIONS[LOOK_BACK:], {"UND": swinging()[LOOK_BACK:]})
    known_before = {"prior_close": np.array([100.0]), "prior_session": SESSIONS[[LOOK_BACK - 1]]}
    holdings = book([option("L1", 1, 5.0, ENTRY, expiration_date=NEXT_YEAR)], inception=ENTRY)

    with pytest.raises(ValueError, match="0 sessions before the entry of UND-CALL; the volatility of UND needs 62"):
        positions(holdings, type(history)(**{**vars(history), **known_before}))
    assert not positions(holdings, history)["is_modelled"].any()  # listed on that very session: nothing is lost


def test_the_first_model_value_needs_64_closes_of_the_underlying_and_no_more():
    """63 returns need 64 prices: the 64th session has a model value, the 63rd the entry price."""
    lots = book([option("L1", 1, 2.0, DAYS[62], expiration_date=NEXT_YEAR)], inception=DAYS[62])

    found = positions(lots, price_history(SESSIONS, {"UND": swinging()}), SESSIONS[62:64])

    assert found["is_modelled"].tolist() == [False, True]
    assert found["price"].iloc[0] == 2.0


def falling_by(amount, at):
    """Return closes that swing around 100 and fall by an amount on a day, as on an ex-date."""
    closes = swinging()
    row = DAYS.index(at)
    closes[row:] = closes[row:] * (closes[row - 1] - amount) / closes[row - 1]
    return closes


def test_a_distribution_of_more_than_a_tenth_reduces_the_strike_by_its_amount():
    """A special dividend of 15 on about 100: the strike of 100 becomes 85 from the ex-date on; before, it is 100."""
    ex_date = DAYS[LOOK_BACK + 2]
    closes = falling_by(15.0, ex_date)
    special = market(closes, dividends={("UND", ex_date): 15.0})

    position = positions(calls(), special)

    def value(row, strike):
        returns = np.diff(closes) / closes[:-1]
        returns[DAYS.index(ex_date) - 1] += 15.0 / closes[DAYS.index(ex_date) - 1]  # total return
        years = (np.datetime64(NEXT_YEAR) - np.datetime64(DAYS[row])).astype(int) / 365
        deviation = np.std(returns[row - 63 : row], ddof=1) * math.sqrt(252 * years)
        d1 = math.log(closes[row] / strike) / deviation + deviation / 2
        cdf = [(1 + math.erf(d / math.sqrt(2))) / 2 for d in (d1, d1 - deviation)]
        return closes[row] * cdf[0] - strike * cdf[1]

    expected = [value(LOOK_BACK + day, 100.0 if day < 2 else 85.0) for day in range(1, 8)]
    np.testing.assert_allclose(position["price"].tolist()[1:], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("dividend", "entered", "strike"),
    [(9.0, ENTRY, 100.0), (15.0, ENTRY, 85.0), (15.0, DAYS[LOOK_BACK + 2], 100.0)],
    ids=["an ordinary one changes nothing", "a large one", "before the entry it is in the strike already"],
)
def test_at_expiration_the_reduced_strike_settles_the_contract(dividend, entered, strike):
    ex_date = DAYS[LOOK_BACK + 2]
    closes = falling_by(dividend, ex_date)
    closes[LOOK_BACK + 4] = 110.0
    special = market(closes, dividends={("UND", ex_date): dividend})
    holdings = calls(entry_date=entered, expiration_date=DAYS[LOOK_BACK + 4])

    settled = snapshots(holdings, special)["realized_pnl"].sum()

    assert settled == pytest.approx(100 * (110.0 - strike) - 500.0)


def test_a_later_split_divides_what_a_distribution_reduced():
    """100 - 15 = 85 per old share; after a 2-for-1 split two contracts at 42.5."""
    ex_date, split = DAYS[LOOK_BACK + 2], DAYS[LOOK_BACK + 3]
    closes = falling_by(15.0, ex_date)
    closes[LOOK_BACK + 3 :] /= 2
    closes[LOOK_BACK + 4] = 60.0
    events = market(closes, dividends={("UND", ex_date): 15.0}, splits={("UND", split): 2.0})

    settled = snapshots(calls(expiration_date=DAYS[LOOK_BACK + 4]), events)["realized_pnl"].sum()

    assert settled == pytest.approx(200 * (60.0 - 42.5) - 500.0)
