"""The price source of an installation and the table that it fills."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from time import monotonic

from sigma_assets.base.calendar import NEW_YORK, today
from sigma_assets.base.errors import ProviderError, ProviderUnavailableError
from sigma_assets.base.frames import SessionArray
from sigma_assets.prices.completeness import Answers, answers_for, ask_again_today
from sigma_assets.prices.gaps import missing_prices, open_gaps
from sigma_assets.prices.registry import make_provider, source_identity
from sigma_assets.prices.source_state import is_asked, mark_asked, reopen_gaps
from sigma_assets.prices.storing import Loaded, Reloaded, recheck_recent, reload, store_bars, stored_bars
from sigma_assets.providers.base import RECENT_SESSIONS, Bars, ChangingContent, PriceProvider, Unserved
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database

logger = logging.getLogger(__name__)

LAST_SESSION_SECONDS = 300.0
LOCAL_SOURCES = ("simulated", "files:")
"""Sources that answer at once and for nothing."""


LOOK_BACK_SESSIONS = 600
"""No look-back reaches further."""
OTHER_CALLS = 40
"""Calls of a load for splits, dividends, and symbols that lack bars."""


def longest_run_seconds(settings: Settings, first: date, last: date) -> int:
    """Return how long a run over some sessions may take before it is ended: the setting, and a load at the source's pace.

    At five calls a minute, and a call for each session of the whole market, a first load takes more than an hour.
    """
    if "massive" not in settings.prices or not settings.massive_calls_per_minute:
        return settings.max_runtime_seconds
    calls = len(settings.calendar.between(first, last)) + LOOK_BACK_SESSIONS + OTHER_CALLS
    return settings.max_runtime_seconds + math.ceil(60.0 * calls / settings.massive_calls_per_minute)


class PriceSource:
    """The price provider and the table it fills: asks only for what is missing, keeps every batch it gets."""

    def __init__(self, settings: Settings, database: Callable[[], Database]) -> None:
        """Take the settings, and a way to open the database at first use."""
        self.settings = settings
        self._database = database
        self._made: tuple[date, PriceProvider] | None = None
        self._last: tuple[PriceProvider, date, float] | None = None

    @property
    def provider(self) -> PriceProvider:
        """The source that SIGMA_PRICES names, as of the calendar's current session."""
        current = self.settings.current_session()
        if self._made is None or self._made[0] != current:
            self._made = (current, make_provider(self.settings, current, self._database))
        return self._made[1]

    def closes_at_hand(
        self, wanted: Mapping[str, Sequence[date]]
    ) -> tuple[dict[tuple[str, date], float], dict[str, Unserved]]:
        """Return what a source on this machine has, and which symbols it does not know; of others nothing.

        The first is (symbol, session) -> close as traded, USD, the second symbol -> what the source says. Nothing is
        stored.

        Raises
        ------
        ProviderError
            Its files cannot be read.
        """
        if not self.settings.prices.startswith(LOCAL_SOURCES) or hasattr(self.provider, "sources"):
            return {}, {}
        blocks = list(self.provider.daily_bars(wanted))
        closes = {(row.symbol, row.session.date()): row.close for bars in blocks for row in bars.rows.itertuples()}
        lacking = [entry for bars in blocks for entry in bars.unserved]
        return closes, {entry.symbol: entry for entry in lacking if entry.reason == "unknown_symbol"}

    def target_session(self) -> date:
        """Return the last session that can be computed: the calendar's current one, if the provider has it (SPEC 5).

        One that the provider began, and has prices for too few symbols of, is left out until it is time to ask again.
        """
        last = min(self.settings.current_session(), self._last_session())
        return last if self.unfinished(last) is None else self.settings.calendar.shift(last, -1)

    def unfinished(self, session: date | None = None) -> str | None:
        """Return what is said of a session (the last one of the source) that waits because too few symbols have prices."""
        if self.knows_changes:
            return None  # it looks at all that it has
        if session is None:
            session = min(self.settings.current_session(), self._last_session())
        answers = self._answers_for(session)
        due = datetime.combine(session, self.settings.cutoff, NEW_YORK)
        if answers.is_complete(self.settings.complete_share) or datetime.now(UTC) >= answers.waits_until(due):
            return None
        again = answers.waits_until(due).astimezone(NEW_YORK)
        return f"{self._incomplete(answers)} It is asked for again from {again:%Y-%m-%d %H:%M} New York on"

    def _answers_for(self, session: date) -> Answers:
        since = self.settings.calendar.shift(session, -RECENT_SESSIONS)
        return answers_for(self._database(), session, since)

    def _incomplete(self, answers: Answers) -> str:
        least = f"{self.settings.complete_share:.0%} must (SIGMA_COMPLETE_SHARE)"
        return f"{self.provider.name} has not finished {answers}, {least}."

    def _refuse_unfinished(self, session: date) -> None:
        """Raise ProviderUnavailableError if the source's last session has prices for too few symbols: nobody computes it."""
        answers = self._answers_for(session)
        if answers.is_complete(self.settings.complete_share):
            return
        ask_again_today(self._database(), session, today())
        raise ProviderUnavailableError(
            f"{self._incomplete(answers)} What it has is stored; the rest is asked for again"
        )

    @property
    def knows_changes(self) -> bool:
        """Whether the source can tell, for nothing, that what it has is different from before.

        Files can, and the simulated market never changes what it has said of a session.
        """
        return isinstance(self.provider, ChangingContent) or self.provider.name == "simulated"

    def fingerprint(self) -> str:
        """Return a text that changes with the setting, with the key, and with what the source has if it can tell."""
        sources = getattr(self.provider, "sources", (self.provider,))
        content = [source.content() for source in sources if isinstance(source, ChangingContent)]
        parts = (source_identity(self.settings.prices), self.settings.massive_api_key, content)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def is_asked(self) -> bool:
        """Return whether the whole universe has been asked for since the source, or what it has, last changed."""
        return is_asked(self._database(), self.fingerprint())

    def _last_session(self) -> date:
        """Return the provider's last session. Sensors ask every few seconds: over the network, every five minutes."""
        provider = self.provider
        if self._last is not None and self._last[0] is provider:
            _, last, asked = self._last
            if last >= self.settings.current_session() or monotonic() - asked < LAST_SESSION_SECONDS:
                return last
        last = provider.last_session()
        if not self.settings.prices.startswith(LOCAL_SOURCES):
            self._last = (provider, last, monotonic())
        return last

    def load_missing(
        self,
        symbols: Sequence[str],
        sessions: SessionArray,
        on_symbols: Callable[[int, str | None], None],
        *,
        again: bool = False,
    ) -> Loaded:
        """Load the prices that are missing for some symbols and sessions; what cannot be served is remembered.

        Stored splits and dividends of the last weeks are corrected, where the source knows better by now and the calls
        for missing prices say so. What was remembered as missing is asked for again once the source has changed.

        Parameters
        ----------
        on_symbols : called with how many symbols are complete now, and a line about one of them.
        again : this is the whole universe. Ask for what was missing before these sessions, too, once that is due; and
            read the last weeks' prices again, where that costs nothing: in files that somebody may have corrected. Of
            some symbols, that is done once the source has changed.

        Raises
        ------
        ProviderError
            The source failed after retries. Batches that came before stay.
        """
        database, fingerprint = self._database(), self.fingerprint()
        started = monotonic()
        if reopen_gaps(database, fingerprint, today(), datetime.now(UTC)):
            logger.info("the price source has changed: what it lacked before is asked for again")
        wanted = missing_prices(database, list(symbols), sessions, today())
        if again:
            wanted = _joined(wanted, self._old_gaps(symbols, sessions[0].item()))
        on_symbols(len(set(symbols)) - len(wanted), None)
        open_pairs = {symbol: len(days) for symbol, days in wanted.items()}
        costs, rows, corrected = [], 0, 0
        for bars in self._bars(wanted):
            corrected += store_bars(database, bars)
            costs.append(bars.cost)
            rows += len(bars.rows)
            for symbol, count in _answered(bars).items():
                open_pairs[symbol] -= count
                if open_pairs[symbol] <= 0:
                    line = f"{symbol}: {len(wanted[symbol])} sessions in {monotonic() - started:.1f} s"
                    on_symbols(1, line)
        if again or not is_asked(database, fingerprint):
            corrected += self._recheck(symbols, sessions[-1].item(), fingerprint, whole=again)
        if wanted and not self.knows_changes and sessions[-1].item() == self._last_session():
            self._refuse_unfinished(sessions[-1].item())
        loaded = Loaded(
            symbols=len(wanted),
            rows=rows,
            unserved=sum(map(len, wanted.values())) - rows,
            corrected=corrected,
            requests=sum(each.requests for each in costs),
            retries=sum(each.retries for each in costs),
            waited_seconds=sum((each.waited_seconds for each in costs), 0.0),
            seconds=monotonic() - started,
        )
        logger.info(
            "loaded %d prices of %d symbols from %s in %.1f s; %d not served, %d corrected",
            loaded.rows, loaded.symbols, self.provider.name, loaded.seconds, loaded.unserved, loaded.corrected,
        )  # fmt: skip
        return loaded

    def _old_gaps(self, symbols: Sequence[str], before: date) -> dict[str, list[date]]:
        """Return what lacked before a session and may be there by now; of files, only once they have changed."""
        database = self._database()
        if self.knows_changes and is_asked(database, self.fingerprint()):
            return {}
        return open_gaps(database, symbols, before, today())

    def _recheck(self, symbols: Sequence[str], last: date, fingerprint: str, *, whole: bool) -> int:
        """Take over what was corrected in files; note that the universe was asked for, if it was up to the target."""
        database, corrected = self._database(), 0
        if isinstance(self.provider, ChangingContent):
            corrected = recheck_recent(database, self.settings.calendar, self.provider, symbols, last)
        if whole and not is_asked(database, fingerprint) and last >= self.target_session():
            mark_asked(database, fingerprint)
        return corrected

    def reload(
        self, symbols: Sequence[str] | None, first: date, last: date, on_rows: Callable[[int], None]
    ) -> Reloaded:
        """Ask for stored prices once more, of some symbols (None = of all), and correct what differs; see `reload`."""
        stored = stored_bars(self._database(), symbols, first, last)
        return reload(self._database(), self.settings.calendar, self.provider, stored, on_rows)

    def _bars(self, wanted: Mapping[str, Sequence[date]]) -> Iterator[Bars]:
        if not wanted:
            return
        try:
            yield from self.provider.daily_bars(wanted)
        except ProviderError as error:
            error.add_note(f"asked {self.provider.name} for {len(wanted)} symbols; batches received before are kept")
            raise


def _joined(one: Mapping[str, Sequence[date]], other: Mapping[str, Sequence[date]]) -> dict[str, list[date]]:
    return {symbol: sorted({*one.get(symbol, ()), *other.get(symbol, ())}) for symbol in sorted({*one, *other})}


def _answered(bars: Bars) -> Counter[str]:
    """Return how many of the sessions asked for a batch answers, served or not, per symbol."""
    answered = Counter(bars.rows["symbol"].tolist())
    for entry in bars.unserved:
        answered[entry.symbol] += len(entry.sessions)
    return answered
