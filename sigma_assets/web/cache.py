"""What readers share: fifty who ask within a second cost one look, and what has not changed is not made again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import monotonic
from typing import Any

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError

from sigma_assets.base.errors import SigmaError

CACHE_SECONDS = 1.0
AT_MOST = 2
"""An answer may be so many times as old while the next one is being made: readers do not wait long for that one. Whoever
asks every two seconds always gets a new one."""
PATIENCE_SECONDS = 0.01
"""How long a reader waits for the next answer where the last one may still be given."""
MAKERS = 4
"""Threads that make answers while readers get the last ones."""
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
    is_lasting : whether it stays right as long as nothing is written; false where it also counts the seconds, or says of a
        process that it lives.
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


@dataclass(frozen=True)
class _Kept:
    """What was read.

    Attributes
    ----------
    version : what it is right for; None where nobody knows, as of an error.
    """

    moment: float = float("-inf")
    version: Hashable = None
    value: Any = None
    error: Exception | None = None

    @property
    def size(self) -> int:
        return len(self.value.body) if isinstance(self.value, Answer) else 0

    def get(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True)
class _Look:
    """How something is read, for a reader who asked at a moment."""

    asked: float
    read: Callable[[], Any]
    version: Callable[[], Hashable]
    is_lasting: Callable[[Any], bool]


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: _Kept = field(default_factory=_Kept)
    renewal: Future[Any] | None = None


class _Making(threading.local):
    """What a thread is making now.

    Attributes
    ----------
    version : what it is to be right for; None while it makes nothing.
    is_current : whether all parts were read since then, and stay right as long as nothing is written.
    """

    version: Hashable = None
    is_current: bool = True


def _lasts(value: Any) -> bool:
    return not isinstance(value, Answer) or value.is_lasting


class ShortCache:
    """Remembers what was read for at most a second; of readers that come at once, one reads and the others wait.

    What is read with a version is kept for as long as that stays the same; whether it does is asked once a second. Where
    making an answer takes longer than a moment, readers get the last one meanwhile, if that is at most two seconds old.
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
        self._making = _Making()
        self._makers = ThreadPoolExecutor(MAKERS, "answers")

    def get(
        self,
        key: Hashable,
        read: Callable[[], Any],
        version: Callable[[], Hashable] = object,
        is_lasting: Callable[[Any], bool] = _lasts,
    ) -> Any:
        """Return what `read` returned, or raise what it raised, not longer ago than the cache remembers.

        What `read` gets here itself is a part of what it makes: that is kept only if no part is older than its version.

        Parameters
        ----------
        version : returns what is equal to an earlier one only if `read` would return the same again; it is asked before
            reading, so that a change in between counts as one. By default nothing is. Parts have that of the whole.
        is_lasting : returns whether what was read stays right as long as the version does. What is made of a part that does
            not, does not, either.
        """
        look = _Look(self._clock(), read, version, is_lasting)
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        if self._making.version is not None:
            return self._part(slot, look)
        last = slot.kept
        if isinstance(last.value, Answer) and self._seconds <= look.asked - last.moment < AT_MOST * self._seconds:
            renewal = self._renewal(slot, look)
            wait([renewal], PATIENCE_SECONDS)
            return renewal.result() if renewal.done() else last.value
        return self._renewed(slot, look)

    def close(self) -> None:
        """Wait for the answers that are being made."""
        self._makers.shutdown()

    def _part(self, slot: _Slot, look: _Look) -> Any:
        with slot.lock:
            if slot.kept.version != self._making.version:
                if look.asked - slot.kept.moment >= self._seconds:
                    self._read(slot, self._clock(), self._making.version, look)
                else:
                    self._making.is_current = False
            return slot.kept.get()

    def _renewal(self, slot: _Slot, look: _Look) -> Future[Any]:
        with self._lock:
            if slot.renewal is None or slot.renewal.done():
                slot.renewal = self._makers.submit(self._renewed, slot, look)
            return slot.renewal

    def _renewed(self, slot: _Slot, look: _Look) -> Any:
        with slot.lock:
            # by when the reader asked: all who waited while the last one was being made share the next one
            if look.asked - slot.kept.moment >= self._seconds:
                self._renew(slot, self._clock(), look)
            return slot.kept.get()

    def _renew(self, slot: _Slot, begun: float, look: _Look) -> None:
        try:
            now = look.version()
            if now == slot.kept.version:
                slot.kept = replace(slot.kept, moment=begun)
                return
            self._making.version, self._making.is_current = now, True
            self._read(slot, begun, now, look)
        except UNAVAILABLE as error:  # of the version
            slot.kept = _Kept(begun, error=error)
        finally:
            self._making.version = None
            self._make_room()

    def _read(self, slot: _Slot, begun: float, version: Hashable, look: _Look) -> None:
        """Read; what is raised unexpectedly leaves the slot as it was.

        What is made of parts that are older, or do not last, has no version, be it an answer or a part itself.
        """
        try:
            value = look.read()
        except UNAVAILABLE as error:
            slot.kept = _Kept(begun, error=error)
            return
        if not look.is_lasting(value):
            self._making.is_current = False
        slot.kept = _Kept(begun, version if self._making.is_current else None, value)

    def _make_room(self) -> None:
        """Forget what was asked for longest ago, so that neither keys nor bytes are too many."""
        with self._lock:
            total = sum(slot.kept.size for slot in self._slots.values())
            while len(self._slots) > 1 and (len(self._slots) > self._max_keys or total > self._most_bytes):
                _, oldest = self._slots.popitem(last=False)
                total -= oldest.kept.size
