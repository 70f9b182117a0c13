"""Constants of the field and the defaults of SPEC section 4: windows, factor ETFs, thresholds, with their sources."""

from dataclasses import dataclass, field

SESSIONS_PER_YEAR = 252
YEAR_LOOKBACK = SESSIONS_PER_YEAR + 8
"""Sessions that surely reach back to the last close on or before the same calendar day 12 months earlier."""
OPTION_MULTIPLIER = 100
"""Shares that an option contract delivers, unless the lot says otherwise."""
BOND_MULTIPLIER = 0.01
"""Bonds are quoted in per cent of par, and their quantity is the face value."""
LOOKBACK_MARGIN = 10
"""Sessions loaded before the longest window: its first return may span a gap, and needs the close before that gap."""

INVESTMENT_CLASSES = ("PUBLIC", "OPTIONS", "PRIVATE")
SUBTYPES = {
    "PUBLIC": ("STOCK", "ETF", "MUTUAL_FUND", "BOND", "CASH", "MONEY_MARKET"),
    "OPTIONS": ("CALL", "PUT"),
    "PRIVATE": (
        "PRIVATE_EQUITY",
        "VENTURE_CAPITAL",
        "HEDGE_FUND",
        "PRIVATE_REIT",
        "REAL_ESTATE",
        "CRYPTOCURRENCY",
        "CRYPTO",
        "ART",
        "MONEY_MARKET",
        "TREASURY_BILLS",
        "CASH",
        "COMMODITY",
        "OTHER",
    ),
}
OPTION_TERMS = ("underlying_symbol", "strike_price", "expiration_date", "option_type")
"""Columns of a lot that only options have."""
CASH_SUBTYPES = ("CASH", "MONEY_MARKET")
"""Cash equivalents (SPEC 2): price 1.00 unless one is known, return and betas 0, no exposure."""
CASH_PREFIX = "CASH_"
"""Symbols of cash in the bank, such as CASH_USD."""
KIND_SCHEME = "kind of holding"
"""The scheme of classes that needs no classification: PUBLIC, OPTIONS or PRIVATE, as each lot was entered."""
UNCLASSIFIED = "unclassified"
"""The class of what a scheme does not classify."""
ACCOUNT_TYPES = ("taxable", "ira", "roth_ira", "401k", "403b", "529", "hsa", "trust", "other")

FLOW_KINDS = ("external", "fee", "interest", "tax")
"""What a cash flow is: money that comes and goes with the owner, or profit and loss (SPEC 2)."""

LEAST_PRICE, MOST_PRICE = 1e-12, 1e12
"""USD. Whatever lies beyond is no price, no dividend and no split factor, and its returns could be infinite."""

FACTOR_ETFS = (
    "SPY", "QQQ", "IWM", "VTI", "TLT", "IEF", "SHY", "HYG", "LQD",
    "VTV", "VUG", "MTUM", "QUAL", "USMV", "DJP", "VNQ", "GLD",
)  # fmt: skip

STYLE_FACTORS = ("value", "growth", "momentum", "quality", "size", "low_volatility")
SPREAD_FACTORS = ("growth_value_spread", "momentum_spread", "size_spread", "quality_spread")
FACTORS = ("market", "rates", *STYLE_FACTORS, *SPREAD_FACTORS)
"""The twelve factors of symbol_factors, in column order."""
RISK_FACTORS = ("market", "rates", *SPREAD_FACTORS)
"""The six factors that portfolios are regressed on together, and that shocks move: SPEC 4.10, 4.11."""
MOST_SCENARIOS = 24
"""Scenarios of a stress test that a position's row has room for."""
EXPOSURE_FACTORS = (*STYLE_FACTORS, *SPREAD_FACTORS)
"""The ten factors of factor_exposures: SPEC 4.6."""
REGRESSIONS = ("market", "rates", "style", *SPREAD_FACTORS)
"""The seven fits behind the twelve betas: the six style factors share one ridge fit, its R^2 and its observations."""
REGRESSION_OF = {name: ("style" if name in STYLE_FACTORS else name) for name in FACTORS}


@dataclass(frozen=True)
class FactorModel:
    """Which ETFs stand for which factor, and how betas are estimated (SPEC 4.1)."""

    market: str = "SPY"
    rates: str = "TLT"
    styles: dict[str, str] = field(
        default_factory=lambda: {
            "value": "VTV",
            "growth": "VUG",
            "momentum": "MTUM",
            "quality": "QUAL",
            "size": "IWM",
            "low_volatility": "USMV",
        }
    )
    window: int = 90
    min_observations: int = 30
    spread_window: int = 180
    spread_min_observations: int = 60
    ridge_alpha: float = 1.0
    beta_cap: float = 5.0
    full_history_share: float = 0.9

    @property
    def spreads(self) -> dict[str, tuple[str, str]]:
        """The two ETFs of each spread, long and short: those that stand for the factors of its name."""
        return {
            "growth_value_spread": (self.styles["growth"], self.styles["value"]),
            "momentum_spread": (self.styles["momentum"], self.market),
            "size_spread": (self.styles["size"], self.market),
            "quality_spread": (self.styles["quality"], self.market),
        }

    @property
    def etfs(self) -> tuple[str, ...]:
        """Every ETF that the model regresses on, sorted."""
        return tuple(sorted({self.market, self.rates, *self.styles.values()}))

    @property
    def longest_window(self) -> int:
        """Returns needed before the first session: the longest window of any regression."""
        return max(self.window, self.spread_window)


@dataclass(frozen=True)
class VolatilityModel:
    """Windows of realised and expected volatility (SPEC 4.7; HAR-RV: Corsi 2009)."""

    short_window: int = 21
    long_window: int = 63
    har_week: int = 5
    har_month: int = 21
    horizon: int = 21
    max_targets: int = 252
    min_targets: int = 60
    mean_windows: tuple[int, int, int] = (21, 63, 252)
    percentile_window: int = 252
    percentile_min: int = 126
    trend_up: float = (
        1.22  # the narrowest band of whole percents around 1 in which a ratio of 21 to 63 normal returns of
    )
    trend_down: float = 0.78  # constant volatility stays nine times in ten; +-15 % would call one in four a trend
    min_coverage: float = 0.8

    @property
    def longest_window(self) -> int:
        """Returns that the earliest HAR regressor of the longest regression reaches back to."""
        har = self.max_targets + self.horizon + self.har_month - 1
        percentile = self.percentile_window + self.short_window - 1
        return max(har, percentile, *self.mean_windows)


@dataclass(frozen=True)
class CorrelationModel:
    """What enters the correlation matrix and what counts as a cluster (SPEC 4.8)."""

    window: int = 90
    min_observations: int = 30
    min_weight: float = 0.01
    min_value_usd: float = 10_000.0
    cluster_threshold: float = 0.7


@dataclass(frozen=True)
class RiskModel:
    """Windows of value at risk, its backtest, and where risk comes from (SPEC 4.10)."""

    var_window: int = 250
    var_min: int = 100
    volatility_window: int = 63
    factor_window: int = 252
    factor_min: int = 126
    backtest_window: int = 250
    min_coverage: float = 0.8

    @property
    def longest_window(self) -> int:
        """Returns that one session's own numbers reach back to."""
        return max(self.var_window, self.volatility_window, self.factor_window)


@dataclass(frozen=True)
class PerformanceModel:
    """What performance is measured against, and over which window (SPEC 4.12)."""

    benchmark: str = "SPY"
    risk_free_rate: float = 0.0
    window: int = SESSIONS_PER_YEAR
    min_observations: int = 60


@dataclass(frozen=True)
class OptionModel:
    """Inputs of the Black-Scholes value of an option without a quote (SPEC 4.9)."""

    volatility_window: int = 63
    risk_free_rate: float = 0.0


PORTFOLIO_SESSION = ["portfolio_id", "session"]
"""Key of the tables by portfolio, and the beginning of that of tables by position."""

STALE_SESSIONS_LIMIT = 5
"""A lot whose price is older than this many sessions counts in lots_unpriced (SPEC 3)."""
COMPLETE_SHARE = 0.5
"""A session on which fewer of the symbols priced lately have a price is not there yet: a file is half written, or ahead."""

METHOD_VERSIONS = {
    "market_prices": 1,
    "symbol_factors": 1,
    "symbol_metrics": 1,
    "price_coverage": 3,
    "factor_coverage": 3,
    "metric_coverage": 3,
    "portfolio_snapshots": 4,
    "position_values": 4,
    "betas": 2,
    "factor_exposures": 2,
    "volatility": 3,
    "correlations": 3,
    "risk": 3,
    "stress_tests": 4,
    "performance": 4,
}
"""Version of each asset's method (SPEC 4.14). Raise it whenever the numbers change: what was computed by an older one stays,
is marked, and is computed again on `run --outdated`."""
