"""What a price source can do, and the shapes in which it answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from sigma_assets.providers.actions import Statement
from sigma_assets.providers.http import Meter

BAR_COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume", "split_factor", "dividend")
"""Columns of `Bars.rows`: as traded; split_factor 1 and dividend 0 where nothing happened (SPEC 3)."""

RECENT_SESSIONS = 20
"""A symbol without a price for so many sessions is not expected to have one on the next."""

ASK_AGAIN_DAYS = 7
"""Five sessions: no source is trusted longer with what it said it does not have."""

Reason = Literal["unknown_symbol", "not_yet_listed", "delisted", "late", "no_bar", "rejected", "not_covered"]

FINAL_REASONS: tuple[Reason, ...] = ("not_yet_listed", "delisted")
"""Reasons that a source can state with a day, so that there is nothing to wait for; any other gap is asked for again."""


@dataclass(frozen=True)
class Unserved:
    """Sessions of a symbol that were asked for and that the source cannot serve.

    Attributes
    ----------
    symbol : the symbol asked for.
    sessions : what was asked for and not served.
    reason : one of `Reason`; `unknown_symbol` and `delisted` speak of the symbol as a whole, from now on; `not_covered`
        says that the source does not offer it by its nature or plan, so that another source may.
    detail : what the source said, for people.
    next_try : first day on which asking again makes sense, `ASK_AGAIN_DAYS` from now at the latest; None = never, which
        counts with `FINAL_REASONS` alone: the source named the day of the listing, or of its end.
    """

    symbol: str
    sessions: tuple[date, ...]
    reason: Reason
    detail: str
    next_try: date | None


@dataclass(frozen=True)
class Bars:
    """One batch of an answer; complete in itself, so that an interrupted load keeps the batches it has.

    Attributes
    ----------
    source : name of the source that answered.
    rows : DataFrame with `BAR_COLUMNS`; session as datetime64[s], symbol as str, the others float64. At most one row
        per (symbol, session), only sessions that were asked for, every close finite and > 0.
    unserved : everything asked for in this batch that is not in `rows`.
    renamed : old symbol -> new symbol, where the source knows of a rename; rows carry the symbol that was asked for.
    statements : what the source knows by now of the last weeks' splits and dividends, where the same calls say so.
    cost : what the calls for the batch cost.
    """

    source: str
    rows: pd.DataFrame
    unserved: tuple[Unserved, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()
    cost: Meter = field(default_factory=Meter)


@runtime_checkable
class ChangingContent(Protocol):
    """A source that answers at once and for nothing, and whose rows somebody may add or correct at any time."""

    def content(self) -> str:
        """Return a text that is different whenever the source has other rows than before."""


def later(as_of: date) -> date:
    """Return the day on which a source is asked again for what it does not have."""
    return as_of + timedelta(days=ASK_AGAIN_DAYS)


class PriceProvider(Protocol):
    """A source of daily bars."""

    @property
    def name(self) -> str:
        """Return the name stored with every price row; a simulated source says `simulated`."""

    def last_session(self) -> date:
        """Return the last session for which this source has data.

        Raises
        ------
        ProviderError
            The source cannot say (unreachable, no data at all).
        """

    def daily_bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        """Yield daily bars for the wanted sessions of each symbol, in as few calls as the source allows.

        Every wanted (symbol, session) comes back exactly once: as a row or in an `Unserved`.

        Raises
        ------
        ProviderUnavailableError
            The source kept failing after retries; batches yielded before stand.
        ProviderAccessError
            Key or entitlement refused.
        """
