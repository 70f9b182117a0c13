"""What stress tests read besides positions."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from sigma_assets.assets.stress_inputs import prices_since_entry
from sigma_assets.assets.tables import Tables
from sigma_assets.definitions import definitions_for
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings, read_settings
from sigma_assets_tests.templates import fresh_instance, migrated_sqlite
from sigma_assets_tests.verification.world import FIRST_SESSION, World

LAST = date(2024, 3, 15)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(home=tmp_path, prices=f"simulated:last={LAST}", first_session=FIRST_SESSION)
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    made = World(settings, Tables(settings), definitions_for(settings), fresh_instance(tmp_path))
    yield made
    made.instance.dispose()
    made.tables.database.dispose()


def test_a_portfolio_of_worthless_options_has_shares_of_the_equity_that_its_snapshot_says(world: World):
    """A put on AAPL at 0.01 is worth exactly 0: no weight of a lot tells equity, and no scenario moves it."""
    header = b"Symbol,Quantity,Entry Price Per Share,Entry Date\n"
    worthless = world.add(header + b"AAPL240621P00000010,1,0.5,2024-03-14\n", "Worthless", 1_000.0)
    usual = world.add(header + b"AAPL,1,170,2024-03-14\n", "Usual", 1_000.0)
    world.run(date(2024, 3, 14), LAST)

    scope = Scope(world.tables.calendar.between(date(2024, 3, 14), LAST), (worthless, usual))
    snapshots = world.tables.rows("portfolio_snapshots", scope).set_index(["portfolio_id", "session"])
    found = world.tables.rows("stress_tests_by_portfolio", scope).set_index(["portfolio_id", "session"])

    assert snapshots.loc[worthless, "equity"].tolist() == [950.0, 950.0]
    assert found.loc[worthless, "pnl_share"].eq(0.0).all()
    assert len(found.loc[worthless]) == len(found.loc[usual]) > 0
    pd.testing.assert_series_equal(
        found["pnl_share"], found["pnl_usd"] / snapshots["equity"].reindex(found.index), check_names=False, rtol=1e-12
    )


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
