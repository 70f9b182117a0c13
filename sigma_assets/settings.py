"""Settings: the only reader of environment variables. Every field below is one line of the table in the README.

Longer than other files because it is that one table.
"""

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sigma_assets.analytics.risk.stress.scenarios import Scenarios, parse_scenarios, standard_scenarios
from sigma_assets.base import setting_values as read
from sigma_assets.base.calendar import TradingCalendar, nyse_calendar, today
from sigma_assets.base.conventions import COMPLETE_SHARE, CorrelationModel, FactorModel, OptionModel, PerformanceModel
from sigma_assets.base.errors import SettingsError
from sigma_assets.base.frames import SessionArray
from sigma_assets.base.masking import masked, without_login

HIDDEN = "(set)"
YEARS_OF_HISTORY = 3
"""Full years before this one that are computed unless a setting says otherwise."""
NEARLY = 0.9
"""Variables this alike are taken for a typing error: one or two letters of a long name."""
_PACE = read.whole_number(0, 100_000)
_RETURNS = read.whole_number(10, 2_520)
"""A fit of six factors to fewer than ten returns has no degrees of freedom left to speak of; 2,520 are ten years."""
_WEB_ADDRESS = read.address("http", "https")


def _setting(
    default: Any, doc: str, reader: read.Reader = str, *, secret: bool = False, variable: str | None = None
) -> Any:
    metadata = {"doc": doc, "read": reader, "secret": secret, "variable": variable}
    return field(default=default, repr=not secret, metadata=metadata)


def _variable(item: Field) -> str:
    return item.metadata["variable"] or f"SIGMA_{item.name.upper()}"


@dataclass(frozen=True)
class Settings:
    """What a user can set; values are checked when the process starts.

    The environment variable of a setting is SIGMA_ and its name in capitals, unless it names another one.
    """

    home: Path = _setting(
        Path(".dagster"),
        "folder of Dagster's storage and of the embedded database",
        read.folder,
        variable="DAGSTER_HOME",
    )
    database_url: str = _setting(
        "",
        "database: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DB`; empty = sigma.sqlite in DAGSTER_HOME",
        secret=True,
    )
    prices: str = _setting("simulated", "price sources in order: simulated, files:PATH, massive, yahoo")
    complete_share: float = _setting(
        COMPLETE_SHARE,
        "share of the recently priced symbols that must have a price before a session counts as available",
        read.number(0, 1),
    )
    cutoff: time = _setting(time(16, 30), "New York time from which today's closes are expected", read.cutoff)
    first_session: date | None = _setting(
        None,
        "first session to compute, including lots bought earlier; default: the first of the year three years ago",
        read.first_session,
    )
    extra_closures: tuple[date, ...] = _setting(
        (), "comma-separated dates of NYSE closures that the calendar does not know", read.days
    )
    factor_etfs: tuple[tuple[str, str], ...] = _setting(
        (),
        "other ETFs for market, rates and the six styles: `market=VTI,rates=IEF`; defaults: see docs/methodology.md",
        read.etfs,
    )
    factor_window: int = _setting(90, "returns in the market, rates and style regressions", _RETURNS)
    factor_min_observations: int = _setting(30, "minimum number of returns in these regressions", _RETURNS)
    spread_window: int = _setting(180, "returns in the spread regressions", _RETURNS)
    spread_min_observations: int = _setting(60, "minimum number of returns in the spread regressions", _RETURNS)
    ridge_alpha: float = _setting(1.0, "ridge penalty of the style regression", read.number(0, 1e6))
    correlation_min_weight: float = _setting(
        0.01, "minimum share of gross exposure to enter the correlation matrix", read.number(0, 1)
    )
    correlation_min_value_usd: float = _setting(
        10_000.0, "minimum market value to enter the correlation matrix, USD", read.number(0, 1e12)
    )
    risk_free_rate: float = _setting(
        0.0,
        "risk-free rate per year for Sharpe and Sortino ratios, alpha and Black-Scholes values (0.04 = 4 %)",
        read.number(-0.2, 1),
    )
    rates_duration: float = _setting(
        16.5,
        "duration of the rates ETF in years: the percentage that it loses when yields rise by one percentage point",
        read.number(0.1, 50),
    )
    benchmark: str = _setting("SPY", "benchmark symbol for performance", read.symbol)
    scenario_file: str = _setting(
        "", "YAML file of stress scenarios; empty = the scenarios in the package", variable="SIGMA_SCENARIOS"
    )
    suspicious_move: float = _setting(
        0.5,
        "daily move above which a price is flagged unless a split or dividend explains it (0.5 = 50 %)",
        read.number(0.01, 10),
    )
    max_runtime_seconds: int = _setting(1800, "time limit of a run, seconds", read.whole_number(1, 604_800))
    run_workers: int | None = _setting(
        None,
        "run workers that a night is divided among, on all hosts together; default: 2, with SQLite 1",
        read.whole_number(1, 1_000),
    )
    database_patience_seconds: int = _setting(
        75, "how long a run waits for an unreachable PostgreSQL server, seconds", read.whole_number(1, 86_400)
    )
    massive_api_key: str = _setting(
        "", "API key of the source massive", read.token, secret=True, variable="MASSIVE_API_KEY"
    )
    massive_calls_per_minute: int = _setting(
        5, "calls per minute to the source massive: 5 on the free plan, 0 = unlimited (paid plans)", _PACE
    )
    massive_url: str = _setting("https://api.massive.com", "address of the source massive", _WEB_ADDRESS)
    yahoo_calls_per_minute: int = _setting(60, "calls per minute to the source yahoo; 0 = unlimited", _PACE)
    dagster_url: str = _setting(
        "http://127.0.0.1:3000", "address of the Dagster webserver, for links and run requests", _WEB_ADDRESS
    )
    dagster_request_url: str = _setting(
        "",
        "address of the Dagster webserver for run requests alone, as in containers; empty = SIGMA_DAGSTER_URL",
        _WEB_ADDRESS,
    )
    keep_days: int = _setting(
        400,
        "days for which `db prune` keeps superseded runs, and what was computed for removed portfolios",
        read.whole_number(7, 36_500),
    )
    status_host: str = _setting("127.0.0.1", "address that the status server binds to", read.host)
    status_port: int = _setting(3001, "port of the status server", read.whole_number(1, read.MAX_PORT))
    status_processes: int = _setting(
        1,
        "processes of the status server, which share its port: more serve more readers at once",
        read.whole_number(1, 64),
    )
    status_token: str = _setting("", "bearer token that the status server requires", read.token, secret=True)
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        "comma-separated host names of the status server and Dagster, besides localhost and IP addresses",
        read.hosts,
    )
    alert_webhook: str = _setting("", "URL to which run failures are posted as JSON", _WEB_ADDRESS, secret=True)
    alert_email: str = _setting("", "e-mail address to which run failures are sent", read.mailbox)
    smtp_url: str = _setting(
        "smtp://127.0.0.1:25",
        "mail server: smtp://USER:PASSWORD@HOST:PORT (STARTTLS), or smtps:// (TLS from the start, port 465)",
        read.address("smtp", "smtps"),
        secret=True,
    )

    @property
    def database(self) -> str:
        """Return the database URL, the embedded default included."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'sigma.sqlite'}"

    @property
    def workers(self) -> int:
        """Return how many runs a night is divided into; SQLite has one writer, so that a second one would only wait."""
        return self.run_workers or (1 if self.database.startswith("sqlite") else 2)

    @property
    def dagster_requests(self) -> str:
        """Return the address at which this process reaches the Dagster webserver."""
        return self.dagster_request_url or self.dagster_url

    @property
    def dagster_link(self) -> str:
        """Return the address of the Dagster webserver as it may be shown and linked: without a login."""
        return without_login(self.dagster_url)

    @property
    def status_link(self) -> str:
        """Return the address of the status server, without a slash at its end."""
        host = f"[{self.status_host}]" if ":" in self.status_host else self.status_host
        return f"http://{host}:{self.status_port}"

    def run_url(self, run_id: str) -> str:
        """Return the address of a run in Dagster."""
        return f"{self.dagster_link}/runs/{run_id}"

    @property
    def calendar(self) -> TradingCalendar:
        """Return the NYSE calendar with the extra closures."""
        return nyse_calendar(self.extra_closures)

    @property
    def history_start(self) -> date:
        """Return the first session of the date dimension."""
        beginning = date(today().year - YEARS_OF_HISTORY, 1, 1)
        return self.calendar.on_or_after(self.first_session or beginning)

    @property
    def partition_sessions(self) -> SessionArray:
        """Return the sessions of the date dimension, and those that are to come."""
        sessions: SessionArray = self.calendar.sessions
        return sessions[sessions >= np.datetime64(self.history_start)]

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
        return PerformanceModel(benchmark=self.benchmark, risk_free_rate=self.risk_free_rate)

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
            text = HIDDEN if item.metadata["secret"] and value != item.default else masked(_text(value))
            rows.append((_variable(item), text, item.metadata["doc"]))
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
    values, problems = {}, _misspelled(environment)
    for item in fields(Settings):
        text = environment.get(_variable(item), "").strip()
        if text:
            try:
                values[item.name] = item.metadata["read"](text)
            except ValueError as error:
                shown = HIDDEN if item.metadata["secret"] else masked(repr(text))
                problems.append(f"{_variable(item)}={shown}: {error}")
    problems += [] if problems else _contradictions(Settings(**values))
    if problems:
        raise SettingsError("settings cannot be used:\n  " + "\n  ".join(problems))
    return Settings(**values)


def _misspelled(environment: Mapping[str, str]) -> list[str]:
    """Return variables that are nearly settings: a typing error must not leave a default in force unseen."""
    known = [_variable(item) for item in fields(Settings)]
    problems = []
    for variable in sorted(set(environment) - set(known)):
        if variable.startswith("SIGMA_") and (close := get_close_matches(variable, known, n=1, cutoff=NEARLY)):
            problems.append(f"{variable}: there is no such setting; did you mean {close[0]}?")
    return problems


def _contradictions(candidate: Settings) -> list[str]:
    problems = []
    for least, window in (("factor_min_observations", "factor_window"), ("spread_min_observations", "spread_window")):
        if getattr(candidate, least) > getattr(candidate, window):
            problems.append(
                f"{least} ({getattr(candidate, least)}) is more than {window} ({getattr(candidate, window)})"
            )
    model = candidate.factor_model
    if model.market == model.rates:
        problems.append(f"factor_etfs: market and rates are both {model.market}; expected two ETFs")
    styles = sorted(model.styles.items(), key=lambda item: item[1])
    for (role, symbol), (other, same) in pairwise(styles):
        if symbol == same:
            problems.append(f"factor_etfs: {role} and {other} are both {symbol}; expected six different ETFs")
    for spread, (leg, other_leg) in model.spreads.items():
        if leg == other_leg:
            problems.append(f"factor_etfs: both legs of {spread} are {leg}; expected two ETFs")
    if candidate.scenario_file:
        try:
            _ = candidate.scenarios
        except SettingsError as error:
            problems.append(f"SIGMA_SCENARIOS: {error}")
    return problems


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, tuple):
        return ",".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return str(value)
