"""What a trade closes and opens: after splits that are no whole number, and in the kind of what is held."""

from datetime import date

import pytest

from sigma_assets.base.conventions import OPTION_TERMS
from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.changes import KIND, in_the_kind_held, plan_trade


def lot(quantity: float, **more: object) -> dict[str, object]:
    terms = {
        "symbol": "AAA",
        "entry_price": 10.0,
        "entry_date": date(2024, 3, 4),
        "exit_date": None,
        "exit_price": None,
    }
    kind = {"investment_class": "PUBLIC", "investment_subtype": None, "multiplier": None}
    return {"quantity": quantity, **terms, **kind, **dict.fromkeys(OPTION_TERMS), **more}


def trade(quantity: float) -> dict[str, object]:
    return lot(quantity, entry_price=30.0, entry_date=date(2024, 3, 12))


@pytest.mark.parametrize("ratio", [3, 6, 7, 9, 11, 12, 15, 30, 35])
def test_after_a_reverse_split_all_of_a_lot_is_sold_as_one(ratio):
    """100 x ratio shares became 100; their sale leaves no lot of nothing behind."""
    planned = plan_trade({"one": lot(100.0 * ratio)}, trade(-100), {"one": 1 / ratio})

    assert {key: (one["quantity"], one["exit_price"]) for key, one in planned.lots.items()} == {
        "one": (100.0 * ratio, 30.0)
    }


def test_after_a_reverse_split_a_part_is_a_whole_number_of_the_shares_entered():
    planned = plan_trade({"one": lot(300.0)}, trade(-50), {"one": 1 / 3})

    assert planned.lots.pop("one")["quantity"] == 150.0
    assert [(one["quantity"], one["exit_price"]) for one in planned.lots.values()] == [(150.0, 30.0)]


def test_what_is_left_of_a_sale_over_two_lots_is_told_from_rounding():
    """70 shares became 30, and 7 became 3: 33 are both of them, 31 leave 2 of the second, which are 14 / 3 entered."""
    held = {"one": lot(70.0), "two": lot(7.0, entry_date=date(2024, 3, 5))}
    splits = dict.fromkeys(held, 3 / 7)

    both = plan_trade(held, trade(-33), splits)
    part = plan_trade(held, trade(-31), splits)

    assert {key: one["exit_price"] for key, one in both.lots.items()} == {"one": 30.0, "two": 30.0}
    assert part.lots["two"]["quantity"] == pytest.approx(14 / 3, abs=1e-8)
    assert part.lots["two"]["exit_price"] is None
    with pytest.raises(HoldingsError, match=r"AAA: 33\.001 to close on 2024-03-12, found 33 held"):
        plan_trade(held, trade(-33.001), splits)


def test_what_is_printed_as_held_can_be_sold_and_a_real_remainder_stays():
    """30 shares are 12.857142857... after 3 for 7; the message rounds them, and 5 of 10,000,000,000 are no rounding."""
    sold = plan_trade({"one": lot(30.0)}, trade(-12.85714286), {"one": 3 / 7})
    most = plan_trade({"one": lot(1e10)}, trade(-9_999_999_995), {"one": 1.0})

    assert list(sold.lots) == ["one"]
    assert most.lots["one"]["quantity"] == 5.0


def test_more_of_an_option_with_a_name_of_its_own_has_its_terms():
    terms = {
        "underlying_symbol": "AAA",
        "strike_price": 200.0,
        "expiration_date": date(2027, 1, 15),
        "option_type": "CALL",
    }
    option = lot(2.0, symbol="AAACALL", investment_class="OPTIONS", **terms)

    bought = in_the_kind_held({**trade(1), "symbol": "AAACALL"}, [option], ())

    assert {name: bought[name] for name in terms} == terms


def test_a_trade_of_an_underlying_is_of_the_share_whatever_an_option_was_stored_as():
    terms = {"underlying_symbol": "AAA", "strike_price": 200.0, "expiration_date": date(2027, 1, 15)}
    option = lot(2.0, investment_class="OPTIONS", option_type="CALL", **terms)

    assert in_the_kind_held(trade(10), [option], ()) == trade(10)


def test_a_multiplier_that_is_said_counts_as_it_is_worth():
    """1 is the usual multiplier of a share, which is not stored; of a bond it is another one than its own."""
    bond, contract = lot(5_000.0, investment_subtype="BOND"), lot(1.0, investment_subtype="STOCK", multiplier=10.0)

    share = in_the_kind_held(trade(10), [bond], ("multiplier",))
    same = in_the_kind_held({**trade(10), "multiplier": 0.01}, [bond], ("multiplier",))
    ten = in_the_kind_held({**trade(10), "multiplier": 10.0}, [bond, contract], ("multiplier",))

    assert [share[name] for name in KIND] == ["PUBLIC", None, None]
    assert [same[name] for name in KIND] == ["PUBLIC", "BOND", None]
    assert [ten[name] for name in KIND] == ["PUBLIC", "STOCK", 10.0]


def test_a_trade_is_of_the_kind_of_what_is_held():
    """10,000 of a bond at 98 are 9,800 USD, as the lot before, not 980,000."""
    bond = lot(5_000.0, investment_subtype="BOND")

    assert in_the_kind_held(trade(10_000), [bond], ())["investment_subtype"] == "BOND"
    assert in_the_kind_held(trade(10_000), [lot(1.0, symbol="BBB", investment_subtype="BOND")], ()) == trade(10_000)


def test_the_newest_lot_tells_what_the_money_does_not_hang_on():
    older, newer = lot(1.0, investment_subtype="STOCK"), lot(1.0, investment_subtype="ETF", entry_date=date(2024, 3, 5))

    assert in_the_kind_held(trade(1), [newer, older], ())["investment_subtype"] == "ETF"


def test_of_several_kinds_the_trade_has_to_say_one():
    public, private = lot(1.0), lot(9.0, investment_class="PRIVATE", investment_subtype="CRYPTO")

    with pytest.raises(HoldingsError, match="AAA is held as PRIVATE CRYPTO and as PUBLIC; say which one"):
        in_the_kind_held(trade(1), [public, private], ())
    said = in_the_kind_held({**trade(1), "investment_class": "PRIVATE"}, [public, private], ("investment_class",))
    assert [said[name] for name in KIND] == ["PRIVATE", "CRYPTO", None]
