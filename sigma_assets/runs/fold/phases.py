"""The phases of an onboarding (SPEC 7), in order: ids, names, messages and units, and the asset of each.

A new phase is one entry of `PHASES`, and its asset one of the portfolios' job.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes
    ----------
    asset : the asset of the portfolios' job that this phase makes.
    unit : what it counts: symbols, dates, positions or scenarios.
    weight : its share of a typical onboarding's time; only the sizes relative to each other matter.
    """

    phase: str
    phase_name: str
    asset: str
    unit: str
    message: str
    weight: float


PHASES = (
    Phase("phase_1", "Market Data Collection", "price_coverage", "symbols", "Fetching historical prices...", 4),
    Phase("phase_1.5", "Symbol Factors", "factor_coverage", "symbols", "Calculating factor exposures...", 2),
    Phase("phase_1.75", "Symbol Metrics", "metric_coverage", "symbols", "Computing symbol metrics...", 1),
    Phase("phase_2", "Portfolio Snapshots", "portfolio_snapshots", "dates", "Creating daily snapshots...", 1),
    Phase("phase_2.5", "Position Market Values", "position_values", "positions", "Updating position values...", 1),
    Phase("phase_3", "Betas", "betas", "positions", "Calculating position betas...", 1),
    Phase("phase_4", "Factor Exposures", "factor_exposures", "positions", "Computing factor exposures...", 1),
    Phase("phase_5", "Volatility", "volatility", "positions", "Analyzing volatility...", 2),
    Phase("phase_6", "Correlations", "correlations", "dates", "Building correlation matrix...", 2),
    Phase("phase_7", "Risk Attribution", "risk", "positions", "Attributing risk...", 1),
    Phase("phase_8", "Stress Tests", "stress_tests", "scenarios", "Running stress scenarios...", 1),
    Phase("phase_9", "Performance", "performance", "dates", "Measuring performance...", 1),
)
BY_ASSET = {phase.asset: phase for phase in PHASES}
