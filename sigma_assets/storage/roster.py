"""The roster: which portfolio is which partition. Numbers and names are never reused: what a run covered stays known."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import portfolio_partitions, portfolios, price_coverage

MAX_SLUG = 40
SHORTEST_ID = 8
"""Characters of a portfolio's id in its partition's name; more where two would be alike."""
NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Roster:
    """Every portfolio that ever became a partition, in the order of its number.

    Attributes
    ----------
    ordinals : ascending; from 1 on, with gaps where an import was rolled back.
    portfolio_ids, names : one each per ordinal; a name is a partition key of Dagster.
    """

    ordinals: tuple[int, ...]
    portfolio_ids: tuple[str, ...]
    names: tuple[str, ...]

    @cached_property
    def name_of(self) -> dict[str, str]:
        """Portfolio id -> name of its partition."""
        return dict(zip(self.portfolio_ids, self.names, strict=True))

    @cached_property
    def id_of(self) -> dict[str, str]:
        """Name of a partition -> portfolio id."""
        return dict(zip(self.names, self.portfolio_ids, strict=True))

    @cached_property
    def _ordinal_of(self) -> dict[str, int]:
        return dict(zip(self.portfolio_ids, self.ordinals, strict=True))

    def spans(self, portfolio_ids: Iterable[str]) -> list[str]:
        """Return portfolios as spans of ordinals (`3`, `7-20`), which say for ever which they were.

        Raises
        ------
        KeyError
            A portfolio is not in the roster.
        """
        wanted = {self._ordinal_of[portfolio_id] for portfolio_id in portfolio_ids}
        is_wanted = np.array([ordinal in wanted for ordinal in self.ordinals], dtype=np.int8)
        edges = np.flatnonzero(np.diff(is_wanted, prepend=0, append=0)).reshape(-1, 2)
        ends = [(self.ordinals[start], self.ordinals[stop - 1]) for start, stop in edges.tolist()]
        return [str(first) if first == last else f"{first}-{last}" for first, last in ends]

    def within(self, spans: Iterable[str]) -> tuple[str, ...]:
        """Return the portfolios of spans of ordinals, in the order of the roster."""
        found: list[str] = []
        for span in spans:
            first, _, last = span.partition("-")
            start, stop = np.searchsorted(self.ordinals, [int(first), int(last or first) + 1])
            found += self.portfolio_ids[start:stop]
        return tuple(found)


def read_roster(db: Database) -> Roster:
    """Return the roster as it is now."""
    table = portfolio_partitions.c
    with db.read() as connection:
        query = sa.select(table.ordinal, table.portfolio_id, table.partition_name).order_by(table.ordinal)
        columns = list(zip(*connection.execute(query).all(), strict=True)) or [(), (), ()]
    return Roster(*columns)


def adopt(db: Database, portfolio_ids: Sequence[str], adopted_by: str) -> list[str]:
    """Give portfolios a number and a partition's name; return the ids of those that had none.

    Of several processes that adopt a portfolio at once, one does, and only that one gets its id back: whoever adopts a
    portfolio asks for its first run.

    Parameters
    ----------
    adopted_by : `import` or `sensor` or `command`, see `unclaimed`.
    """
    with db.begin() as connection:
        return [portfolio_id for portfolio_id in portfolio_ids if add_partition(connection, portfolio_id, adopted_by)]


def add_partition(connection: sa.Connection, portfolio_id: str, adopted_by: str) -> bool:
    """Give a portfolio a number and a partition's name within a transaction; return False if it has them already."""
    table = portfolio_partitions.c
    query = sa.select(portfolios.c.name).where(portfolios.c.portfolio_id == portfolio_id)
    wanted = partition_names(connection.execute(query).scalar_one(), portfolio_id)
    taken = set(connection.execute(sa.select(table.partition_name).where(table.partition_name.in_(wanted))).scalars())
    name = next((name for name in wanted if name not in taken), wanted[-1])
    values = {
        "portfolio_id": portfolio_id,
        "partition_name": name,
        "adopted_by": adopted_by,
        "adopted_at": datetime.now(UTC),
    }
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    added = insert(portfolio_partitions).values(values).on_conflict_do_nothing(index_elements=["portfolio_id"])
    return connection.execute(added).rowcount == 1


def partition_names(name: str, portfolio_id: str) -> list[str]:
    """Return the names that a portfolio's partition may have, best first: `<slug of the name>-<first 8 of the id>`.

    Examples
    --------
    >>> partition_names("Müller & Söhne", "3f2a9c01-77aa-4b02-9f00-5d2a10b3c4d5")[0]
    'muller-sohne-3f2a9c01'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = NOT_IN_A_NAME.sub("-", plain).strip("-")[:MAX_SLUG].rstrip("-") or "portfolio"
    compact = NOT_IN_A_NAME.sub("-", portfolio_id.lower()).strip("-")
    lengths = range(SHORTEST_ID, max(len(compact), SHORTEST_ID) + 1)
    return [f"{slug}-{compact[:length]}" for length in lengths]


def uncomputed(db: Database) -> pd.DataFrame:
    """Return the active portfolios that nothing was computed for.

    Returns
    -------
    DataFrame `portfolio_id, adopted_by, adopted_at`, in the order of the roster; moments in UTC.
    """
    roster, portfolio = portfolio_partitions.c, portfolios.c
    has_rows = sa.exists().where(price_coverage.c.portfolio_id == portfolio.portfolio_id)
    query = (
        sa.select(roster.portfolio_id, roster.adopted_by, roster.adopted_at)
        .join(portfolios, portfolio.portfolio_id == roster.portfolio_id)
        .where(portfolio.deleted_at.is_(None), ~has_rows)
        .order_by(roster.ordinal)
    )
    with db.read() as connection:
        rows = connection.execute(query).all()
    found = pd.DataFrame([tuple(row) for row in rows], columns=["portfolio_id", "adopted_by", "adopted_at"])
    return found.assign(adopted_at=pd.to_datetime(found["adopted_at"], utc=True))
