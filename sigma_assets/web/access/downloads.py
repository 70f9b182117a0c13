"""Downloads that leave room for others: a few are sent at once, some more wait, and the rest learn why not."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import chain, islice

import anyio.to_thread
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

AT_ONCE = 8
THREADS = 2
LINES = 500
MOST_WAITING = 32
WAIT_SECONDS = 20.0
"""How long a download waits for its turn: less than the minute after which proxies give up."""
RETRY_SECONDS = 10


def named_file(file_name: str) -> dict[str, str]:
    """Return the header that makes a browser save an answer under a name."""
    return {"Content-Disposition": f'attachment; filename="{file_name}"'}


class Downloads:
    """Places for downloads: a few at once, read by threads of their own, so that short answers never queue behind them."""

    def __init__(self, *, most_waiting: int = MOST_WAITING, wait_seconds: float = WAIT_SECONDS) -> None:
        self.places = asyncio.Semaphore(AT_ONCE)
        self._most_waiting, self._wait_seconds = most_waiting, wait_seconds
        self._waiting = 0
        self._limiter: anyio.CapacityLimiter | None = None

    def response(
        self, parts: Iterator[str] | Iterator[bytes], media_type: str, headers: Mapping[str, str]
    ) -> StreamingResponse:
        """Return the answer of a download, which waits for a place and keeps it to its end, however it ends.

        Without a place in time it is a 503 that says so, with `Retry-After`.

        Parameters
        ----------
        parts : blocks of bytes, sent one by one, or lines of text, sent many at a time.
        """
        return _Download(self, self._chunks(parts), media_type=media_type, headers=dict(headers))

    async def take(self) -> str:
        """Wait for a place, behind those who wait; return why there is none, or an empty text once there is."""
        if self.places.locked() and self._waiting >= self._most_waiting:
            return f"{AT_ONCE} downloads are under way and {self._waiting} wait for their turn"
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self.places.acquire()
        except TimeoutError:
            return f"{AT_ONCE} downloads are under way, and none ended within {self._wait_seconds:g} s"
        finally:
            self._waiting -= 1
        return ""

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
    def __init__(self, downloads: Downloads, chunks: AsyncIterator[bytes], **options: object) -> None:
        super().__init__(chunks, **options)  # type: ignore[arg-type]
        self._downloads = downloads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        why_not = await self._downloads.take()
        if why_not:
            detail = f"{why_not}; try again in {RETRY_SECONDS} s, or ask for pages with limit"
            await JSONResponse({"detail": detail}, 503, {"Retry-After": str(RETRY_SECONDS)})(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._downloads.places.release()
