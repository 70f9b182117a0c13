"""From SIGMA_PRICES to a price source: one of the sources below, or several in order."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sigma_assets.errors import SettingsError
from sigma_assets.providers.base import PriceProvider
from sigma_assets.trading_calendar import TradingCalendar


@dataclass(frozen=True)
class Surroundings:
    """What a source may need besides its own words in SIGMA_PRICES.

    Attributes
    ----------
    calendar : the exchange's sessions.
    current_session : the last one that is over; a source is made anew for the next one.
    massive_api_key, massive_calls_per_minute, massive_url, yahoo_calls_per_minute : as in the settings of these names.
    """

    calendar: TradingCalendar
    current_session: date
    massive_api_key: str
    massive_calls_per_minute: int
    massive_url: str
    yahoo_calls_per_minute: int


def make_provider(spec: str, around: Surroundings) -> PriceProvider:
    """Return the source that SIGMA_PRICES names; several, comma-separated, are asked in order, per symbol.

    Raises
    ------
    SettingsError
        A source is unknown, or its words cannot be used.
    """
    names = "|".join(_FACTORIES)
    parts = [part.strip() for part in re.split(rf",(?=\s*(?:{names})\b)", spec)]
    sources = []
    for part in parts:
        name, _, words = part.partition(":")
        if name not in _FACTORIES:
            raise SettingsError(f"SIGMA_PRICES={spec!r}: no price source {name!r}; there are {', '.join(_FACTORIES)}")
        sources.append(_FACTORIES[name](words, around))
    if len(sources) == 1:
        return sources[0]
    from sigma_assets.providers.routing import RoutedProvider

    return RoutedProvider(sources)


def _simulated(words: str, around: Surroundings) -> PriceProvider:
    """Return the simulated market: `simulated`, or `simulated:seed=7,last=2026-01-08,symbols=1193`."""
    from sigma_assets.providers.simulated import SimulatedProvider

    options = _options(words, ("seed", "last", "symbols"))
    seed, symbols = options.get("seed", "0"), options.get("symbols", "0")
    if not seed.isdigit() or not symbols.isdigit():
        raise SettingsError(f"SIGMA_PRICES=simulated:{words}: seed and symbols are whole numbers")
    last = _day(options["last"], words) if "last" in options else None
    return SimulatedProvider(
        around.calendar, last or around.current_session, seed=int(seed), extra_symbols=int(symbols)
    )


def _files(words: str, around: Surroundings) -> PriceProvider:
    from sigma_assets.providers.files import FilesProvider

    if not words:
        raise SettingsError(
            "SIGMA_PRICES=files: no path; expected files:PATH, a CSV or Parquet file or a folder of them"
        )
    return FilesProvider(Path(words).expanduser(), around.calendar)


def _massive(words: str, around: Surroundings) -> PriceProvider:
    from sigma_assets.providers.massive import MassiveProvider

    _options(words, ())
    return MassiveProvider(
        around.massive_api_key,
        around.calendar,
        around.current_session,
        calls_per_minute=around.massive_calls_per_minute,
        base_url=around.massive_url,
    )


def _yahoo(words: str, around: Surroundings) -> PriceProvider:
    from sigma_assets.providers.yahoo import YahooProvider

    _options(words, ())
    return YahooProvider(around.calendar, around.current_session, calls_per_minute=around.yahoo_calls_per_minute)


_FACTORIES: dict[str, Callable[[str, Surroundings], PriceProvider]] = {
    "simulated": _simulated,
    "files": _files,
    "massive": _massive,
    "yahoo": _yahoo,
}


def _options(words: str, known: tuple[str, ...]) -> dict[str, str]:
    options = {}
    for part in filter(None, words.split(",")):
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or name not in known:
            expected = ", ".join(f"{each}=..." for each in known) or "nothing after the name"
            raise SettingsError(f"SIGMA_PRICES: {part.strip()!r} is not understood; expected {expected}")
        options[name] = value
    return options


def _day(text: str, words: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"SIGMA_PRICES=simulated:{words}: last={text!r}; expected a date such as 2026-01-08"
        ) from None
