"""SQLite files that are moved away or replaced while a process uses them.

An open file goes on under its new name, or without any: who reads there shows what is no longer so, and who writes there
loses it.
"""

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sigma_assets.base.errors import StorageError

Identity = tuple[int, int]


def identity(file: str | Path) -> Identity | None:
    """Return which file has this name now; None if none has."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def check_in_place(file: str | Path, opened: Identity | None) -> None:
    """Make sure that a file is the one that was opened under this name.

    Raises
    ------
    StorageError
        It was moved away or replaced since.
    """
    if identity(file) != opened:
        raise StorageError(
            f"SQLite {file}: was moved away or replaced while this process used it, so nothing is read or written any more."
            " Stop everything that uses it, and start again"
        )


def watch_file(engine: sa.Engine, file: str | Path) -> None:
    """Hand out connections of an engine only while its file is the one that its first connection found."""
    opened: list[Identity | None] = []

    @sa.event.listens_for(engine, "do_connect")
    def check_before(*_: Any) -> None:  # or an empty file would be made in its place
        if opened:
            check_in_place(file, opened[0])

    @sa.event.listens_for(engine, "connect")
    def remember(*_: Any) -> None:
        if not opened:
            opened.append(identity(file))

    @sa.event.listens_for(engine, "checkout")
    def check(*_: Any) -> None:
        check_in_place(file, opened[0])

    @sa.event.listens_for(engine, "engine_disposed")
    def forget(*_: Any) -> None:
        opened.clear()
