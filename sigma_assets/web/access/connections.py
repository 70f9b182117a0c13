"""Connections of the status server that nobody can hold open for nothing."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 15
"""A request has arrived whole within this long, or its connection ends."""
WRITE_SECONDS = 30
"""A reader takes what waits for it (some 50 kB) within this long, or its connection ends."""


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
