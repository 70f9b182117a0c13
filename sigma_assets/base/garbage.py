"""How often our processes look for garbage: seldom, since nearly everything that they make at their start stays."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 50_000
"""Python's own number is 700 or 2,000: imports make half a million objects, and every look goes through many of them. A
seventh of the time until the definitions are loaded; the garbage that waits is a few megabytes."""


def collect_seldom() -> None:
    """Let this process collect garbage after many objects; whoever disabled collection is left alone."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)


class _Spared:
    """Whether `spare` was called in this process, or in the one that it was forked from; Python can only count, slowly."""

    always = False


def spare() -> None:
    """Keep what is there already, modules above all, out of collections from now on: each full one would go through it."""
    gc.freeze()
    _Spared.always = True


@contextmanager
def spared() -> Iterator[None]:
    """Do so for a while, unless it was done for good.

    A night of 300 portfolios spent a tenth of its CPU time on collections without it.
    """
    if _Spared.always:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
