"""Connections of the status server that nobody can hold open for nothing, and downloads that leave room for others."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import chain, islice

import anyio.to_thread
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 15
"""A request has arrived whole within this long, or its connection ends."""
WRITE_SECONDS = 30
"""A reader takes what waits for it (some 50 kB) within this long, or its connection ends."""
AT_ONCE = 8
THREADS = 2
LINES = 500


class ImpatientConnection(H11Protocol):
    """A connection that ends when its client sends no whole request, or does not read the answer."""

    _arriving: asyncio.TimerHandle | None = None
    _draining: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, not for ever."""
        super().connection_made(transport)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock goes on until a request is whole."""
        super().data_received(data)
        self._await_request()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._await_request()

    def pause_writing(self) -> None:
        """Wait for a reader, not for ever."""
        super().pause_writing()
        self._draining = self._draining or self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        super().connection_lost(exc)
        for clock in (self._arriving, self._draining):
            if clock is not None:
                clock.cancel()
        self._arriving = self._draining = None

    def _await_request(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if is_answering and self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
        elif not is_answering and self._arriving is None and not self.transport.is_closing():
            self._arriving = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)


class Downloads:
    """Places for downloads: a few at once, read by threads of their own, so that short answers never queue behind them."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = threading.Semaphore(at_once)
        self._limiter: anyio.CapacityLimiter | None = None

    def response(
        self, parts: Iterator[str] | Iterator[bytes], media_type: str, file_name: str
    ) -> StreamingResponse | None:
        """Return the answer of a download, which keeps its place to its end, however it ends; None if all are taken.

        Parameters
        ----------
        parts : blocks of bytes, sent one by one, or lines of text, sent many at a time.
        """
        if not self._places.acquire(blocking=False):
            return None
        headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
        return _Download(self._places, self._chunks(parts), media_type=media_type, headers=headers)

    async def _chunks(self, parts: Iterator[str] | Iterator[bytes]) -> AsyncIterator[bytes]:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS)

        def chunk() -> bytes:
            first: str | bytes = next((part for part in parts if part), b"")
            if isinstance(first, bytes):
                return first
            return "".join(chain([first], islice(parts, LINES - 1))).encode()  # type: ignore[arg-type]

        while text := await anyio.to_thread.run_sync(chunk, limiter=self._limiter):
            yield text


class _Download(StreamingResponse):
    def __init__(self, places: threading.Semaphore, chunks: AsyncIterator[bytes], **options: object) -> None:
        super().__init__(chunks, **options)  # type: ignore[arg-type]
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.release()
