"""In whatever portions and order sessions are computed, and however often, the database says the same (SPEC 9.10, 9.11)."""

import pandas as pd
import pytest

from sigma_assets_tests.verification.world import World

SESSIONS = 4


@pytest.fixture(scope="module")
def imported(simulated, tmp_path_factory) -> World:
    """Return a portfolio with nothing computed, to be copied: ids are random."""
    world = World.in_folder(tmp_path_factory.mktemp("imported"), simulated.prices)
    world.add(simulated.holdings, "book", simulated.equity)
    return world


@pytest.fixture(scope="module")
def days(simulated):
    return [day.date() for day in simulated.close.index[-SESSIONS:]]


@pytest.fixture(scope="module")
def at_once(imported, days, tmp_path_factory):
    world = imported.copied_to(tmp_path_factory.mktemp("at_once"))
    outcomes = world.run(days[0], days[-1], _portfolio(world))
    assert len(outcomes) == 1
    return world


def _portfolio(world: World) -> str:
    return world.rows_of_portfolios()["portfolio_id"].item()


def _assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for table, rows in expected.items():
        assert len(rows), table
        pd.testing.assert_frame_equal(found[table], rows, check_exact=True, obj=table)
        assert found[table].to_csv() == rows.to_csv(), table  # shortest digits that tell floats apart: byte for byte


def test_newest_first_and_session_by_session_is_the_same_as_at_once(imported, days, at_once, tmp_path):
    world = imported.copied_to(tmp_path)

    for day in reversed(days):
        world.run(day, day, _portfolio(world))

    _assert_same(world.content(), at_once.content())


def test_nightly_portions_oldest_first_are_the_same_as_at_once(imported, days, at_once, tmp_path):
    """Without a portfolio named, the universe runs first: the very rows that a scoped run then finds."""
    world = imported.copied_to(tmp_path)

    for first, last in ((0, 2), (3, 3)):
        world.run(days[first], days[last])

    _assert_same(world.content(), at_once.content())


def test_the_same_work_twice_leaves_the_same_database(days, at_once):
    before = at_once.content()

    at_once.run(days[0], days[-1], _portfolio(at_once), force=True)

    _assert_same(at_once.content(), before)
