"""Coverage: what a portfolio needs on each session, and whether it is there, older, or not yet."""

from datetime import date

import numpy as np
import pandas as pd

from sigma_assets.analytics.series.coverage import coverage, first_entries, needed_symbols

SESSIONS = np.array(["2026-01-05", "2026-01-06", "2026-01-07"], dtype="datetime64[D]")


def rows(*pairs: tuple[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(pairs, columns=["symbol", "session"])
    return frame.assign(session=pd.to_datetime(frame["session"]).dt.as_unit("s"))


def since(**days: str) -> pd.Series:
    return pd.Series({symbol: pd.Timestamp(day) for symbol, day in days.items()}, dtype="datetime64[s]")


def lots(**changes) -> pd.DataFrame:
    lot = {
        "portfolio_id": "p", "symbol": "AAA", "investment_class": "PUBLIC", "investment_subtype": None,
        "underlying_symbol": None, "entry_date": pd.Timestamp("2026-01-05"), "exit_date": pd.NaT,
        "expiration_date": pd.NaT,
    }  # fmt: skip
    return pd.DataFrame([lot | changes])


def test_lots_that_overlap_or_touch_need_a_symbol_in_one_span_and_a_later_one_in_another():
    """Sold on the 6th and bought again on the 7th: on the 6th nobody could know of the 7th.

    A lot inside another adds nothing.
    """
    held = [("02", "06"), ("03", "04"), ("06", "07"), ("09", None)]
    several = pd.concat(
        [
            lots(
                entry_date=pd.Timestamp(f"2026-01-{first}"),
                exit_date=pd.NaT if last is None else pd.Timestamp(f"2026-01-{last}"),
            )
            for first, last in held
        ]
    )

    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), several)

    assert needed["first_needed"].tolist() == [pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-09")]
    assert needed["last_needed"].iloc[0] == pd.Timestamp("2026-01-07")
    assert pd.isna(needed["last_needed"].iloc[1])


def test_a_symbol_that_is_bought_again_is_not_needed_in_between():
    again = pd.concat([lots(exit_date=pd.Timestamp("2026-01-06")), lots(entry_date=pd.Timestamp("2026-01-07"))])

    found = coverage(needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), again), rows(), since(), SESSIONS, [])

    assert found["needed"].tolist() == [1, 0, 1]
    assert found["missing_symbols"].tolist() == ["AAA", None, "AAA"]


def test_first_entries_are_those_of_the_symbols_that_lots_are_valued_with():
    option = lots(symbol="AAA270115C00200000", investment_class="OPTIONS", underlying_symbol="AAA")
    earlier = lots(symbol="BBB", entry_date=pd.Timestamp("2026-01-02"))
    private = lots(symbol="CASH_USD", investment_class="PRIVATE")

    entries = first_entries(pd.concat([lots(symbol="BBB"), option, earlier, private]))

    assert entries == {
        "AAA": date(2026, 1, 5),
        "AAA270115C00200000": date(2026, 1, 5),
        "BBB": date(2026, 1, 2),
    }


def test_an_option_needs_its_underlying_and_a_private_lot_nothing():
    option = lots(symbol="AAA270115C00200000", investment_class="OPTIONS", underlying_symbol="AAA")
    private = lots(symbol="CASH_USD", investment_class="PRIVATE")

    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), pd.concat([option, private]))

    assert needed["symbol"].tolist() == ["AAA"]


def test_an_expired_option_needs_its_underlying_no_longer_unless_another_lot_does():
    """It was needed for ever, and an underlying that was delisted later on left the portfolio with gaps for ever.

    On the day of the expiration it is needed, since its close settles the contract.
    """
    expired = lots(
        symbol="AAA260106C00200000", investment_class="OPTIONS", underlying_symbol="AAA",
        expiration_date=pd.Timestamp("2026-01-06"),
    )  # fmt: skip
    sold_before = expired.assign(exit_date=pd.Timestamp("2026-01-05"))
    expires_later = expired.assign(expiration_date=pd.Timestamp("2026-01-07"))
    portfolios = pd.DataFrame({"portfolio_id": ["p"]})

    last = [
        needed_symbols(portfolios, pd.concat(held))["last_needed"].item()
        for held in ([expired], [sold_before], [expired, expires_later], [expired, lots()])
    ]

    assert last == [pd.Timestamp("2026-01-07"), pd.Timestamp("2026-01-05"), pd.Timestamp("2026-01-08"), pd.NaT]
    found = coverage(needed_symbols(portfolios, expired), rows(), since(), SESSIONS, [])
    assert found["missing"].tolist() == [1, 1, 0]


def test_cash_equivalents_need_nothing_since_everything_of_them_is_known():
    cash = [lots(symbol="SPAXX", investment_subtype=name) for name in ("CASH", "MONEY_MARKET")]
    named = lots(symbol="CASH_USD")

    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), pd.concat([*cash, named]))

    assert needed["symbol"].isna().all()


def test_present_stale_and_missing_by_hand():
    """AAA is there, then late; BBB appears on the last day; SPY is needed by all."""
    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), pd.concat([lots(), lots(symbol="BBB")]))
    available = rows(
        ("AAA", "2026-01-05"), ("BBB", "2026-01-07"), *(("SPY", str(day)) for day in SESSIONS)
    )  # fmt: skip

    found = coverage(needed, available, since(AAA="2026-01-02", BBB="2026-01-07", SPY="2020-01-02"), SESSIONS, ["SPY"])

    assert found["needed"].tolist() == [3, 3, 3]
    assert found["present"].tolist() == [2, 1, 2]
    assert found["stale"].tolist() == [0, 1, 1]
    assert found["missing"].tolist() == [1, 1, 0]
    assert found["missing_symbols"].tolist()[:2] == ["BBB", "BBB"]
    assert pd.isna(found["missing_symbols"].iloc[2])


def test_an_empty_portfolio_still_needs_the_factor_etfs():
    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), lots().head(0))

    found = coverage(needed, rows(("SPY", "2026-01-06")), since(SPY="2026-01-06"), SESSIONS, ["SPY"])

    assert found["needed"].tolist() == [1, 1, 1]
    assert found["missing"].tolist() == [1, 0, 0]
    assert found["stale"].tolist() == [0, 0, 1]


def test_a_symbol_is_not_needed_from_the_session_of_its_exit_on():
    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), lots(exit_date=pd.Timestamp("2026-01-07")))

    found = coverage(needed, rows(), since(), SESSIONS, [])

    assert found["needed"].tolist() == [1, 1, 0]


def test_a_symbol_is_not_needed_before_its_entry():
    needed = needed_symbols(pd.DataFrame({"portfolio_id": ["p"]}), lots(entry_date=pd.Timestamp("2026-01-06")))
    available = rows(*(("AAA", str(day)) for day in SESSIONS))

    found = coverage(needed, available, since(AAA="2020-01-02"), SESSIONS, [])

    assert found["needed"].tolist() == [0, 1, 1]


def test_portfolios_are_covered_alike_together_and_alone(monkeypatch):
    """What a portfolio needs is its own affair, however many others are looked at, and in however many parts."""
    random = np.random.default_rng(5)
    symbols = [f"S{number}" for number in range(12)]
    held = [(f"p{number}", name) for number in range(9) for name in random.choice(symbols, 4, replace=False)]
    needed = pd.DataFrame(held, columns=["portfolio_id", "symbol"]).assign(
        first_needed=random.choice(SESSIONS, len(held)).astype("datetime64[s]"), last_needed=pd.NaT
    )
    needed["last_needed"] = needed["last_needed"].astype("datetime64[s]")
    available = rows(*((name, str(day)) for name in symbols[:8] for day in random.choice(SESSIONS, 2, replace=False)))
    first = available.groupby("symbol")["session"].min()
    monkeypatch.setattr("sigma_assets.analytics.series.coverage._SPANS_AT_ONCE", 5)

    together = coverage(needed, available, first, SESSIONS, {"S0"})

    alone = [coverage(own, available, first, SESSIONS, {"S0"}) for _, own in needed.groupby("portfolio_id")]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
