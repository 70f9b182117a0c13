"""A dump restored elsewhere goes on where it was; a full disk and a full server refuse cleanly and are healed."""

import select
import shutil
import subprocess
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa

from sigma_assets.automation.execution import UpdateRequest
from sigma_assets.base.errors import StorageError
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, read_rows, replace_rows
from sigma_assets.storage.schema import price_coverage
from sigma_assets_tests.deployment.conftest import Finished, SmallDisk, database_with_roles
from sigma_assets_tests.deployment.deployment import CHECKOUT, FIRST, LAST, configured, role_url
from sigma_assets_tests.storage.builders import coverage

YEAR = Rows(date(2026, 1, 1), date(2026, 12, 31))


def test_a_dump_restored_elsewhere_goes_on_where_it_was(finished: Finished, tmp_path: Path) -> None:
    """With our tables and Dagster's: the same rows, nothing to run again, and the two roles have their rights."""
    server, file = finished.server, tmp_path / "sigma.dump"
    source = server.url.set(drivername="postgresql", database=finished.name).render_as_string(hide_password=False)
    subprocess.run([server.tool("pg_dump"), "--format=custom", f"--file={file}", source], check=True)
    with database_with_roles(server) as name:
        target = server.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        options = ("--clean", "--if-exists", "--exit-on-error")
        subprocess.run([server.tool("pg_restore"), *options, f"--dbname={target}", str(file)], check=True)

        url = role_url(server, name, "pipeline")
        restored = configured(tmp_path / "restored", url, CHECKOUT / "deploy" / "dagster.yaml")

        assert restored.rows() == finished.rows
        assert restored.run(UpdateRequest((finished.portfolio_id,), FIRST, LAST)) == []
        with Database(role_url(server, name, "status")).read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM public.runs").scalar_one() >= 1
            assert connection.exec_driver_sql("SELECT count(*) FROM portfolios").scalar_one() == 1


def test_a_server_without_free_connections_is_waited_for_then_named(finished: Finished) -> None:
    """Connections of the role are limited to one, and that one is taken."""
    address = finished.deployment.environment["SIGMA_DATABASE_URL"]
    idle = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sigma_pipeline'"
    finished.as_administrator(idle, "ALTER ROLE sigma_pipeline CONNECTION LIMIT 1")
    try:
        taken = _connected_at_last(address)
        with pytest.raises(StorageError, match=r"too many connections.*close some, or raise the limit"):
            finished.deployment.database.begin().__enter__()
        taken.close()
    finally:
        finished.as_administrator("ALTER ROLE sigma_pipeline CONNECTION LIMIT -1")

    assert finished.deployment.rows() == finished.rows


def _connected_at_last(address: str) -> psycopg2.extensions.connection:
    """Take the one connection: backends that were told to go may still be on their way out."""
    ends = time.monotonic() + 30
    while True:
        try:
            return psycopg2.connect(address)
        except psycopg2.OperationalError:
            if time.monotonic() > ends:
                raise
            select.select([], [], [], 0.1)


def test_a_full_disk_leaves_the_old_rows_and_is_named(finished: Finished, small_disk: SmallDisk) -> None:
    """The table lies on a file system of 2 MB; moved to a larger one, the same write succeeds."""
    if not finished.server.is_ours:
        pytest.skip("the server given may be on another machine")
    database = finished.deployment.database
    old, more = coverage(["p"], ["2026-02-02"]), coverage([f"p{number}" for number in range(1500)], _february())
    replace_rows(database, {price_coverage: old}, _of(old))
    finished.move_to("price_coverage", small_disk(2))

    with pytest.raises(StorageError, match=r"No space left on device. The disk is full: free some space and run again"):
        replace_rows(database, {price_coverage: more}, _of(more))

    assert len(read_rows(database, price_coverage, _of(old))) == 1
    finished.move_back("price_coverage")
    replace_rows(database, {price_coverage: more}, _of(more))
    assert len(read_rows(database, price_coverage, _of(more))) == len(more)
    for rows in (old, more):
        replace_rows(database, {price_coverage: rows.iloc[:0]}, _of(rows))
    assert finished.deployment.rows() == finished.rows


def test_a_full_sqlite_file_leaves_the_old_rows_and_is_named(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "sigma.sqlite"
    shutil.copy(sqlite_template, file)
    database = Database(f"sqlite:///{file}")
    old, more = coverage(["p"], ["2026-02-02"]), coverage([f"p{number}" for number in range(400)], _february())
    replace_rows(database, {price_coverage: old}, YEAR)
    _pages(database, extra=8)

    with pytest.raises(StorageError, match=r"The disk is full: free some space and run again"):
        replace_rows(database, {price_coverage: more}, YEAR)

    assert read_rows(database, price_coverage, YEAR)["portfolio_id"].tolist() == ["p"]
    _pages(database, extra=1_000_000)
    replace_rows(database, {price_coverage: more}, YEAR)
    assert len(read_rows(database, price_coverage, YEAR)) == len(more)


def _pages(database: Database, extra: int) -> None:
    """Let the file grow by so many pages; the setting belongs to the one connection of the pool."""
    with database.begin() as connection:
        count = connection.execute(sa.text("PRAGMA page_count")).scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {count + extra}")


def _february() -> list[str]:
    return [str(day.date()) for day in pd.bdate_range("2026-02-02", periods=19)]


def _of(rows: pd.DataFrame) -> Rows:
    days = np.unique(rows["session"].dt.date)
    return Rows(days[0], days[-1], tuple(rows["portfolio_id"].unique()))
