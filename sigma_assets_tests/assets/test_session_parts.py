"""Work over positions moves by sessions, which changes no bit of any number."""

from datetime import date

import dagster as dg
import pandas as pd
import pytest

from sigma_assets.analytics.factors import exposures
from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.analytics.risk.volatility import volatility
from sigma_assets.assets import progress
from sigma_assets.base.conventions import CorrelationModel, VolatilityModel
from sigma_assets.runs.events import read_events
from sigma_assets.runs.partitions import Scope
from sigma_assets_tests.automation.world import World, lots

ENTRY = date(2025, 2, 3)


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory):
    """Return tables with two computed portfolios, and their scope."""
    world = World(tmp_path_factory.mktemp("home"), "simulated:last=2025-03-14")
    symbols = world.price_source.provider.symbols
    held = {name: symbols[first : first + 6] for name, first in (("one", 20), ("two", 24))}
    ids = [world.add(name, lots(dict.fromkeys(mine, 400.0), ENTRY), ENTRY) for name, mine in held.items()]
    assert all(outcome.succeeded for outcome in world.bring(*ids))
    days = world.tables.calendar.between(ENTRY, date(2025, 3, 14))
    yield world.tables, Scope(days, tuple(sorted(ids)))
    world.close()


def _counts(compute, positions: pd.DataFrame) -> tuple[list[pd.DataFrame], list[int | None]]:
    """Compute by sessions in a step; return the frames, and the counts that the step reported."""
    found: list[pd.DataFrame] = []

    @dg.asset
    def betas(context: dg.AssetExecutionContext) -> None:
        found.extend(progress.by_sessions(context, ("positions", 12), positions, compute))

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
    monkeypatch.setattr(progress, "LEAST_ROWS", 10)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.0)

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
