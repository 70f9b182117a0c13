"""Each example of docs/corporate-actions.md, with its numbers: on the day of the action the equity must not jump."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigma_assets_tests.verification.test_real_life import HEADER, SESSIONS, history, numbers

DOCS = (Path(__file__).parents[2] / "docs" / "corporate-actions.md").read_text()
EXIT = f"{HEADER},Exit Date,Exit Price Per Share"


def step(day: str, before: float, after: float) -> np.ndarray:
    """Return closes that change once."""
    return np.where(np.datetime64(day) <= SESSIONS, after, before)


def around(snapshots: pd.DataFrame, day: str) -> list[float]:
    """Return the equity of the session before a day, and of that day."""
    place = snapshots.index.get_loc(pd.Timestamp(day))
    return snapshots["equity"].iloc[[place - 1, place]].tolist()


def test_a_spin_off_is_a_dividend_of_its_value_and_a_lot_at_that_price():
    day = "2024-04-02"
    prices = history({"PAR": step(day, 120.0, 111.0), "SPN": 36.0}, {("PAR", day): 9.0})

    snapshots, positions = numbers(f"{HEADER}\nPAR,100,100,2024-01-16\nSPN,25,36.00,{day}\n", prices)

    assert around(snapshots, day) == [102_000.0, 102_000.0]
    assert snapshots.loc[day, "dividend_income"] == 900.0
    assert positions.loc[positions["session"] == day, "market_value"].sum() == 12_000.0
    assert "9.00" in DOCS and "900.00" in DOCS and "12,000.00" in DOCS  # noqa: PT018


def test_a_merger_for_cash_is_a_sale():
    snapshots, _ = numbers(f"{EXIT}\nTGT,100,40,2024-01-16,2024-05-01,54\n", history({"TGT": 53.9}))

    assert snapshots.loc["2024-05-01", "realized_pnl"] == 1_400.0
    assert "1,400.00" in DOCS


def test_a_merger_for_shares_leaves_the_cash_in_lieu():
    day = "2024-05-01"
    text = f"{EXIT}\nOLD,100,20,2024-01-16,{day},26.80\nNEW,33,80,{day},,\n"

    snapshots, positions = numbers(text, history({"OLD": 26.80, "NEW": 80.0}))

    assert around(snapshots, day) == [100_680.0, 100_680.0]
    assert positions.loc[positions["session"] == day, "market_value"].tolist() == [2_640.0]
    cash = snapshots["cash"]
    assert cash[day] - (100_000 - 2_000) == pytest.approx(40.0)
    assert "2,680.00" in DOCS and "40.00" in DOCS  # noqa: PT018


def test_a_rename_changes_no_number():
    closes = step("2024-06-03", 300.0, 310.0)

    old, _ = numbers(f"{HEADER}\nFBX,10,290,2024-01-16\n", history({"FBX": closes}))
    new, _ = numbers(f"{HEADER}\nMTX,10,290,2024-01-16\n", history({"MTX": closes}))

    pd.testing.assert_frame_equal(old, new)


def test_a_return_of_capital_is_a_dividend():
    day = "2024-03-15"
    prices = history({"ROC": step(day, 30.0, 28.5)}, {("ROC", day): 1.5})

    snapshots, positions = numbers(f"{HEADER}\nROC,100,30,2024-01-16\n", prices)

    assert around(snapshots, day) == [100_000.0, 100_000.0]
    assert snapshots.loc[day, "dividend_income"] == 150.0
    assert positions.loc[positions["session"] == day, "market_value"].tolist() == [2_850.0]
    assert "2,850.00" in DOCS


def test_rights_are_worth_the_same_exercised_or_sold():
    """A right is worth (25 - 20) / 11, and the share 25 less that."""
    day, right = "2024-03-15", 5 / 11
    closes = step(day, 25.0, 25.0 - right)
    bought = f"{HEADER}\nRGT,100,25,2024-01-16\n"

    exercised, _ = numbers(f"{bought}RGT,10,20,{day}\n", history({"RGT": closes}))
    sold, _ = numbers(bought, history({"RGT": closes}, {("RGT", day): right}))

    assert around(exercised, day) == pytest.approx([100_000.0, 100_000.0])
    assert around(sold, day) == pytest.approx([100_000.0, 100_000.0])
