"""Random books of options - splits of the underlying, quotes now and then, exits, expirations - against SPEC 4.9."""

from datetime import date

import pandas as pd
import pytest

from sigma_assets_tests.analytics.books import positions, snapshots
from sigma_assets_tests.analytics.random_books import Case, random_case
from sigma_assets_tests.oracles.option_lots import Tape, closing_profit, last_session, position

DATES = ("entry_date", "exit_date", "expiration_date")
CASES = [random_case(seed, portfolios=2, sessions=40) for seed in range(14)]


def _tape(case: Case) -> Tape:
    columns = [case.history.column(symbol) for symbol in ("UND-CALL", "UND")]
    quote, close = (case.history.close[:, column].tolist() for column in columns)
    split, dividend = (table[:, columns[1]].tolist() for table in (case.history.split_factor, case.history.dividend))
    return Tape(case.history.sessions.tolist(), quote, close, split, dividend)


def _options(case: Case) -> Case:
    """Return the options of a case only, struck near the underlying's close when they were entered."""
    closes = pd.Series(_tape(case).close, index=case.history.sessions.astype("datetime64[s]")).dropna()
    lots = {
        name: [
            lot | {"strike_price": round(closes[: lot["entry_date"]].iloc[-1] * 0.98, 2)}
            for lot in lots
            if lot["option_type"]
        ]
        for name, lots in case.lots.items()
    }
    return case._replace(lots=lots, flows={name: [] for name in case.flows})


def _with_dates(lot: dict) -> dict:
    return lot | {name: lot[name] and date.fromisoformat(lot[name]) for name in DATES}


def test_the_cases_have_everything_in_them():
    lots = [_with_dates(lot) for case in CASES for lots in _options(case).lots.values() for lot in lots]
    closings = [last_session(lot, _tape(CASES[0])) for lot in lots]

    assert {lot["option_type"] for lot in lots} == {"CALL", "PUT"}
    assert sum(price is not None for _, price in closings) > 5
    assert sum(price is None and day != date.max for day, price in closings) > 5
    assert sum(factor != 1 for case in CASES for factor in _tape(case).split[70:]) > 5


@pytest.mark.parametrize("case", [_options(case) for case in CASES], ids=lambda case: str(len(case.lots["P0"])))
def test_every_number_of_an_option_lot_is_that_of_the_specification(case: Case):
    tape = _tape(case)
    expected = {}
    equity = {(name, day): 50_000.0 for name in case.lots for day in case.sessions.tolist()}
    for name, lots in case.lots.items():
        for lot in map(_with_dates, lots):
            end = last_session(lot, tape)[0]
            for today, day in enumerate(tape.sessions[70:], start=70):
                if lot["entry_date"] <= day < end:
                    row = position(lot, tape, today)
                    expected[lot["lot_id"], day] = row
                    equity[name, day] += row["market_value"] - lot["quantity"] * 100 * lot["entry_price"]
                elif end <= day:
                    equity[name, day] += closing_profit(lot, tape)

    rows = positions(case.holdings, case.history, case.sessions)
    found = {(row.lot_id, row.session.date()): row._asdict() for row in rows.itertuples()}

    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert {name: found[key][name] for name in row} == pytest.approx(row, rel=1e-9, abs=1e-9, nan_ok=True), key
    totals = snapshots(case.holdings, case.history, case.sessions).set_index(["portfolio_id", "session"])["equity"]
    for (name, day), total in equity.items():
        assert totals[name, pd.Timestamp(day)] == pytest.approx(total, rel=1e-12, abs=1e-6)
