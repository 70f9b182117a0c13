"""What completeness checks count: symbols that can be correlated, and sessions, not lots."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from sigma_assets.assets.checks.completeness import correlations_complete, every_holding, that_can_move
from sigma_assets.assets.tables import Tables
from sigma_assets.runs.partitions import Scope

DAYS = pd.to_datetime(["2026-01-07", "2026-01-08"]).as_unit("s")
SCOPE = Scope(DAYS.to_numpy().astype("datetime64[D]"), ("p",))


class Stored:
    """Stands for tables: rows by the name of a table."""

    def __init__(self, **rows: pd.DataFrame) -> None:
        self.frames = rows

    def rows(self, table: str, scope: Scope, symbols: Any = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        frame = self.frames[table]
        return frame if columns is None else frame[list(columns)]


def positions(*lots: tuple[str, str | None, float]) -> pd.DataFrame:
    """Return the position values of lots, each a symbol, its risk symbol and risk value, on both sessions."""
    rows = [
        {"portfolio_id": "p", "session": day, "lot_id": f"L{number}", "symbol": symbol, "investment_class": "PUBLIC"}
        | {"risk_symbol": risk, "risk_value": value}
        for day in DAYS
        for number, (symbol, risk, value) in enumerate(lots)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("second", "said"), [
    (("SPAXX", None, 0.0), 0),
    (("MSFT", "MSFT", 5.0), 1),
])  # fmt: skip
def test_cash_is_no_symbol_that_lacks_correlations(second, said):
    """A share beside a money-market fund has nothing to be correlated with; of two shares it is said."""
    counts = pd.DataFrame({"portfolio_id": "p", "session": DAYS, "symbols_included": 1})
    stored = Stored(position_values=positions(("AAPL", "AAPL", 9.0), second), correlations_by_portfolio=counts)

    assert len(list(correlations_complete(cast(Tables, stored), SCOPE))) == said


def test_two_lots_without_a_beta_on_two_sessions_are_two_sessions():
    none = pd.DataFrame({"portfolio_id": [], "session": np.array([], "datetime64[s]"), "lot_id": []})
    stored = Stored(position_values=positions(("AAPL", "AAPL", 9.0), ("AAPL", "AAPL", 5.0)), betas_by_position=none)

    (found,) = every_holding("betas_by_position", "has no beta")(cast(Tables, stored), SCOPE)

    assert found == "p: AAPL has no beta on 2 sessions, last 2026-01-08"


@pytest.mark.parametrize(("second", "said"), [(("SPAXX", None, 0.0), 0), (("NEW", "NEW", 5.0), 1)])
def test_cash_lacks_no_beta_in_a_stress_test(second, said):
    """Betas of 0 are known of cash (SPEC 2); a share without any is in no scenario."""
    held = positions(("AAPL", "AAPL", 9.0), second)
    moved = held[held["symbol"] == "AAPL"]
    stored = Stored(position_values=held, stress_tests_by_position=moved)
    find = every_holding("stress_tests_by_position", "is in no scenario", held=that_can_move)

    assert len(list(find(cast(Tables, stored), SCOPE))) == said
