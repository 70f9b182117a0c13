"""Identities find what breaks them, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.valuation.identities import cash_breaks, exposure_breaks, value_breaks, weighted_sum_breaks

CALENDAR = np.array(["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08", "2026-01-12"], dtype="datetime64[D]")


@pytest.fixture
def snapshots() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "portfolio_id": "p",
            "session": CALENDAR.astype("datetime64[s]"),
            "equity": 1_000.0,
            "cash": 400.0,
            "cash_equivalents": 0.0,
            "long_value": 800.0,
            "short_value": -200.0,
            "gross_exposure": 1_000.0,
            "net_exposure": 600.0,
            "dividend_income": 0.0,
        }
    )


@pytest.fixture
def nothing_happens() -> tuple[pd.DataFrame, pd.DataFrame]:
    lots = pd.DataFrame(
        {
            "portfolio_id": ["p"],
            "entry_date": pd.to_datetime(["2026-01-02"]),
            "exit_date": pd.to_datetime([None]),
            "expiration_date": pd.to_datetime([None]),
        }
    )
    return lots, pd.DataFrame({"portfolio_id": [], "flow_date": pd.to_datetime([])})


def test_a_sound_ledger_breaks_nothing(snapshots, nothing_happens):
    assert exposure_breaks(snapshots).empty
    assert cash_breaks(snapshots, *nothing_happens, CALENDAR).empty


@pytest.mark.parametrize("column", ["gross_exposure", "net_exposure", "equity", "long_value"])
def test_an_exposure_that_does_not_add_up_is_found(snapshots, column):
    snapshots.loc[2, column] += 0.01

    broken = exposure_breaks(snapshots)

    assert broken["session"].tolist() == [pd.Timestamp("2026-01-07")]
    assert broken["gap"].iloc[0] == pytest.approx(0.01)


def test_cash_that_moves_without_a_reason_is_found(snapshots, nothing_happens):
    snapshots.loc[3:, "cash"] += 5.0

    broken = cash_breaks(snapshots, *nothing_happens, CALENDAR)

    assert broken[["session", "gap"]].to_numpy().tolist() == [[pd.Timestamp("2026-01-08"), 5.0]]


@pytest.mark.parametrize("column", ["entry_date", "exit_date", "expiration_date"])
def test_a_trade_on_a_weekend_explains_the_next_session(snapshots, nothing_happens, column):
    lots, flows = nothing_happens
    snapshots.loc[4, "cash"] += 5.0
    lots[column] = pd.Timestamp("2026-01-10")

    assert cash_breaks(snapshots, lots, flows, CALENDAR).empty


def test_dividends_and_flows_explain_cash(snapshots, nothing_happens):
    lots, _ = nothing_happens
    snapshots.loc[1:, "cash"] += 2.0
    snapshots.loc[1, "dividend_income"] = 2.0
    snapshots.loc[2:, "cash"] += 3.0
    flows = pd.DataFrame({"portfolio_id": ["p"], "flow_date": pd.to_datetime(["2026-01-07"])})

    assert cash_breaks(snapshots, lots, flows, CALENDAR).empty


def test_a_session_without_its_predecessor_is_not_judged(snapshots, nothing_happens):
    snapshots.loc[3:, "cash"] += 5.0

    assert cash_breaks(snapshots.drop(index=2), *nothing_happens, CALENDAR).empty


def test_net_exposure_is_the_sum_of_positions(snapshots):
    positions = snapshots[["portfolio_id", "session"]].assign(market_value=600.0)
    positions.loc[4, "market_value"] = 599.0

    assert value_breaks(snapshots, positions)["session"].tolist() == [pd.Timestamp("2026-01-12")]
    assert len(value_breaks(snapshots, positions.head(0))) == 5


def test_a_portfolio_number_must_be_there_where_its_parts_are(snapshots):
    portfolios = snapshots[["portfolio_id", "session"]].assign(beta=[1.0, 1.0, np.nan, np.nan, 1.0])
    positions = snapshots[["portfolio_id", "session"]].assign(part=[1.0, 2.0, np.nan, 1.0, np.nan])

    broken = weighted_sum_breaks(portfolios, positions, {"beta": "part"})

    assert [day.day for day in broken["session"]] == [6, 8, 12]
