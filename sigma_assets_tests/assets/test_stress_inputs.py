"""What stress tests read besides positions."""

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from sigma_assets.assets.stress_inputs import prices_since_entry
from sigma_assets.assets.tables import Tables
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import read_settings
from sigma_assets_tests.templates import migrated_sqlite


@pytest.mark.parametrize(
    ("entries", "symbols", "first"),
    [
        (["2024-03-20"], [], date(2024, 3, 14)),  # the only option comes after the sessions of the run
        (["2024-03-20", "2024-03-09"], ["UND1"], date(2024, 3, 8)),  # a Saturday: from the session before
        (["2024-03-15"], ["UND0"], date(2024, 3, 15)),
        ([], [], date(2024, 3, 14)),
    ],
)
def test_prices_of_underlyings_reach_back_to_the_first_option_entered_by_then(
    tmp_path: Path, entries: list[str], symbols: list[str], first: date
):
    settings = read_settings({"DAGSTER_HOME": str(tmp_path), "SIGMA_PRICES": "simulated:last=2024-03-22"})
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    tables = Tables(settings)
    lots = pd.DataFrame(
        {
            "underlying_symbol": pd.Series([f"UND{number}" for number in range(len(entries))] + [None], dtype=object),
            "entry_date": pd.to_datetime([*entries, "2024-03-01"]).astype("datetime64[s]"),
        }
    )

    history = prices_since_entry(tables, Scope(tables.calendar.between(date(2024, 3, 14), date(2024, 3, 15))), lots)

    assert history.symbols.tolist() == symbols
    assert (history.sessions[0].item(), history.sessions[-1].item()) == (first, date(2024, 3, 15))
