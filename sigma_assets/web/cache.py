"""What readers share: fifty who ask within a second cost one look, and what has not changed is not made again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import Any

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError

from sigma_assets.base.errors import SigmaError

CACHE_SECONDS = 1.0
MAX_KEYS = 1000
MOST_BYTES = 64 << 20
"""Bodies that are kept, together; what was asked for longest ago goes first."""
UNAVAILABLE = (SQLAlchemyError, SigmaError)
"""What a look raises when a database is away; shared like a value, so that readers do not queue up to wait for it."""


@dataclass(frozen=True)
class Answer:
    """The body of an answer, made once for all who ask.

    Attributes
    ----------
    is_lasting : whether it stays right as long as nothing is written; false where it also counts the seconds.
    """

    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_lasting: bool = True

    @cached_property
    def etag(self) -> str:
        """The name of this body."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    def response(self, request: Request, **headers: str) -> Response:
        """Return the answer, or that the reader's copy is still good."""
        named = {**self.headers, **headers, "ETag": self.etag, "Vary": "Accept"}
        held = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
        if self.etag in held or "*" in held:
            return Response(status_code=304, headers=named)
        return Response(self.body, media_type=self.media_type, headers=named)


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    moment: float = float("-inf")
    version: Hashable = None
    value: Any = None
    error: Exception | None = None

    @property
    def size(self) -> int:
        return len(self.value.body) if isinstance(self.value, Answer) else 0


class ShortCache:
    """Remembers what was read for at most a second; of readers that come at once, one reads and the others wait.

    What is read with a version is kept for as long as that stays the same; whether it does is asked once a second.
    """

    def __init__(
        self,
        seconds: float = CACHE_SECONDS,
        clock: Callable[[], float] = monotonic,
        *,
        max_keys: int = MAX_KEYS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._max_keys, self._most_bytes = max_keys, most_bytes
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], Any], version: Callable[[], Hashable] = object) -> Any:
        """Return what `read` returned, or raise what it raised, not longer ago than the cache remembers.

        Parameters
        ----------
        version : returns what is equal to an earlier one only if `read` would return the same again; it is asked before
            reading, so that a change in between counts as one. By default nothing is.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            begun = self._clock()
            if begun - slot.moment >= self._seconds:
                self._renew(slot, read, version)
                slot.moment = begun
            if slot.error is not None:
                raise slot.error
            return slot.value

    def _renew(self, slot: _Slot, read: Callable[[], Any], version: Callable[[], Hashable]) -> None:
        try:
            now = version()
            if slot.error is None and slot.version is not None and now == slot.version:
                return
            slot.version, slot.value, slot.error = None, None, None
            slot.value = read()
            slot.version = None if isinstance(slot.value, Answer) and not slot.value.is_lasting else now
        except UNAVAILABLE as error:
            slot.version, slot.value, slot.error = None, None, error
        finally:
            self._make_room()

    def _make_room(self) -> None:
        """Forget what was asked for longest ago, so that neither keys nor bytes are too many."""
        with self._lock:
            total = sum(slot.size for slot in self._slots.values())
            while len(self._slots) > 1 and (len(self._slots) > self._max_keys or total > self._most_bytes):
                _, oldest = self._slots.popitem(last=False)
                total -= oldest.size
