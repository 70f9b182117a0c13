"""Settings: the only reader of environment variables. Every field below is one line of the table in the README."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sigma_assets.analytics.risk.stress.scenarios import Scenarios, parse_scenarios, standard_scenarios
from sigma_assets.base.calendar import TradingCalendar, nyse_calendar
from sigma_assets.base.conventions import CorrelationModel, FactorModel, OptionModel, PerformanceModel
from sigma_assets.base.errors import SettingsError

HIDDEN = "(set)"
MAX_PORT = 65_535
_SCHEMES = {
    "massive_url": ("http", "https"),
    "dagster_url": ("http", "https"),
    "alert_webhook": ("http", "https"),
    "smtp_url": ("smtp", "smtps"),
}


def _setting(env: str, default: Any, doc: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"env": env, "doc": doc, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """What a user can set, by environment variable; values are checked when the process starts."""

    home: Path = _setting("DAGSTER_HOME", Path(".dagster"), "folder of Dagster's storage and of the embedded database")
    database_url: str = _setting(
        "SIGMA_DATABASE_URL",
        "",
        "database: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DB`; empty = sigma.sqlite in DAGSTER_HOME",
        secret=True,
    )
    prices: str = _setting("SIGMA_PRICES", "simulated", "price sources in order: simulated, files:PATH, massive, yahoo")
    cutoff: time = _setting("SIGMA_CUTOFF", time(16, 30), "New York time from which today's closes are expected")
    first_session: date = _setting(
        "SIGMA_FIRST_SESSION", date(2010, 1, 4), "first session of the date dimension; no portfolio may start earlier"
    )
    extra_closures: tuple[date, ...] = _setting(
        "SIGMA_EXTRA_CLOSURES", (), "comma-separated dates on which the NYSE is closed and the calendar does not know"
    )
    factor_etfs: tuple[tuple[str, str], ...] = _setting(
        "SIGMA_FACTOR_ETFS",
        (),
        "other ETFs for market, rates and the six styles: `market=VTI,rates=IEF`; the default is SPEC's choice",
    )
    factor_window: int = _setting("SIGMA_FACTOR_WINDOW", 90, "returns in the market, rates and style regressions")
    factor_min_observations: int = _setting("SIGMA_FACTOR_MIN_OBSERVATIONS", 30, "least returns for these regressions")
    spread_window: int = _setting("SIGMA_SPREAD_WINDOW", 180, "returns in the spread regressions")
    spread_min_observations: int = _setting("SIGMA_SPREAD_MIN_OBSERVATIONS", 60, "least returns for these")
    ridge_alpha: float = _setting("SIGMA_RIDGE_ALPHA", 1.0, "ridge penalty of the style regression")
    correlation_min_weight: float = _setting(
        "SIGMA_CORRELATION_MIN_WEIGHT", 0.01, "least share of gross exposure to enter the correlation matrix"
    )
    correlation_min_value_usd: float = _setting(
        "SIGMA_CORRELATION_MIN_VALUE_USD", 10_000.0, "least market value to enter the correlation matrix, USD"
    )
    risk_free_rate: float = _setting(
        "SIGMA_RISK_FREE_RATE", 0.0, "rate per year in Sharpe and Sortino ratios, alpha, and Black-Scholes values"
    )
    rates_duration: float = _setting(
        "SIGMA_RATES_DURATION",
        16.5,
        "duration of the rates ETF, years: a rise of yields by 1 % costs it so many percent",
    )
    benchmark: str = _setting("SIGMA_BENCHMARK", "SPY", "symbol that performance is measured against")
    scenario_file: str = _setting(
        "SIGMA_SCENARIOS", "", "YAML file of stress scenarios; empty = those that come with the package"
    )
    suspicious_move: float = _setting(
        "SIGMA_SUSPICIOUS_MOVE", 0.5, "daily move from which a price without a known action is flagged (0.5 = 50 %)"
    )
    max_runtime_seconds: int = _setting("SIGMA_MAX_RUNTIME_SECONDS", 1800, "a run is ended after this long")
    database_patience_seconds: int = _setting(
        "SIGMA_DATABASE_PATIENCE_SECONDS", 75, "a run waits this long for a PostgreSQL server that is away"
    )
    massive_api_key: str = _setting("MASSIVE_API_KEY", "", "key for the source massive", secret=True)
    massive_calls_per_minute: int = _setting(
        "SIGMA_MASSIVE_CALLS_PER_MINUTE", 5, "pace of the source massive: 5 on the free tier, 0 = unlimited (paid)"
    )
    massive_url: str = _setting("SIGMA_MASSIVE_URL", "https://api.massive.com", "address of the source massive")
    yahoo_calls_per_minute: int = _setting(
        "SIGMA_YAHOO_CALLS_PER_MINUTE", 60, "pace of the source yahoo; 0 = unlimited"
    )
    dagster_url: str = _setting(
        "SIGMA_DAGSTER_URL", "http://127.0.0.1:3000", "address of the Dagster webserver: links and run requests"
    )
    status_host: str = _setting("SIGMA_STATUS_HOST", "127.0.0.1", "address that the status server binds to")
    status_port: int = _setting("SIGMA_STATUS_PORT", 3001, "port of the status server")
    status_token: str = _setting("SIGMA_STATUS_TOKEN", "", "bearer token that the status server asks for", secret=True)
    alert_webhook: str = _setting("SIGMA_ALERT_WEBHOOK", "", "URL that run failures are posted to as JSON", secret=True)
    alert_email: str = _setting("SIGMA_ALERT_EMAIL", "", "address that run failures are mailed to")
    smtp_url: str = _setting(
        "SIGMA_SMTP_URL", "smtp://127.0.0.1:25", "mail server: smtp://USER:PASSWORD@HOST:PORT", secret=True
    )

    @property
    def database(self) -> str:
        """Return the database URL, the embedded default included."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'sigma.sqlite'}"

    @property
    def calendar(self) -> TradingCalendar:
        """Return the NYSE calendar with the extra closures."""
        return nyse_calendar(self.extra_closures)

    @property
    def factor_model(self) -> FactorModel:
        """Return the factor model with the chosen ETFs and windows."""
        standard = FactorModel()
        chosen = {"market": standard.market, "rates": standard.rates, **standard.styles} | dict(self.factor_etfs)
        return FactorModel(
            market=chosen.pop("market"),
            rates=chosen.pop("rates"),
            styles=chosen,
            window=self.factor_window,
            min_observations=self.factor_min_observations,
            spread_window=self.spread_window,
            spread_min_observations=self.spread_min_observations,
            ridge_alpha=self.ridge_alpha,
        )

    @property
    def correlation_model(self) -> CorrelationModel:
        """Return the correlation model with the chosen thresholds."""
        return CorrelationModel(min_weight=self.correlation_min_weight, min_value_usd=self.correlation_min_value_usd)

    @property
    def option_model(self) -> OptionModel:
        """Return the option model with the chosen rate."""
        return OptionModel(risk_free_rate=self.risk_free_rate)

    @property
    def performance_model(self) -> PerformanceModel:
        """Return the performance model with the chosen benchmark and rate."""
        return PerformanceModel(benchmark=self.benchmark.upper(), risk_free_rate=self.risk_free_rate)

    @property
    def scenarios(self) -> Scenarios:
        """Return the scenarios of the stress tests.

        Raises
        ------
        SettingsError
            The file cannot be read, or has scenarios that cannot be used.
        """
        if not self.scenario_file:
            return standard_scenarios()
        path = Path(self.scenario_file).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise SettingsError(f"{path}: cannot be read ({reason}); expected a YAML file of scenarios") from error
        return parse_scenarios(text, str(path))

    def current_session(self) -> date:
        """Return the calendar's current session, by New York time now (SPEC 3)."""
        return self.calendar.current_session(datetime.now(UTC), self.cutoff)

    def shown(self) -> list[tuple[str, str, str]]:
        """Return (variable, value, meaning) of every setting; secrets only as `(set)`."""
        rows = []
        for item in fields(self):
            value = getattr(self, item.name)
            text = HIDDEN if item.metadata["secret"] and value != item.default else _text(value)
            rows.append((item.metadata["env"], text, item.metadata["doc"]))
        return rows


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once from its environment."""
    return read_settings(os.environ)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of an environment.

    Raises
    ------
    SettingsError
        One or more values cannot be used; names each variable, its value and what was expected.
    """
    values, problems = {}, []
    for item in fields(Settings):
        text = environment.get(item.metadata["env"], "").strip()
        if text:
            try:
                values[item.name] = _parse(item.name, text, item.default)
            except ValueError as error:
                shown = HIDDEN if item.metadata["secret"] else repr(text)
                problems.append(f"{item.metadata['env']}={shown}: {error}")
    problems += [] if problems else _contradictions(Settings(**values))
    if problems:
        raise SettingsError("settings cannot be used:\n  " + "\n  ".join(problems))
    return Settings(**values)


def _parse(name: str, text: str, default: Any) -> Any:
    if name == "factor_etfs":
        return _parse_etfs(text)
    if isinstance(default, tuple):
        return tuple(sorted(_parse_date(part.strip()) for part in text.split(",") if part.strip()))
    if isinstance(default, Path):
        return Path(text).expanduser()
    if isinstance(default, time):
        try:
            return datetime.strptime(text, "%H:%M").time()
        except ValueError:
            raise ValueError("expected a time such as 16:30") from None
    if isinstance(default, date):
        return _parse_date(text)
    if isinstance(default, int | float):
        try:
            number = type(default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise ValueError(f"expected {kind}") from None
        return _checked_number(name, number)
    return _checked_address(name, text) if name in _SCHEMES else text


def _checked_address(name: str, text: str) -> str:
    expected = " or ".join(f"{scheme}://HOST" for scheme in _SCHEMES[name])
    try:
        address = urlsplit(text)
        usable = address.scheme in _SCHEMES[name] and bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False  # a port that is none, or an unfinished IPv6 address
    if not usable:
        raise ValueError(f"expected {expected}")
    return text


def _checked_number(name: str, number: float) -> float:
    may_be_zero = name in {
        "risk_free_rate",
        "massive_calls_per_minute",
        "yahoo_calls_per_minute",
        "correlation_min_weight",
    }
    may_be_zero |= name in {"correlation_min_value_usd", "ridge_alpha"}
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("expected a finite number")
    if number < 0 and name != "risk_free_rate":
        raise ValueError("expected a number that is not negative")
    if number == 0 and not may_be_zero:
        raise ValueError("expected a number greater than 0")
    if name == "status_port" and number > MAX_PORT:
        raise ValueError(f"expected a port from 1 to {MAX_PORT}")
    return number


def _parse_date(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"expected a date such as 2026-01-08, found {text!r}") from None


def _parse_etfs(text: str) -> tuple[tuple[str, str], ...]:
    roles = ("market", "rates", *FactorModel().styles)
    chosen = {}
    for part in text.split(","):
        role, separator, symbol = (piece.strip() for piece in part.partition("="))
        if not separator or role not in roles or not symbol:
            raise ValueError(f"expected ROLE=SYMBOL with a role of {', '.join(roles)}; found {part.strip()!r}")
        chosen[role] = symbol.upper()
    return tuple(chosen.items())


def _contradictions(candidate: Settings) -> list[str]:
    problems = []
    for least, window in (("factor_min_observations", "factor_window"), ("spread_min_observations", "spread_window")):
        if getattr(candidate, least) > getattr(candidate, window):
            problems.append(
                f"{least} ({getattr(candidate, least)}) is more than {window} ({getattr(candidate, window)})"
            )
    if candidate.scenario_file:
        try:
            _ = candidate.scenarios
        except SettingsError as error:
            problems.append(f"SIGMA_SCENARIOS: {error}")
    return problems


def _text(value: Any) -> str:
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, tuple):
        return ",".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return str(value)
