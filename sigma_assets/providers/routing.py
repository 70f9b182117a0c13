"""Several price sources in order: the next is asked for what one does not cover, or if it cannot be reached."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from sigma_assets.base.errors import ProviderUnavailableError
from sigma_assets.providers.bars import by_symbol, make_bars
from sigma_assets.providers.base import Bars, PriceProvider, Unserved
from sigma_assets.providers.http import Meter

logger = logging.getLogger(__name__)

PASSED_ON = ("unknown_symbol", "not_covered")
"""Reasons with which a source says that it is not the one to ask. A late or missing bar is its answer, and stands."""


class RoutedProvider:
    """Several price sources as one.

    A row keeps the name of the source that gave it. A pair that no source covers comes back with the last one's reason
    and everybody's words; but if a source before could not be reached, nobody knows, and the load ends with that error.
    """

    def __init__(self, sources: Sequence[PriceProvider]) -> None:
        self.sources = tuple(sources)

    @property
    def name(self) -> str:
        """Return the names of the sources in order."""
        return ",".join(source.name for source in self.sources)

    def last_session(self) -> date:
        """Return the last session of the first source that can be reached."""
        for source in self.sources[:-1]:
            try:
                return source.last_session()
            except ProviderUnavailableError as error:
                logger.warning("%s; asking the next source", error)
        return self.sources[-1].last_session()

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield the batches of the sources; see `PriceProvider.daily_bars`."""
        remaining = by_symbol(wanted)
        refusals: dict[str, list[Unserved]] = {}
        unavailable: ProviderUnavailableError | None = None
        for source in self.sources:
            if not remaining:
                return
            open_pairs = {symbol: set(sessions) for symbol, sessions in remaining.items()}
            passed_on: dict[str, list[date]] = {}
            try:
                for bars in source.daily_bars(remaining):
                    kept, refused = _parted(bars.unserved)
                    _strike(open_pairs, bars)
                    for gap in refused:
                        refusals.setdefault(gap.symbol, []).append(gap)
                        passed_on.setdefault(gap.symbol, []).extend(gap.sessions)
                    yield replace(bars, unserved=tuple(kept))
            except ProviderUnavailableError as error:
                unavailable = unavailable or error
                logger.warning("%s", error)
                for symbol, sessions in open_pairs.items():
                    passed_on.setdefault(symbol, []).extend(sessions)
            remaining = by_symbol(passed_on)
        if remaining and unavailable is not None:
            raise unavailable
        if remaining:
            yield self._uncovered(remaining, refusals)

    def _uncovered(self, remaining: Mapping[str, Sequence[date]], refusals: Mapping[str, Sequence[Unserved]]) -> Bars:
        """Return the pairs that no source covers."""
        last = self.sources[-1].name
        gaps = []
        for symbol, sessions in remaining.items():
            words = "; ".join(dict.fromkeys(gap.detail for gap in refusals[symbol]))
            final: dict[date, Unserved] = {day: gap for gap in refusals[symbol] for day in gap.sessions}
            for gap in dict.fromkeys(final[day] for day in sessions):
                days = tuple(day for day in sessions if final[day] is gap)
                gaps.append(replace(gap, sessions=days, detail=words))

        return make_bars(last, (), Meter(), refused=gaps)


def _parted(unserved: Sequence[Unserved]) -> tuple[list[Unserved], list[Unserved]]:
    kept = [gap for gap in unserved if gap.reason not in PASSED_ON]
    return kept, [gap for gap in unserved if gap.reason in PASSED_ON]


def _strike(open_pairs: dict[str, set[date]], bars: Bars) -> None:
    """Strike what a batch answers off the list of what is still open."""
    for symbol, session in zip(bars.rows["symbol"], bars.rows["session"], strict=True):
        open_pairs[symbol].discard(session.date())
    for gap in bars.unserved:
        open_pairs[gap.symbol].difference_update(gap.sessions)
