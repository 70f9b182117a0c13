"""Which price source a setting names: `simulated`, `simulated:seed=7,last=2026-01-08,symbols=1193`, `files:PATH`."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from sigma_assets.errors import SettingsError
from sigma_assets.providers.base import PriceProvider
from sigma_assets.trading_calendar import TradingCalendar

CurrentSession = Callable[[], date]
"""Tells the session whose closes are due by now."""
Factory = Callable[[str, TradingCalendar, CurrentSession], PriceProvider]
"""Makes a source from what stands behind the colon of its spec."""


def make_provider(spec: str, calendar: TradingCalendar, current_session: CurrentSession) -> PriceProvider:
    """Return the price source that a spec names.

    Raises
    ------
    SettingsError
        There is no such source, or its options cannot be used.
    """
    name, _, options = spec.strip().partition(":")
    if name not in FACTORIES:
        raise SettingsError(f"unknown price source {spec!r}; expected one of: {', '.join(USAGE.values())}")
    return FACTORIES[name](options.strip(), calendar, current_session)


def _simulated(options: str, calendar: TradingCalendar, current_session: CurrentSession) -> PriceProvider:
    from sigma_assets.providers.simulated import SimulatedProvider

    given = {}
    for option in filter(None, (part.strip() for part in options.split(","))):
        key, _, value = option.partition("=")
        if key not in ("seed", "last", "symbols") or not value or key in given:
            raise SettingsError(f"simulated market: found {option!r}, expected {USAGE['simulated']}, each at most once")
        given[key] = value
    last = _session_option(given["last"], calendar) if "last" in given else current_session
    seed, symbols = (_count_option(key, given.get(key, "0")) for key in ("seed", "symbols"))
    return SimulatedProvider(calendar, last, seed=seed, extra_symbols=symbols)


def _files(options: str, calendar: TradingCalendar, current_session: CurrentSession) -> PriceProvider:
    from sigma_assets.providers.files import FilesProvider

    if not options:
        raise SettingsError(f"price files: no path given, expected {USAGE['files']}")
    return FilesProvider(Path(options).expanduser(), calendar)


def _session_option(text: str, calendar: TradingCalendar) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"simulated market: found last={text}, expected a session as YYYY-MM-DD") from error
    if not calendar.is_session(day):
        raise SettingsError(
            f"simulated market: last={text} is no NYSE session, expected one from {calendar.sessions[0]}"
        )
    return day


def _count_option(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise SettingsError(f"simulated market: found {key}={text}, expected a whole number of 0 or more")
    return int(text)


FACTORIES: dict[str, Factory] = {"simulated": _simulated, "files": _files}
"""Sources by the name before the colon; each factory imports its module itself, so that unused ones cost nothing."""
USAGE: dict[str, str] = {
    "simulated": "simulated[:seed=7,last=2026-01-08,symbols=1193]",
    "files": "files:PATH (a .csv, .csv.gz or .parquet file, or a folder of them)",
}
