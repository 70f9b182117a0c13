"""A night on PostgreSQL with no history, with one year of it and with five: what is stored must not slow it down.

`python -m benchmarks.growing_history` computes a night, copies it to so many earlier sessions, Dagster's events with their
tags and our rows alike, and computes the next night. It needs about 8 GB of disk and four minutes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise

import sqlalchemy as sa

from benchmarks.cases import nightly_runs
from benchmarks.measuring import Measured, table
from benchmarks.worlds import World, add_portfolios, extra_symbols, load_prices, make_world

YEAR = 252
LOTS = 30
APART = 10_000_000
"""Between the ids of a night's events and those of its copy."""


def growing_history(portfolios: int, years: Sequence[int], symbols: int = 300) -> list[Measured]:
    """Measure a night after each number of years of history, ascending."""
    world = make_world(len(years) + 1, "postgres")
    template, *nights = world.sessions
    entry = world.tables.calendar.shift(template.item(), -YEAR * max(years))
    names = extra_symbols(symbols)
    load_prices(world, names, entry)
    ids = add_portfolios(world, portfolios, names, LOTS, entry)
    nightly_runs("the night that is copied", replace(world, sessions=world.sessions[:1]), ids)
    earlier = world.tables.calendar.between(entry, template.item())[:-1][::-1].tolist()
    lines = []
    for (before, count), night in zip(pairwise([0, *years]), nights, strict=True):
        _copy(world, template.item(), earlier[YEAR * before : YEAR * count], before)
        case = f"night, {portfolios:,} portfolios x {LOTS} lots, {count} years of history"
        of_night = replace(world, sessions=night.reshape(1))
        lines += [line for line in nightly_runs(case, of_night, ids) if not line.phase.startswith(" ")]
    return lines


def _copy(world: World, template: date, days: Sequence[date], years_before: int) -> None:
    """Write the events and rows of one session again, as those of others."""
    from sigma_assets.storage.schema import metadata, stored_table

    engine = sa.create_engine(
        sa.make_url(world.tables.settings.database).set(drivername="postgresql+psycopg2"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    others = "unnest(CAST(:days AS text[])) WITH ORDINALITY AS other(day, place)"
    known = {"day": template.isoformat(), "days": [day.isoformat() for day in days], "apart": APART}
    known["before"] = years_before * YEAR
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO event_logs (id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)"
                " SELECT id + (:before + place) * :apart, run_id, replace(event, :day, day), dagster_event_type, timestamp,"
                f" step_key, asset_key, replace(partition, :day, day) FROM event_logs, {others}"
                " WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND id < :apart"
                " AND (partition = :day OR partition LIKE :day || '|%')"
            ),
            known,
        )
        connection.execute(
            sa.text(
                "INSERT INTO asset_event_tags (asset_key, key, value, event_id, event_timestamp) SELECT t.asset_key, key,"
                " replace(value, :day, day), event_id + (:before + place) * :apart, event_timestamp"
                f" FROM asset_event_tags t JOIN event_logs e ON e.id = t.event_id, {others} WHERE e.id < :apart"
                " AND (partition = :day OR partition LIKE :day || '|%')"
            ),
            known,
        )
        for one in (stored_table(table, "postgresql") for table in metadata.sorted_tables):
            names = list(one.columns.keys())
            if "session" in names and one.name != "market_prices":
                values = ", ".join("CAST(day AS date)" if name == "session" else f'"{name}"' for name in names)
                columns = ", ".join(f'"{name}"' for name in names)
                connection.execute(
                    sa.text(
                        f"INSERT INTO {one.name} ({columns}) SELECT {values} FROM {one.name}, {others}"
                        " WHERE session = CAST(:day AS date)"
                    ),
                    known,
                )
        connection.exec_driver_sql("VACUUM ANALYZE")
        counted = connection.exec_driver_sql(
            "SELECT count(*), pg_size_pretty(pg_database_size(current_database())) FROM event_logs"
        )
        print("events, database:", *counted.one(), flush=True)  # noqa: T201


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growing_history", description=__doc__)
    parser.add_argument("--portfolios", type=int, default=100)
    parser.add_argument("--years", type=int, nargs="+", default=[0, 1, 5])
    arguments = parser.parse_args()
    print(table(growing_history(arguments.portfolios, arguments.years)))  # noqa: T201


if __name__ == "__main__":
    main()
