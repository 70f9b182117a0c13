"""Factors and metrics move in batches of symbols, which change no bit of any number."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigma_assets.assets import symbol_rows
from sigma_assets.runs.partitions import Scope
from sigma_assets_tests.automation.world import World


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory):
    """Return tables with the prices of thirty symbols, and the last hundred sessions of them."""
    world = World(tmp_path_factory.mktemp("home"), "simulated:last=2025-03-31")
    symbols = sorted({*world.tables.factor_etfs, *world.price_source.provider.symbols})[:30]
    symbols = sorted({*symbols, *world.tables.factor_etfs})
    days = world.tables.calendar.between(date(2023, 9, 1), date(2025, 3, 31))
    world.price_source.load_missing(symbols, days, lambda *_: None)
    yield world.tables, symbols, Scope(days[-100:])
    world.close()


@pytest.mark.parametrize("asset", ["symbol_factors", "symbol_metrics"])
def test_batches_are_reported_one_by_one_and_change_no_bit(priced, asset, monkeypatch):
    """Not nothing and then everything: batches of at most nine, and each says which symbols it was."""
    tables, symbols, scope = priced
    reported: list[tuple[int, str]] = []
    columns = ["session", "symbol"]

    symbol_rows.write_symbol_rows(tables, asset, symbols, scope, lambda count, line: None)
    at_once = tables.rows(asset, scope, symbols)
    monkeypatch.setattr(symbol_rows, "CELLS", 9 * len(scope.sessions))
    symbol_rows.write_symbol_rows(tables, asset, symbols, scope, lambda count, line: reported.append((count, line)))
    in_batches = tables.rows(asset, scope, symbols)

    assert sum(count for count, _ in reported) == len(symbols)
    assert len(reported) == -(-len(symbols) // 9) > 2
    assert reported[0][1].startswith(f"{symbols[0]} to {symbols[8]}, 9 symbols: 100 sessions in ")
    assert len(at_once) > 0
    pd.testing.assert_frame_equal(at_once.sort_values(columns), in_batches.sort_values(columns), check_exact=True)
    assert np.isfinite(at_once.select_dtypes("number").to_numpy(dtype=float)).any()
