"""Calls to a price service: pace, retries with back-off, Retry-After, and what they cost."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from sigma_assets.base.errors import ProviderUnavailableError

logger = logging.getLogger(__name__)
T = TypeVar("T")

Pace = Callable[[float], float]
"""Given the time now, reserves the next call among all processes that share a pace, and returns when it may start; both in
seconds since 1970."""

FIRST_WAIT_SECONDS = 1.0
FIRST_WAIT_THROTTLED_SECONDS = 15.0
"""After a 429 without Retry-After: limits are per minute, so 15 + 30 + 60 s outlast one."""
LONGEST_WAIT_SECONDS = 120.0
"""A Retry-After beyond it ends the call at once; back-off never waits longer."""
FAILURES_IN_A_ROW = 3
"""So many symbols without a usable answer, one after the other: it is the source, not the symbols."""


class TransientError(Exception):
    """One attempt failed in a way that may pass: throttled, server error, garbled answer, broken connection."""

    def __init__(self, reason: str, *, retry_after: float | None = None, throttled: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.throttled = throttled


@dataclass
class Meter:
    """What calls have cost."""

    requests: int = 0
    retries: int = 0
    waited_seconds: float = 0.0


class Caller:
    """Makes calls one at a time: not faster than allowed, and again when they fail in a way that may pass.

    Parameters
    ----------
    source : name of the service, for messages.
    pace : None = no limit.
    attempts : how often one call is tried before the source counts as unavailable.
    sleep : for tests.
    """

    def __init__(
        self,
        source: str,
        *,
        pace: Pace | None = None,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.meter = Meter()
        self._source = source
        self._pace = pace
        self._attempts = attempts
        self._sleep = sleep

    def call(self, what: str, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, trying again on TransientError; other errors pass through.

        Raises
        ------
        ProviderUnavailableError
            Every attempt failed, or the service asks for a longer wait than allowed.
        """
        for number in range(1, self._attempts + 1):
            self._keep_pace()
            self.meter.requests += 1
            try:
                return attempt()
            except TransientError as error:
                wait = self._wait_after(error, number)
                if number == self._attempts or wait > LONGEST_WAIT_SECONDS:
                    raise self._unavailable(what, number, error, wait) from error
                logger.info(
                    "%s: %s: %s; attempt %d of %d in %.1f s",
                    self._source, what, error, number + 1, self._attempts, wait,
                )  # fmt: skip
                self.meter.retries += 1
                self._pause(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def taken(self) -> Meter:
        """Return what calls have cost since this was asked for last."""
        cost, self.meter = self.meter, Meter()
        return cost

    def _wait_after(self, error: TransientError, number: int) -> float:
        if error.retry_after is not None:
            return error.retry_after
        first = FIRST_WAIT_THROTTLED_SECONDS if error.throttled else FIRST_WAIT_SECONDS
        return min(first * 2.0 ** (number - 1), LONGEST_WAIT_SECONDS)

    def _unavailable(self, what: str, number: int, error: TransientError, wait: float) -> ProviderUnavailableError:
        asked = f"; it asks to wait {wait:.0f} s" if wait > LONGEST_WAIT_SECONDS else ""
        return ProviderUnavailableError(
            f"{self._source}: {what}: no usable answer after {number} attempt(s); the last: {error}{asked}."
            " Prices fetched before are kept; the next run asks for the rest"
        )

    def _keep_pace(self) -> None:
        if self._pace is not None:
            now = time.time()
            self._pause(self._pace(now) - now)

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self.meter.waited_seconds += seconds
            self._sleep(seconds)


class Failures:
    """Symbols whose calls failed: one is left out and named at the end, several in a row mean a source that is down."""

    def __init__(self) -> None:
        self._errors: dict[str, ProviderUnavailableError] = {}
        self._in_a_row = 0

    def note(self, subject: str, error: ProviderUnavailableError) -> None:
        """Remember a failure.

        Raises
        ------
        ProviderUnavailableError
            The last few calls all failed: asking further would only wait.
        """
        logger.warning("no prices for %s: %s", subject, error)
        self._errors[subject] = error
        self._in_a_row += 1
        if self._in_a_row >= FAILURES_IN_A_ROW:
            raise error

    def clear_row(self) -> None:
        """Note that a call succeeded."""
        self._in_a_row = 0

    def raise_if_any(self) -> None:
        """Raise ProviderUnavailableError if any call failed, naming what is missing."""
        if self._errors:
            first = next(iter(self._errors.values()))
            raise ProviderUnavailableError(f"nothing for {', '.join(self._errors)}. {first}") from first


def retry_after_seconds(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header (seconds or an HTTP-date) asks for; None if it says nothing.

    A header that cannot be read counts as absent: back-off then decides.
    """
    if not header:
        return None
    try:
        return float(Retry().parse_retry_after(header))
    except InvalidHeader:
        return None
