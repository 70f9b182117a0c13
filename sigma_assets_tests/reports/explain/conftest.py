"""Fixtures: a computed portfolio, and what explains its numbers."""

from collections.abc import Callable, Iterator

import pytest

from sigma_assets.reports.explain.chosen import Which
from sigma_assets.reports.explain.explanation import Explanation, explain
from sigma_assets_tests.reports.computed import LAST, computed_world, disposed
from sigma_assets_tests.verification.world import World


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """Return an installation with one portfolio, and the portfolio's id."""
    yield from disposed(computed_world(tmp_path_factory.mktemp("computed")))


@pytest.fixture
def of(computed: tuple[World, str]) -> Callable[..., Explanation]:
    """Return a function that explains a number of the portfolio."""
    world, key = computed

    def explained(table: str, column: str, **which: object) -> Explanation:
        chosen = Which(**{"session": LAST, **which})  # type: ignore[arg-type]
        return explain(world.tables.database, world.settings, world.instance, key, table, column, chosen)

    return explained
