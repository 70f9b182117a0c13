"""Each gap has its symbol, its reason and its remedy; what is known is no gap."""

from dataclasses import replace
from datetime import date

import pytest

from sigma_assets.reports.gaps.holdings import Holdings
from sigma_assets.reports.gaps.kinds import (
    HeldLot,
    Remark,
    StoredPortfolio,
    entry_price_gaps,
    gaps_of,
    lots_without_price,
)

SESSION = date(2025, 1, 31)


def _lot(symbol: str, old: int | None = 0, weight: float = 0.5) -> HeldLot:
    return HeldLot(symbol, symbol, old, weight)


KNOWN = StoredPortfolio(
    SESSION,
    (_lot("AAA"), _lot("BBB")),
    has_volatility=True,
    with_volatility=frozenset({"AAA", "BBB"}),
    correlated=2,
    public=2,
)


def test_a_portfolio_with_everything_has_no_gap():
    assert gaps_of(KNOWN) == []
    assert lots_without_price(KNOWN) == 0


@pytest.mark.parametrize(
    ("reason", "words", "remedy"),
    [
        ("unknown_symbol", "does not know the symbol (files: no such symbol)", "sigma-assets sync"),
        ("not_yet_listed", "not listed yet", "check symbol and entry date"),
        ("delisted", "it was delisted", "sigma-assets close"),
        ("late", "does not have it yet", "requested again from 2025-02-03"),
        ("rejected", "not credible", "SIGMA_PRICES"),
        ("not_covered", "the plan", "change the plan"),
    ],
)
def test_a_symbol_without_a_price_says_why_and_what_to_do(reason, words, remedy):
    """In the words of the source's last answer."""
    told = Remark(reason, "no such symbol", "files", date(2025, 2, 3))
    stored = replace(
        KNOWN,
        lots=(_lot("AAA"), _lot("NIX", None)),
        unpriced=frozenset({"NIX"}),
        without_factors=frozenset({"NIX"}),
        with_volatility=frozenset({"AAA"}),
        remarks={"NIX": told},
    )

    (gap,) = gaps_of(stored)

    assert (gap.symbol, gap.lacks) == ("NIX", "price, factor betas, volatility")
    assert words in gap.reason
    assert remedy in gap.remedy
    assert lots_without_price(stored) == 1


def test_a_price_may_be_carried_on_for_five_sessions():
    """On the sixth it is too old, though the symbol once had one."""
    five, six = (replace(KNOWN, lots=(_lot("AAA"), _lot("BBB", old))) for old in (5, 6))

    assert gaps_of(five) == []
    (gap,) = gaps_of(six)
    assert (gap.symbol, gap.lacks) == ("BBB", "recent price")
    assert "6 sessions old" in gap.reason


def test_a_portfolio_without_volatility_names_the_symbol_that_costs_it():
    """DEL carries 60 % of the weight and has no returns; the smaller one is named after it."""
    stored = replace(
        KNOWN,
        lots=(_lot("AAA", weight=0.1), _lot("DEL", 9, weight=0.6), _lot("NEW", weight=0.3)),
        has_volatility=False,
        with_volatility=frozenset({"AAA"}),
        correlated=1,
        public=3,
        observations={"NEW": 3},
    )

    by_symbol = {(gap.symbol, gap.lacks): gap for gap in gaps_of(stored)}

    assert "DEL, NEW are without returns; 80 % of the weight" in by_symbol["DEL", "volatility of the portfolio"].reason
    assert (
        "1 of 3 symbols is large enough and has enough returns; it takes two"
        in by_symbol["DEL", "correlations of the portfolio"].reason
    )
    assert "only 3 prices" in by_symbol["NEW", "volatility"].reason


def test_a_halted_symbol_with_a_long_history_does_not_wait_for_more_prices():
    """HALT has 305 prices and lacks eight of the last 21: to say that 305 are too few, and to wait, would be wrong."""
    stored = replace(
        KNOWN,
        lots=(*KNOWN.lots, _lot("HALT")),
        observations={"HALT": 305},
        recent={"HALT": 13},
    )

    (gap,) = gaps_of(stored)

    assert (gap.symbol, gap.lacks) == ("HALT", "volatility")
    assert gap.reason == "no price on 8 of the last 21 sessions up to 2025-01-31, all are needed"
    assert "SIGMA_PRICES" in gap.remedy


def test_an_asset_that_was_not_computed_is_no_gap_of_the_data():
    """Its step failed or is still to come: the errors and the phases say so."""
    assert gaps_of(replace(KNOWN, has_volatility=None, with_volatility=frozenset())) == []


def test_a_money_market_fund_without_quotes_lacks_nothing():
    """It is worth 1.00, and its return and betas are known to be 0 (SPEC 2): to ask for another symbol would be wrong."""
    fund = HeldLot("SPAXX", None, None, 0.0)
    of_fund = frozenset({"SPAXX"})
    stored = replace(
        KNOWN, lots=(*KNOWN.lots, fund), unpriced=of_fund, without_factors=of_fund, without_metrics=of_fund
    )

    assert gaps_of(stored) == []
    assert lots_without_price(stored) == 0


def test_private_lots_need_no_price():
    """They live on no symbol."""
    private = HeldLot("HOUSE", None, None, 0.0)

    assert gaps_of(replace(KNOWN, lots=(*KNOWN.lots, private))) == []


@pytest.mark.parametrize(
    ("entered", "close", "is_far"),
    [
        (50.0, 150.0, False),
        (49.0, 150.0, True),
        (150.0, 50.0, False),
        (151.0, 50.0, True),
        (0.0, 50.0, False),
        (9.0, None, False),
    ],
)
def test_entry_price_and_close_may_be_apart_by_a_factor_of_three(entered, close, is_far):
    """More is a wrong symbol, a cost adjusted for a split, or a simulated price; a gift costs nothing."""
    found = entry_price_gaps([("AAA", SESSION, entered, close)])

    assert [gap.symbol for gap in found] == (["AAA"] if is_far else [])


def test_a_gap_of_the_whole_portfolio_is_named_by_what_it_lacks():
    """Two small holdings, both priced: no correlations. It used to read `1 with gaps ()`."""
    found = gaps_of(replace(KNOWN, correlated=1))

    assert [gap.symbol for gap in found] == [None]
    assert all(gap.reason and gap.remedy for gap in found)
    holdings = Holdings(SESSION, 19, 19, 2, 2, 0, "simulated", SESSION, tuple(found))
    assert holdings.named == holdings.summary == "without correlations of the portfolio"


def test_the_underlying_of_an_option_is_none_of_the_symbols_that_could_be_correlated():
    """One share and an option on another one: nothing is missing, for two public symbols were never there."""
    assert gaps_of(replace(KNOWN, correlated=1, public=1)) == []
    (gap,) = gaps_of(replace(KNOWN, correlated=0, public=2))
    assert gap.reason == "0 of 2 symbols are large enough and have enough returns; it takes two"


def test_a_symbol_and_the_whole_portfolio_are_counted_apart():
    stored = replace(KNOWN, unpriced=frozenset({"AAA"}), correlated=1)
    holdings = Holdings(SESSION, 19, 18, 2, 2, 1, "files", SESSION, tuple(gaps_of(stored)))

    assert holdings.named == "1 of 2 without prices, without correlations of the portfolio (AAA)"
