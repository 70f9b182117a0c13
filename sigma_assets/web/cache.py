"""A cache so short that nobody notices: fifty readers who ask within a second share one look at the databases."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from sigma_assets.base.errors import SigmaError

CACHE_SECONDS = 1.0
MAX_KEYS = 1000
UNAVAILABLE = (SQLAlchemyError, SigmaError)
"""What a look raises when a database is away; shared like a value, so that readers do not queue up to wait for it."""


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    moment: float = float("-inf")
    value: Any = None
    error: Exception | None = None


class ShortCache:
    """Remembers what was read for at most a second; of readers that come at once, one reads and the others wait."""

    def __init__(self, seconds: float = CACHE_SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[Hashable, _Slot] = {}

    def get(self, key: Hashable, read: Callable[[], Any]) -> Any:
        """Return what `read` returned, or raise what it raised, not longer ago than the cache remembers."""
        with self._lock:
            if len(self._slots) >= MAX_KEYS:
                self._forget_old()
            slot = self._slots.setdefault(key, _Slot())
        with slot.lock:
            begun = self._clock()
            if begun - slot.moment >= self._seconds:
                slot.value, slot.error = None, None
                try:
                    slot.value = read()
                except UNAVAILABLE as error:
                    slot.error = error
                slot.moment = begun
            if slot.error is not None:
                raise slot.error
            return slot.value

    def _forget_old(self) -> None:
        now = self._clock()
        self._slots = {key: slot for key, slot in self._slots.items() if now - slot.moment < self._seconds}
