"""Fixtures: a computed portfolio, and what explains its numbers."""

from collections.abc import Callable, Iterator

import pytest

from sigma_assets.reports.explain import explanation
from sigma_assets.reports.explain.explanation import Explanation, explain
from sigma_assets.reports.words.table import Which
from sigma_assets_tests.reports.computed import LAST, computed_world, disposed
from sigma_assets_tests.reports.explain.once import Recompute, recomputed_once
from sigma_assets_tests.verification.world import World


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
def replayed() -> Recompute:
    """Return what computes each table of the portfolio again once."""
    return recomputed_once()


@pytest.fixture
def of(
    of_altered: Callable[..., Explanation], replayed: Recompute, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Explanation]:
    """Return a function that explains a number of the portfolio as it was computed, each table computed again once."""
    monkeypatch.setattr(explanation, "recomputed", replayed)
    return of_altered
