"""Work over positions moves by sessions, which changes no bit of any number."""

from collections.abc import Iterable
from datetime import date

import dagster as dg
import pandas as pd
import pytest

from sigma_assets.analytics.factors import exposures
from sigma_assets.analytics.performance.performance import performance
from sigma_assets.analytics.risk import attribution
from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.analytics.valuation.ledger import Ledger
from sigma_assets.analytics.valuation.values import valuation
from sigma_assets.assets import progress as step
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import CorrelationModel, RiskModel, VolatilityModel
from sigma_assets.runs.fold.events import read_events
from sigma_assets.runs.fold.phases import PHASES
from sigma_assets.runs.partitions import Scope
from sigma_assets_tests.automation.world import World, lots

ENTRY = date(2025, 2, 3)
STARTED = {dg.DagsterEventType.STEP_START}


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory):
    """Return a world with two computed portfolios, and their scope."""
    world = World(tmp_path_factory.mktemp("home"), "simulated:last=2025-03-14")
    symbols = world.price_source.provider.symbols
    held = {name: symbols[first : first + 6] for name, first in (("one", 20), ("two", 24))}
    ids = [world.add(name, lots(dict.fromkeys(mine, 400.0), ENTRY), ENTRY) for name, mine in held.items()]
    assert all(outcome.succeeded for outcome in world.bring(*ids))
    days = world.tables.calendar.between(ENTRY, date(2025, 3, 14))
    yield world, Scope(days, tuple(sorted(ids)))
    world.close()


@pytest.fixture
def computed(of_two: tuple[World, Scope]) -> tuple[Tables, Scope]:
    """Return the tables of the world, and the scope of its portfolios."""
    world, scope = of_two
    return world.tables, scope


def test_a_run_makes_its_phases_in_the_order_in_which_they_are_shown(of_two):
    world, _ = of_two
    orders = [
        [
            record.event_log_entry.step_key
            for record in world.instance.get_records_for_run(run.run_id, of_type=STARTED).records
        ]
        for run in world.instance.get_runs()
    ]

    assert [phase.asset for phase in PHASES] in orders


def _counts(compute, positions: pd.DataFrame) -> tuple[list[pd.DataFrame], list[int | None]]:
    """Compute by sessions in a step; return the frames, and the counts that the step reported."""
    found: list[pd.DataFrame] = []

    @dg.asset
    def betas(context: dg.AssetExecutionContext) -> None:
        told = step.Progress(context, "positions", 12)
        found.extend(step.by_sessions(told, positions, compute))
        told.finish()

    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([betas], instance=instance)
        events = read_events(instance, run.run_id).events
    return found, [event.current for event in events if event.kind == "progress"]


@pytest.mark.parametrize("asset", ["betas", "factor_exposures", "volatility", "correlations"])
def test_parts_are_the_whole_to_the_last_bit_and_are_reported(computed, asset, monkeypatch):
    """Five parts of some six sessions each; every second of work is reported, here each part."""
    tables, scope = computed
    positions = tables.rows("position_values", scope)
    history = tables.prices(tables.symbols(scope), tables.window(scope, VolatilityModel().longest_window))
    compute = {
        "betas": lambda part: exposures.betas(part, tables.factors(scope, exposures.BETA_MEASURES)),
        "factor_exposures": lambda part: exposures.factor_exposures(
            part, tables.factors(scope, exposures.EXPOSURE_BETAS)
        ),
        "volatility": lambda part: volatility(part, history, VolatilityModel()),
        "correlations": lambda part: correlations(part, history, CorrelationModel()),
    }[asset]
    monkeypatch.setattr(step, "LEAST_ROWS", 10)
    monkeypatch.setattr(step, "SECONDS_BETWEEN", 0.0)

    parts, counts = _counts(compute, positions)

    assert counts == sorted(counts)
    assert (len(counts), counts[-1]) == (5, 12)
    for part, whole in zip(parts, compute(positions), strict=True):
        assert len(whole) > 0 or asset == "correlations"
        pd.testing.assert_frame_equal(part, whole.reset_index(drop=True), check_exact=True)


def test_a_portfolio_without_positions_has_empty_tables(computed):
    """Nothing to do, and the tables keep their columns."""
    tables, scope = computed
    nothing = tables.rows("position_values", scope).iloc[:0]

    (portfolios, symbols), counts = _counts(
        lambda part: exposures.betas(part, tables.factors(scope, exposures.BETA_MEASURES)), nothing
    )

    assert (len(portfolios), len(symbols), counts) == (0, 0, [12])
    assert "market_beta" in portfolios


@pytest.mark.parametrize("asset", ["portfolio_snapshots", "position_values", "risk", "performance"])
def test_ledgers_in_parts_are_the_whole_to_the_last_bit(computed, asset, monkeypatch):
    """What a session's numbers are does not depend on the sessions beside it, for any asset that is made of ledgers."""
    tables, scope = computed
    model = RiskModel()
    ledgers, history = tables.ledgers(scope)
    every = list(ledgers)
    compute = {
        "portfolio_snapshots": lambda some: [_valued(tables, scope, asset, some)],
        "position_values": lambda some: [_valued(tables, scope, asset, some)],
        "risk": lambda some: attribution.risk(some, history, model, tables.settings.factor_model),
        "performance": lambda some: [performance(some, history, tables.settings.performance_model)],
    }[asset]
    monkeypatch.setattr(step, "SECONDS_BETWEEN", 0.0)
    found: list[pd.DataFrame] = []

    @dg.asset
    def risk(context: dg.AssetExecutionContext) -> None:
        told = step.Progress(context, "dates", 30)
        found.extend(compute(step.by_ledgers(told, every, len(every), least_rows=10)))
        told.finish()

    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([risk], instance=instance)
        counts = [event.current for event in read_events(instance, run.run_id).events if event.kind == "progress"]

    assert counts == [3, 6, 9, 12, 15, 18, 21, 24, 27, 30], "five parts of each of two portfolios"
    for part, whole in zip(found, compute(every), strict=True):
        assert len(whole) > 0
        pd.testing.assert_frame_equal(part.reset_index(drop=True), whole.reset_index(drop=True), check_exact=True)


def _valued(tables: Tables, scope: Scope, table: str, some: Iterable[Ledger]) -> pd.DataFrame:
    inputs, options = tables.valuation_inputs(scope), tables.settings.option_model
    return valuation(*inputs, options=options, tables=[table], watched=lambda _: iter(some))[table]
