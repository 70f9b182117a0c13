"""Fixtures: a computed portfolio, and what explains its numbers."""

from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from sigma_assets.base.frames import SessionArray
from sigma_assets.reports.explain import explanation
from sigma_assets.reports.explain.chosen import Which
from sigma_assets.reports.explain.explanation import Explanation, explain
from sigma_assets.reports.explain.recomputed import RecordingTables, recomputed
from sigma_assets.runs.partitions import Scope
from sigma_assets_tests.reports.computed import LAST, computed_world, disposed
from sigma_assets_tests.verification.world import World

Recomputed = tuple[pd.DataFrame, set[str], SessionArray | None]
"""Rows computed again, and what was read for them."""


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """Return an installation with one portfolio, and the portfolio's id."""
    yield from disposed(computed_world(tmp_path_factory.mktemp("computed")))


@pytest.fixture
def of_altered(computed: tuple[World, str]) -> Callable[..., Explanation]:
    """Return a function that explains a number of the portfolio, some rows of which the test changes."""
    world, key = computed

    def explained(table: str, column: str, **which: object) -> Explanation:
        chosen = Which(**{"session": LAST, **which})  # type: ignore[arg-type]
        return explain(world.tables.database, world.settings, world.instance, key, table, column, chosen)

    return explained


@pytest.fixture(scope="module")
def recomputed_once() -> dict[tuple[object, ...], Recomputed]:
    """Return what has been computed again, by table, scope and symbol."""
    return {}


@pytest.fixture
def of(
    of_altered: Callable[..., Explanation],
    recomputed_once: dict[tuple[object, ...], Recomputed],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Explanation]:
    """Return a function that explains a number of the portfolio as it was computed, each table computed again once."""

    def replayed(tables: RecordingTables, table: str, scope: Scope, symbol: str | None) -> pd.DataFrame:
        key = (table, scope.sessions.tobytes(), scope.portfolio_ids, symbol)
        if key not in recomputed_once:
            watched = RecordingTables(tables.settings, tables.database)
            rows = recomputed(watched, table, scope, symbol)
            recomputed_once[key] = rows, watched.tables_read, watched.price_sessions
        rows, tables_read, tables.price_sessions = recomputed_once[key]
        tables.tables_read |= tables_read
        return rows.copy()

    monkeypatch.setattr(explanation, "recomputed", replayed)
    return of_altered
