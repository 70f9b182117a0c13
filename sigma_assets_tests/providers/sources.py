"""Price sources by their name in SIGMA_PRICES, as of a session."""

from dataclasses import replace
from datetime import date

from sigma_assets.prices.registry import make_provider
from sigma_assets.providers.base import PriceProvider
from sigma_assets.settings import read_settings
from sigma_assets.storage.connection.database import Database


def source_of(spec: str, current_session: date = date(2026, 1, 8)) -> PriceProvider:
    """Return the source that a spec names; no call of it may be paced."""
    settings = read_settings({"MASSIVE_API_KEY": "key", "SIGMA_MASSIVE_URL": "http://127.0.0.1:1"})
    return make_provider(replace(settings, prices=spec), current_session, _no_database)


def _no_database() -> Database:
    raise AssertionError("no call should be made")
