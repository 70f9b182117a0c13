"""The floor: all calculations of an onboarding on frames that are in memory, without Dagster and without a database."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.cases import LOTS, SYMBOLS, YEAR
from benchmarks.measuring import Measured, measured
from benchmarks.worlds import World, add_portfolios, extra_symbols, load_prices, make_world

REPEATED = 5


def numerics(sessions: int = YEAR, symbols: int = SYMBOLS) -> list[Measured]:
    """Every calculation for one portfolio and its symbols: the fastest of a few repetitions, and each of them."""
    world, inputs = in_memory(sessions, symbols)
    case = f"numerics alone, {symbols:,} symbols x {sessions:,}"
    runs: list[list[Measured]] = []
    for _ in range(REPEATED):
        lines: list[Measured] = []
        with measured(case, "all calculations", lines):
            parts = _calculate(case, world, inputs)
        runs.append(lines + parts)
    return min(runs, key=lambda run: run[0].cpu)


def in_memory(sessions: int, symbols: int) -> tuple[World, dict[str, Any]]:
    """Return a world with one portfolio, and what its calculations read."""
    world = make_world(sessions)
    from sigma_assets.assets.stress_inputs import moves_of, prices_since_entry, shock_history
    from sigma_assets.runs.partitions import Scope

    names = extra_symbols(symbols)
    load_prices(world, names)
    ids = add_portfolios(world, 1, names, LOTS, world.sessions[0].item())
    scope = Scope(world.sessions, tuple(ids))
    history = world.tables.prices(
        sorted({*names, *world.tables.factor_etfs}), world.tables.window(scope, world.tables.lookback)
    )
    lots = world.tables.holdings(scope)[1]
    shock_prices = shock_history(world.tables, scope, set(lots["underlying_symbol"].dropna()))
    moves = moves_of(world.tables, scope, world.tables.settings.scenarios, shock_prices)
    return world, {
        "history": history,
        "valuation": world.tables.valuation_inputs(scope),
        "sessions": scope.sessions,
        "shocks": (shock_prices, prices_since_entry(world.tables, scope, lots), moves),
    }


def _calculate(case: str, world: World, inputs: dict[str, Any]) -> list[Measured]:
    from sigma_assets.analytics.factors import exposures, regression
    from sigma_assets.analytics.performance import performance as performances
    from sigma_assets.analytics.risk import attribution, volatility
    from sigma_assets.analytics.risk.correlation import correlations as correlation
    from sigma_assets.analytics.risk.stress import tables as stress
    from sigma_assets.analytics.risk.stress.contracts import contracts
    from sigma_assets.analytics.series import metrics
    from sigma_assets.analytics.valuation.ledger import ledgers
    from sigma_assets.analytics.valuation.values import valuation
    from sigma_assets.base.conventions import RiskModel, VolatilityModel

    settings, history, sessions = world.tables.settings, inputs["history"], inputs["sessions"]
    parts: list[Measured] = []

    def timed(phase: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        found = work()
        parts.append(Measured(case, f"  {phase}", time.perf_counter() - wall, time.process_time() - cpu))
        return found

    options = settings.option_model
    factors = timed("symbol_factors", lambda: regression.symbol_factors(history, sessions, settings.factor_model))
    timed("symbol_metrics", lambda: metrics.symbol_metrics(history, sessions))

    def valued(table: str) -> Any:
        return timed(table, lambda: valuation(*inputs["valuation"], options=options, tables=[table])[table])

    valued("portfolio_snapshots")
    positions = valued("position_values")
    timed("betas", lambda: exposures.betas(positions, factors))
    timed("factor_exposures", lambda: exposures.factor_exposures(positions, factors))
    timed("volatility", lambda: volatility.volatility(positions, history, VolatilityModel()))
    timed("correlations", lambda: correlation.correlations(positions, history, settings.correlation_model))
    prices = inputs["valuation"][3]
    books = lambda: ledgers(*inputs["valuation"], options=options)  # noqa: E731  # a generator is used up once
    timed("risk", lambda: attribution.risk(books(), prices, RiskModel(), settings.factor_model))

    def stressed() -> Any:
        shock_prices, since_entry, moves = inputs["shocks"]
        held = stress.sorted_positions(positions)
        terms = contracts(held, inputs["valuation"][1], shock_prices, since_entry, options)
        return stress.stress_tests(held, factors, terms, moves, settings.scenarios)

    timed("stress_tests", stressed)
    timed("performance", lambda: performances.performance(books(), prices, settings.performance_model))
    return parts
