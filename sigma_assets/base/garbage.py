"""How often our processes look for garbage: seldom, since nearly everything that they make at their start stays."""

import gc

YOUNG_OBJECTS = 50_000
"""Python's own number is 700 or 2,000: imports make half a million objects, and every look goes through many of them. A
seventh of the time until the definitions are loaded; the garbage that waits is a few megabytes."""


def collect_seldom() -> None:
    """Let this process collect garbage after many objects; whoever disabled collection is left alone."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
