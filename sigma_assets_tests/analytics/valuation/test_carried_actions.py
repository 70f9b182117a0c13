"""Which entries and exits wait for the close whose row has the split or dividend of a day without one."""

import pandas as pd
import pytest

from sigma_assets.analytics.valuation.lots import with_carried_actions
from sigma_assets_tests.analytics.books import book, lot, option, weekdays

CARRIED = pd.DataFrame({"symbol": ["UND"], "session": ["2025-01-13"], "carrier": ["2025-01-15"]}).astype(
    {"session": "datetime64[s]", "carrier": "datetime64[s]"}
)
"""UND: an action on Monday 13 January, the next close on Wednesday."""


@pytest.mark.parametrize(
    ("day", "moved"),
    [
        ("2025-01-10", "2025-01-10"),  # the session before
        ("2025-01-11", "2025-01-15"),  # a Saturday, in effect on Monday
        ("2025-01-13", "2025-01-15"),
        ("2025-01-14", "2025-01-15"),
        ("2025-01-15", "2025-01-15"),
        ("2025-01-16", "2025-01-16"),
    ],
)
def test_days_from_the_action_on_wait_for_the_close(day: str, moved: str):
    lots = [
        lot("entered", "UND", 10, 50.0, day),
        lot("sold", "UND", 10, 50.0, "2025-01-06", exit_date=day, exit_price=50.0),
        lot("other", "AAA", 10, 50.0, day),
        lot("private", "UND", 10, 50.0, day, investment_class="PRIVATE"),
        option("lives", 1, 5.0, day, expiration_date="2025-01-17"),
        option("expired", 1, 5.0, day, expiration_date="2025-01-14"),
    ]
    before = book(lots).lots

    found = with_carried_actions(before, CARRIED, weekdays("2025-01-06", 10)).set_index("lot_id")

    entered = {key: f"{value:%Y-%m-%d}" for key, value in found["entry_date"].drop("sold").items()}
    assert entered == {"entered": moved, "lives": moved} | dict.fromkeys(("other", "private", "expired"), day)
    assert f"{found.loc['sold', 'exit_date']:%Y-%m-%d}" == moved
    assert found.dtypes.equals(before.set_index("lot_id").dtypes)
