"""DAGSTER_HOME is moved away, or its files are replaced, while processes use it: nothing untrue is shown, none lost."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from sigma_assets.base.errors import StorageError
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import portfolios
from sigma_assets_tests.web.conftest import embedded_world
from sigma_assets_tests.web.pipeline import complete

PATHS = ("/api/v1/portfolios", "/api/v1/onboarding/status/P1", "/api/v1/onboarding/status/P1/logs")


@pytest.mark.parametrize("is_put_back", [False, True])
def test_a_process_that_goes_on_reads_and_writes_nothing(tmp_path: Path, is_put_back: bool):
    """It served the files that were moved away, for ever, and stored there what nobody would find."""
    home, backup = tmp_path / "home", tmp_path / "backup"
    home.mkdir()
    with embedded_world(home) as world:
        world.add_portfolio("P1")
        complete(world.instance, ["P1"])
        shutil.copytree(home, backup)
        client = world.client()
        assert [client.get(path).status_code for path in PATHS] == [200] * 3

        home.rename(tmp_path / "elsewhere")
        if is_put_back:
            shutil.copytree(backup, home)

        for _ in range(3):
            assert [client.get(path).status_code for path in PATHS] == [503] * 3
            assert client.get("/healthz").json()["failing"] == [
                "database: cannot be read",
                "dagster storage: cannot be read",
            ]
        with pytest.raises(StorageError, match="was moved away or replaced while this process used it"):
            world.add_portfolio("P2", name="Lost")
        with pytest.raises(StorageError, match="Stop everything that uses it, and start again"):
            complete(world.instance, ["P1"])
        assert home.exists() == is_put_back, "nor is an empty one made in its place"
    for place in ("elsewhere", *(["home"] if is_put_back else [])):
        later = Database(f"sqlite:///{tmp_path / place / 'sigma.sqlite'}")
        with later.read() as connection:
            assert connection.execute(sa.select(portfolios.c.portfolio_id)).scalars().all() == ["P1"]
        later.dispose()
