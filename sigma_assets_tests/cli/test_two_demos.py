"""`sigma-assets demo`, started twice at the same moment."""

from collections.abc import Iterator

import pytest

from sigma_assets.cli import demo
from sigma_assets.cli.terminal.world import open_database
from sigma_assets.holdings import samples
from sigma_assets.settings import settings
from sigma_assets.storage.portfolios import portfolios


@pytest.fixture
def home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SIGMA_PRICES", "simulated:last=2026-01-08")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_the_second_one_takes_what_the_first_one_has_just_imported(home, monkeypatch: pytest.MonkeyPatch):
    """It ended with "a portfolio named 'Balanced' exists; choose another name", a name that nobody had chosen."""
    books, first = samples.sample_books, []

    def meanwhile(*arguments):
        """Import everything by another demo, after this one has looked what is there."""
        monkeypatch.setattr(samples, "sample_books", books)
        first.extend(demo._import_samples())
        return books(*arguments)

    monkeypatch.setattr(samples, "sample_books", meanwhile)
    second = demo._import_samples()

    assert second == first
    database = open_database()
    assert sorted(portfolios(database)["portfolio_id"]) == sorted(first)
    database.dispose()
