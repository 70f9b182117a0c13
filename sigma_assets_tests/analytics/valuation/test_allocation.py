"""Allocation by class on a book small enough to add up by hand."""

import pandas as pd
import pytest

from sigma_assets.analytics.valuation.allocation import allocation

POSITIONS = pd.DataFrame(
    {
        "portfolio_id": "P",
        "session": pd.Timestamp("2025-01-10"),
        "lot_id": ["L1", "L2", "L3", "L4"],
        "symbol": ["VTI", "AAPL", "AAPL250117C00200000", "HOUSE"],
        "risk_symbol": ["VTI", "AAPL", "AAPL", None],
        "risk_value": [1_000.0, -400.0, 60.0, None],
        "market_value": [1_000.0, -400.0, 50.0, 500.0],
    }
)
CLASSES = pd.DataFrame(
    [("VTI", "sector", "Tech", 0.3), ("VTI", "sector", "Other", 0.7), ("AAPL", "sector", "Tech", 1.0)],
    columns=["symbol", "scheme", "class", "weight"],
)


def test_funds_are_looked_through_options_follow_their_underlying_and_the_rest_is_unclassified():
    found = allocation(POSITIONS, CLASSES).set_index("class")

    assert found.loc["Tech", ["long_value", "short_value", "net_exposure", "gross_exposure"]].tolist() == [
        350,
        -400,
        -50,
        750,
    ]
    assert found.loc["Other", "long_value"] == 700.0
    assert found.loc["unclassified", ["long_value", "share_of_gross"]].tolist() == [500.0, pytest.approx(500 / 1950)]
    assert found["net_exposure"].sum() == pytest.approx(POSITIONS["market_value"].sum())
    assert found["share_of_gross"].sum() == pytest.approx(1.0)


def test_each_scheme_adds_up_on_its_own_and_the_order_of_lots_is_of_no_consequence():
    both = pd.concat([CLASSES, pd.DataFrame([("VTI", "country", "US", 1.0)], columns=CLASSES.columns)])

    found = allocation(POSITIONS, both)
    shuffled = allocation(POSITIONS.sample(frac=1.0, random_state=3), both)

    assert found.groupby("scheme")["net_exposure"].sum().tolist() == pytest.approx([1_150.0, 1_150.0])
    pd.testing.assert_frame_equal(found, shuffled, check_exact=True)


def test_lots_of_one_symbol_may_be_of_different_classes():
    """1,000 of listed shares and 300 of the same ones under lock-up: 1,000 and 300, not 1,300 and nothing."""
    positions = POSITIONS.iloc[:3].assign(
        symbol="AAPL", market_value=[1_000.0, 300.0, -50.0], investment_class=["PUBLIC", "PRIVATE", "PUBLIC"]
    )

    found = allocation(positions, CLASSES.iloc[:0], {"kind": "investment_class"}).set_index("class")

    assert found.loc["PUBLIC", ["scheme", "long_value", "short_value", "net_exposure"]].tolist() == [
        "kind",
        1_000,
        -50,
        950,
    ]
    assert found.loc["PRIVATE", ["scheme", "long_value", "short_value", "net_exposure"]].tolist() == [
        "kind",
        300,
        0,
        300,
    ]
    assert found["share_of_gross"].to_dict() == pytest.approx({"PUBLIC": 1_050 / 1_350, "PRIVATE": 300 / 1_350})


def test_cash_equivalents_are_no_exposure():
    """1,000 long, 400 short and 500 in cash: a gross of 1,400, as in the snapshot, and 500 beside it."""
    positions = POSITIONS.iloc[[0, 1, 3]].assign(
        symbol=["VTI", "AAPL", "CASH_USD"],
        risk_value=[1_000.0, -400.0, 0.0],
        investment_class=["PUBLIC", "PUBLIC", "PRIVATE"],
    )

    found = allocation(positions, CLASSES, {"kind": "investment_class"}).set_index(["scheme", "class"])

    columns = ["long_value", "short_value", "net_exposure", "gross_exposure", "cash_equivalents", "share_of_gross"]
    assert found.loc[("kind", "PUBLIC"), columns].tolist() == [1_000, -400, 600, 1_400, 0, 1]
    assert found.loc[("kind", "PRIVATE"), columns].tolist() == [0, 0, 0, 0, 500, 0]
    assert found.loc[("sector", "unclassified"), columns].tolist() == [0, 0, 0, 0, 500, 0]
    assert found.loc["sector", "gross_exposure"].sum() == pytest.approx(1_400.0)


def test_without_classes_there_are_no_rows():
    assert allocation(POSITIONS, CLASSES.iloc[:0]).empty
