"""Servers and clocks for the tests of price sources."""

from collections.abc import Iterator

import pytest

from sigma_assets_tests.providers.loopback import FakeClock, Loopback
from sigma_assets_tests.providers.massive.fake_massive import FakeMassive


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock on which nobody really waits."""
    return FakeClock()


@pytest.fixture
def market() -> FakeMassive:
    """Return an empty market to be filled by the test."""
    return FakeMassive()


@pytest.fixture
def massive(market: FakeMassive) -> Iterator[Loopback]:
    """Serve the market as Massive does."""
    with Loopback(market.answer).running() as server:
        yield server
