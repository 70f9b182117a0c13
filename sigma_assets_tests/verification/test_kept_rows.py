"""What a run keeps of its rows, instead of reading them again, is what stands in the tables."""

import shutil
from collections import Counter

import pandas as pd
import pytest

from sigma_assets.assets.run_tables import RunTables
from sigma_assets.assets.tables import Tables
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import FAMILIES
from sigma_assets_tests.reports.computed import compute_world
from sigma_assets_tests.templates import migrated_sqlite
from sigma_assets_tests.verification.world import FILE

READ = {"portfolio_snapshots", "price_coverage", "correlations_by_pair"}
"""Tables of which one asset's check reads what another asset has stored, and the one that is stored packed."""


def test_what_steps_and_checks_see_is_what_is_stored(
    tmp_path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lots of every kind, five sessions, universe and portfolio: each frame equals a reading, types included."""
    seen, kept = Counter[str](), RunTables.rows

    def compared(self: RunTables, table: str, scope: Scope, symbols=None, columns=None) -> pd.DataFrame:
        mine = kept(self, table, scope, symbols, columns)
        pd.testing.assert_frame_equal(mine, Tables.rows(self, table, scope, symbols, columns), check_exact=True)
        seen[table] += 1
        return mine

    monkeypatch.setattr(RunTables, "rows", compared)
    world, _ = compute_world(tmp_path, database_url)
    world.tables.database.dispose()
    world.instance.dispose()

    assert set(seen) >= {table.name for asset in names(PORTFOLIO_ASSETS) for table in FAMILIES[asset]}


def test_no_check_reads_again_what_its_asset_has_stored(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database adds up tells that it has them; `test_scenario_14...` has it change them."""
    read, reads = Counter[str](), Tables.rows

    def counted(self: Tables, table: str, *arguments) -> pd.DataFrame:
        read[table] += 1
        return reads(self, table, *arguments)

    shutil.copy(migrated_sqlite(), tmp_path / FILE)
    monkeypatch.setattr(Tables, "rows", counted)
    world, _ = compute_world(tmp_path)
    world.tables.database.dispose()
    world.instance.dispose()

    assert read
    assert {table.name for asset in names(PORTFOLIO_ASSETS) for table in FAMILIES[asset]} & set(read) == READ
