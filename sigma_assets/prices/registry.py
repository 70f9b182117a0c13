"""Which price source a setting names, such as `files:PATH`; or several in order, such as `massive,yahoo`."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

from sigma_assets.base.calendar import TradingCalendar
from sigma_assets.base.errors import SettingsError
from sigma_assets.prices.source_state import reserve_call
from sigma_assets.providers.base import PriceProvider
from sigma_assets.providers.http import Pace
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database

OpenDatabase = Callable[[], Database]
"""Opens the database at first use: it shares the pace of calls with other processes."""
Factory = Callable[[str, Settings, date, OpenDatabase], PriceProvider]
"""Makes a source from what stands behind the colon of its spec, as of a session."""


def make_provider(settings: Settings, current_session: date, database: OpenDatabase) -> PriceProvider:
    """Return the price source that SIGMA_PRICES names; several, comma-separated, are asked in order, symbol by symbol.

    Parameters
    ----------
    current_session : the last one that is over; a source is made anew for the next one.

    Raises
    ------
    SettingsError
        There is no such source, or its options cannot be used.
    """
    parts = [part.strip() for part in re.split(rf",(?=\s*(?:{'|'.join(FACTORIES)})\b)", settings.prices)]
    sources = []
    for part in parts:
        name, _, options = part.partition(":")
        if name not in FACTORIES:
            raise SettingsError(
                f"SIGMA_PRICES: unknown price source {part!r}; expected one of: {', '.join(USAGE.values())}"
            )
        sources.append(FACTORIES[name](options.strip(), settings, current_session, database))
    if len(sources) == 1:
        return sources[0]
    from sigma_assets.providers.routing import RoutedProvider

    return RoutedProvider(sources)


def source_identity(spec: str) -> str:
    """Return what makes the sources of a spec different from others: `last=` only says how far a market has come."""
    return re.sub(r"(?<=[:,])\s*last=[^,]*,?", "", spec).rstrip(":,") if spec.startswith("simulated") else spec


def _simulated(options: str, settings: Settings, current_session: date, database: OpenDatabase) -> PriceProvider:
    from sigma_assets.providers.simulated.provider import SimulatedProvider

    given = {}
    for option in filter(None, (part.strip() for part in options.split(","))):
        key, _, value = option.partition("=")
        if key not in ("seed", "last", "symbols") or not value or key in given:
            raise SettingsError(
                f"SIGMA_PRICES: simulated market: found {option!r}, expected {USAGE['simulated']}, each at most once"
            )
        given[key] = value
    last = _session_option(given["last"], settings.calendar) if "last" in given else current_session
    seed, symbols = (_count_option(key, given.get(key, "0")) for key in ("seed", "symbols"))
    return SimulatedProvider(settings.calendar, last, seed=seed, extra_symbols=symbols)


def _files(options: str, settings: Settings, current_session: date, database: OpenDatabase) -> PriceProvider:
    from sigma_assets.providers.files.provider import FilesProvider

    if not options:
        raise SettingsError(f"SIGMA_PRICES: price files: no path given, expected {USAGE['files']}")
    path, _, ignored = options.partition("?ignore=")
    ignore = tuple(filter(None, (name.strip() for name in ignored.split(","))))
    if not path or (bool(ignored) != bool(ignore)):
        raise SettingsError(f"SIGMA_PRICES: price files: found {options!r}, expected {USAGE['files']}")
    return FilesProvider(Path(path).expanduser(), settings.calendar, current_session, ignore, settings.complete_share)


def _massive(options: str, settings: Settings, current_session: date, database: OpenDatabase) -> PriceProvider:
    from sigma_assets.providers.massive.provider import MassiveProvider

    _no_options("massive", options)
    return MassiveProvider(
        settings.massive_api_key,
        settings.calendar,
        current_session,
        pace=_pace("massive", settings.massive_calls_per_minute, database),
        base_url=settings.massive_url,
    )


def _yahoo(options: str, settings: Settings, current_session: date, database: OpenDatabase) -> PriceProvider:
    from sigma_assets.providers.yahoo.provider import YahooProvider

    _no_options("yahoo", options)
    return YahooProvider(
        settings.calendar, current_session, pace=_pace("yahoo", settings.yahoo_calls_per_minute, database)
    )


def _pace(source: str, calls_per_minute: int, database: OpenDatabase) -> Pace | None:
    """Return the pace that all processes of this database share; None = no limit."""
    return (lambda now: reserve_call(database(), source, calls_per_minute, now)) if calls_per_minute else None


def _no_options(name: str, options: str) -> None:
    if options:
        raise SettingsError(
            f"price source {name}: found {options!r}, expected {name} alone; its settings are variables"
        )


def _session_option(text: str, calendar: TradingCalendar) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"SIGMA_PRICES: simulated market: found last={text}, expected a session as YYYY-MM-DD"
        ) from error
    if not calendar.is_session(day):
        raise SettingsError(
            f"simulated market: last={text} is no NYSE session, expected one from {calendar.sessions[0]}"
        )
    return day


def _count_option(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise SettingsError(f"SIGMA_PRICES: simulated market: found {key}={text}, expected a whole number of 0 or more")
    return int(text)


FACTORIES: dict[str, Factory] = {"simulated": _simulated, "files": _files, "massive": _massive, "yahoo": _yahoo}
"""Sources by the name before the colon; each factory imports its module itself, so that unused ones cost nothing."""
USAGE: dict[str, str] = {
    "simulated": "simulated[:seed=7,last=2026-01-08,symbols=1193]",
    "files": "files:PATH[?ignore=COLUMN,COLUMN] (a .csv, .csv.gz or .parquet file, or a folder of them)",
    "massive": "massive (with MASSIVE_API_KEY)",
    "yahoo": "yahoo",
}
