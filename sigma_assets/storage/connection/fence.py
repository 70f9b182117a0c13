"""Who may still write: work that was given away to somebody else must not be finished by its former owner."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local

import sqlalchemy as sa

Fence = Callable[[sa.Connection], None]
"""Returns if what was written in a transaction may be committed, raises if not; it is the last to use the transaction."""

_of_thread = local()


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Ask a fence before each commit of this thread's write transactions, whatever database they are in."""
    before = getattr(_of_thread, "fence", None)
    _of_thread.fence = fence
    try:
        yield
    finally:
        _of_thread.fence = before


def ask_fence(connection: sa.Connection) -> None:
    """Return if this thread may commit; raises what its fence raises."""
    fence: Fence | None = getattr(_of_thread, "fence", None)
    if fence is not None:
        fence(connection)
