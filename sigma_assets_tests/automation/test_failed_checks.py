"""Scenario 14: a check of severity ERROR fails in a real run, acts, and is healed by the next good one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from sigma_assets.assets import apart, calculations
from sigma_assets.assets.tables import Tables
from sigma_assets.automation.alerts.message import alert_of
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.base.errors import StorageError
from sigma_assets.cli.main import cli
from sigma_assets.runs import failed_checks
from sigma_assets.runs.failed_checks import failed_checks_of, standing
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import settings
from sigma_assets.storage.roster import read_roster
from sigma_assets.web.app import create_app
from sigma_assets.web.health import health
from sigma_assets_tests.automation.world import World, lots

FIRST, LAST = date(2026, 1, 7), date(2026, 1, 8)
DEPENDENT = ["betas", "correlations", "factor_exposures", "volatility"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "home", f"simulated:last={LAST}")
    yield world
    world.close()


def corrupt(world: World, portfolio_id: str) -> None:
    """From now on the database adds a dollar to each market value of a portfolio: a fault below our code."""
    with world.database.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER fault AFTER INSERT ON position_values WHEN NEW.portfolio_id = '{portfolio_id}' BEGIN"
            " UPDATE position_values SET market_value = market_value + 1"
            " WHERE lot_id = NEW.lot_id AND session = NEW.session; END"
        )


def repair(world: World) -> None:
    with world.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER fault")


def materialized(world: World, asset: str) -> set[str]:
    """Return the partitions of an asset that are materialised, with the names of their portfolios alone."""
    keys = world.instance.get_materialized_partitions(dg.AssetKey(asset))
    return {key.partition("|")[2].rpartition("-")[0] for key in keys}


def unhealthy(world: World) -> list[str]:
    told = health(world.instance, world.database, world.settings)
    return [line for line in told.failing if line.startswith("checks:")]


def over_http(world: World) -> tuple[int, list[str]]:
    """Return how /healthz answers: its status, and what fails (no daemon runs here, so more than checks)."""
    app = create_app(world.settings, world.instance, cache_seconds=0.0)
    answer = TestClient(app, base_url="http://127.0.0.1:3001").get("/healthz")
    return answer.status_code, answer.json()["failing"]


def standing_checks(world: World) -> list[tuple[str, str, str]]:
    failed = standing(world.instance, lambda: read_roster(world.database).name_of)
    return [(each.asset, each.check, each.portfolio) for each in failed]


@pytest.fixture
def run_command(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    monkeypatch.setenv("DAGSTER_HOME", str(world.home))
    monkeypatch.setenv("SIGMA_PRICES", world.settings.prices)
    settings.cache_clear()
    yield lambda: CliRunner().invoke(cli, ["run"])
    settings.cache_clear()


def test_scenario_14_a_failed_check_acts_and_the_next_good_run_heals_it(world, run_command, monkeypatch):
    ailing = world.add("Growth book", lots({"AAPL": 10, "MSFT": 5}, FIRST), FIRST)
    world.add("Sound book", lots({"AAPL": 3, "GLD": 4}, FIRST), FIRST)
    corrupt(world, ailing)

    failed = run_command()

    assert failed.exit_code == 1, failed.output
    assert materialized(world, "price_coverage") == {"growth-book", "sound-book"}
    assert materialized(world, "position_values") == {"sound-book"}, "what no check complains of need not be done again"
    assert all(materialized(world, asset) == set() for asset in DEPENDENT)
    assert standing_checks(world) == [("position_values", "values_add_up", "Growth book")]
    assert unhealthy(world) == [
        "checks: values_add_up of position_values fails for 1 portfolio; `sigma-assets runs` says what was found;"
        " once that is mended, `sigma-assets run` makes it good"
    ]
    status, told = over_http(world)
    assert status == 503
    assert unhealthy(world)[0] in told
    (run,) = world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    alert = alert_of(world.instance, run.run_id, world.settings)
    (check,) = alert["checks"]
    assert (check["asset"], check["check"], check["portfolio"]) == ("position_values", "values_add_up", "Growth book")
    assert check["finding"] == f"on {FIRST}: positions and net exposure differ by 2.00 USD"
    told = f"check values_add_up of position_values failed for Growth book: {check['finding']} (and 1 more)"
    assert str(alert["text"]).endswith(f"failed: {told}")

    with monkeypatch.context() as unread:  # 720 runs a month fail of what fails each hour
        unread.setattr(world.instance, "get_records_for_run", None)
        assert standing_checks(world) == [("position_values", "values_add_up", "Growth book")]

    again = run_command()

    assert again.exit_code == 1, "the fault is still there"
    assert all(materialized(world, asset) == {"sound-book"} for asset in DEPENDENT), "one portfolio holds up no other"

    repair(world)
    good = run_command()

    assert good.exit_code == 0, good.output
    assert all(materialized(world, asset) == {"growth-book", "sound-book"} for asset in names(PORTFOLIO_ASSETS))
    assert standing_checks(world) == []
    failed_checks._unhealed.clear()  # as in a process that starts now
    with monkeypatch.context() as read_once:
        assert standing_checks(world) == []
        read_once.setattr(world.instance, "get_records_for_run", None)
        assert standing_checks(world) == []
    assert unhealthy(world) == []
    assert not [line for line in over_http(world)[1] if line.startswith("checks:")]


def spoiled(calculate: Callable, portfolio_id: str, how: str) -> Callable:
    """Return a calculation that fails, or gives a number that cannot be stored, where it computes a portfolio."""

    def calculation(tables: Tables, scope: Scope, *work: object) -> Sequence[pd.DataFrame]:
        head, *more = calculate(tables, scope, *work)
        is_ailing = head["portfolio_id"] == portfolio_id
        if how == "raises" and is_ailing.any():
            raise ZeroDivisionError("by its equity")
        number = head.select_dtypes("float").columns[-1]
        return [head.assign(**{number: head[number].mask(is_ailing, np.inf)}), *more]

    return calculation


@pytest.mark.parametrize(
    ("asset", "how", "finding"),
    [
        ("performance", "raises", "ZeroDivisionError: by its equity"),
        ("betas", "is infinite", "betas_by_portfolio.rates_coverage: found inf in the row portfolio_id {id}, session"),
        ("correlations", "raises", "ZeroDivisionError: by its equity"),
    ],
)
def test_a_portfolio_that_cannot_be_computed_holds_up_no_other(
    world, run_command, monkeypatch: pytest.MonkeyPatch, asset: str, how: str, finding: str
):
    keys = [world.add(f"Book {number}", lots({"AAPL": 10 + number, "MSFT": 5}, LAST), LAST) for number in range(6)]
    others = {f"book-{number}" for number in (0, 1, 2, 4, 5)}
    right = getattr(calculations, asset)
    monkeypatch.setattr(calculations, asset, spoiled(right, keys[3], how))

    failed = run_command()

    assert failed.exit_code == 1, failed.output
    assert all(materialized(world, name) >= others for name in names(PORTFOLIO_ASSETS)), "nothing depends on the asset"
    assert materialized(world, asset) == others
    (run,) = world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    (told,) = failed_checks_of(world.instance, run.run_id)
    assert (told.asset, told.check, told.portfolio, told.first) == (asset, "computed", "Book 3", str(LAST))
    assert told.finding.startswith(finding.format(id=keys[3]))
    assert [line.partition(";")[0] for line in unhealthy(world)] == [
        f"checks: computed of {asset} fails for 1 portfolio"
    ]

    monkeypatch.setattr(calculations, asset, right)
    good = run_command()

    assert good.exit_code == 0, good.output
    assert materialized(world, asset) == {*others, "book-3"}
    assert unhealthy(world) == []


def test_a_defective_lot_holds_up_no_other_portfolio(world, run_command):
    """A row that no import would have written, as an old backup may hold: closed, but at no price."""
    keys = [world.add(f"Book {number}", lots({"AAPL": 10 + number, "MSFT": 5}, FIRST), FIRST) for number in range(5)]
    with world.database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE lots SET exit_date = '{LAST}' WHERE portfolio_id = '{keys[1]}'")
    others = {f"book-{number}" for number in (0, 2, 3, 4)}

    failed = run_command()

    assert failed.exit_code == 1, failed.output
    assert {asset: materialized(world, asset) for asset in ("portfolio_snapshots", "position_values")} == {
        "portfolio_snapshots": others,
        "position_values": others,
    }
    assert {(check, portfolio) for _, check, portfolio in standing_checks(world)} == {("computed", "Book 1")}

    run_command()  # what depends on the values follows with the next run

    assert all(materialized(world, asset) == others for asset in names(PORTFOLIO_ASSETS) if "coverage" not in asset)


def test_an_error_of_all_is_not_looked_for_in_each(world, run_command, monkeypatch: pytest.MonkeyPatch):
    for number in range(8):
        world.add(f"Book {number}", lots({"AAPL": 10 + number}, LAST), LAST)
    monkeypatch.setattr(apart, "MOST_APART", 2)
    asked = []

    def broken(tables: Tables, scope: Scope, *work: object) -> Sequence[pd.DataFrame]:
        asked.append(len(scope.portfolio_ids))
        raise TypeError("a fault of the code")

    monkeypatch.setattr(calculations, "performance", broken)

    failed = run_command()

    assert failed.exit_code == 1
    assert asked == [8, 4, 2, 1, 1, 2, 1]
    assert materialized(world, "performance") == set()
    assert unhealthy(world) == []


def test_an_error_that_is_nobodys_own_is_not_looked_for(world, run_command, monkeypatch: pytest.MonkeyPatch):
    """A database that is away would be asked again and again, each time with all patience."""
    for number in range(4):
        world.add(f"Book {number}", lots({"AAPL": 10 + number}, LAST), LAST)
    asked = []

    def away(tables: Tables, scope: Scope, *work: object) -> Sequence[pd.DataFrame]:
        asked.append(scope.portfolio_ids)
        raise StorageError("the database is away")

    monkeypatch.setattr(calculations, "performance", away)

    failed = run_command()

    assert failed.exit_code == 1
    assert len(asked) == 1


def test_whatever_is_materialised_has_been_checked(world):
    """A worker that dies between a step's materialisations and its end leaves no partition without its checks."""
    world.add("Growth book", lots({"AAPL": 10}, LAST), LAST)
    (run,) = world.launch(world.tick("onboarding"))

    types = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    records = world.instance.get_records_for_run(run.run_id, of_type=types).records
    order = [(record.event_log_entry.step_key, record.event_log_entry.dagster_event_type) for record in records]
    for asset in names(PORTFOLIO_ASSETS):
        kinds = [kind for step, kind in order if step == asset]
        assert kinds[-1] == dg.DagsterEventType.ASSET_MATERIALIZATION
        assert kinds.count(dg.DagsterEventType.ASSET_CHECK_EVALUATION) == len(kinds) - 1


def test_each_partition_has_figures_of_its_own(world):
    """The UI plots them over the partitions."""
    world.add("Growth book", lots({"AAPL": 10, "MSFT": 5}, FIRST), FIRST)
    world.launch(world.tick("onboarding"))

    records = world.instance.fetch_materializations(dg.AssetKey("portfolio_snapshots"), limit=9).records
    told = {str(each.partition_key)[:10]: each.asset_materialization.metadata for each in records}
    positions = world.instance.fetch_materializations(dg.AssetKey("position_values"), limit=1).records[0]

    rows = {str(row.session)[:10]: row for row in snapshots(world)}
    assert {day: metadata["equity"].value for day, metadata in told.items()} == {
        day: row.equity for day, row in rows.items()
    }
    figures = {"dagster/partition_row_count", "equity", "daily_return"}
    assert {frozenset(set(metadata) - {"latest session"}) for metadata in told.values()} == {frozenset(figures)}
    assert positions.asset_materialization.metadata["dagster/partition_row_count"].value == 2


def snapshots(world: World) -> list:
    with world.database.read() as connection:
        return connection.exec_driver_sql("SELECT session, equity FROM portfolio_snapshots").all()
