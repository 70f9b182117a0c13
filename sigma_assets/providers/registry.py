"""From SIGMA_PRICES to a price source: one name, or several in order."""

from collections.abc import Callable
from datetime import date
from typing import Any

from sigma_assets.errors import SettingsError
from sigma_assets.providers.base import PriceProvider
from sigma_assets.trading_calendar import TradingCalendar

CurrentSession = Callable[[], date]
Factory = Callable[..., PriceProvider]
