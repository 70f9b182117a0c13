"""Asset checks: for every table what the schema promises, and the identities of the domain; over the partitions of a run."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.analytics.series.suspicion import suspicious_moves
from sigma_assets.analytics.valuation import identities
from sigma_assets.assets.tables import Tables, rows_of
from sigma_assets.base.conventions import EXPOSURE_FACTORS, STYLE_FACTORS
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.contract import broken_promises
from sigma_assets.storage.rows import Rows
from sigma_assets.storage.schema import FAMILIES

SHOWN = 20
"""Offending rows named in a check's metadata; the rest is counted."""

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
Findings = Iterable[str]


@dataclass(frozen=True)
class DomainCheck:
    """A check of an asset's meaning: names what is wrong, one line each; empty when all is well."""

    name: str
    description: str
    severity: dg.AssetCheckSeverity
    find: Callable[[Tables, Scope], Findings]


def _prices_complete(tables: Tables, scope: Scope) -> Findings:
    there = tables.rows("market_prices", scope, tables.symbols(scope), columns=["session", "symbol"])
    counts = there.groupby("symbol").size().reindex(tables.symbols(scope), fill_value=0)
    for symbol, count in counts[counts < len(scope.sessions)].items():
        yield f"{symbol}: {count} of {len(scope.sessions)} sessions have a price"


def _suspicious_moves(tables: Tables, scope: Scope) -> Findings:
    history = tables.prices(tables.symbols(scope), tables.window(scope, 1))
    moves = suspicious_moves(history, tables.settings.suspicious_move)
    for row in moves[moves["session"] >= pd.Timestamp(scope.first)].itertuples():
        yield f"{row.symbol} on {row.session:%Y-%m-%d}: {row.previous_close} -> {row.close} ({row.move:+.0%})"


def _rows_for_priced(table: str) -> Callable[[Tables, Scope], Findings]:
    def find(tables: Tables, scope: Scope) -> Findings:
        symbols = tables.symbols(scope)
        priced = tables.rows("market_prices", scope, symbols, columns=["session", "symbol"])
        there = tables.rows(table, scope, symbols, columns=["session", "symbol"])
        both = priced.merge(there.assign(there=True), on=["session", "symbol"], how="left")
        for symbol, absent in both[both["there"].isna()].groupby("symbol"):
            yield f"{symbol}: no row on {len(absent)} priced sessions, first {absent['session'].min():%Y-%m-%d}"

    return find


def _style_etfs_move(tables: Tables, scope: Scope) -> Findings:
    model = tables.settings.factor_model
    columns = ["session", "style_observations", *(f"{factor}_beta" for factor in STYLE_FACTORS)]
    rows = tables.rows("symbol_factors", scope, tables.symbols(scope), columns=columns)
    fitted = rows[rows["style_observations"].notna()].groupby("session").count()
    for factor in STYLE_FACTORS:
        still = fitted.index[fitted[f"{factor}_beta"] == 0]
        if len(still):
            etf = model.styles[factor]
            yield f"{etf} did not move: no symbol has a {factor} beta on {len(still)} sessions, last {still[-1]:%Y-%m-%d}"


def _coverage_complete(table: str) -> Callable[[Tables, Scope], Findings]:
    def find(tables: Tables, scope: Scope) -> Findings:
        rows = tables.rows(table, scope)
        named = rows[rows["missing_symbols"].notna()]
        for (portfolio_id, absent), group in named.groupby(["portfolio_id", "missing_symbols"]):
            yield f"{portfolio_id}: {absent} on {len(group)} sessions, last {group['session'].max():%Y-%m-%d}"

    return find


def _complete(table: str) -> Callable[[Tables, Scope], Findings]:
    def find(tables: Tables, scope: Scope) -> Findings:
        portfolios, _, _ = tables.holdings(scope)
        rows = tables.rows(table, scope, columns=["portfolio_id", "session"])
        found = rows.groupby("portfolio_id").size()
        for portfolio in portfolios.itertuples():
            expected = int((scope.sessions >= np.datetime64(portfolio.inception.date())).sum())
            if found.get(portfolio.portfolio_id, 0) != expected:
                yield f"{portfolio.portfolio_id}: {found.get(portfolio.portfolio_id, 0)} rows, expected {expected}"

    return find


def _cash_constant(tables: Tables, scope: Scope) -> Findings:
    with_before = Scope(tables.window(scope, 1), scope.portfolio_ids)
    _, lots, flows = tables.holdings(scope)
    snapshots = tables.rows("portfolio_snapshots", with_before)
    return _named(identities.cash_breaks(snapshots, lots, flows, tables.calendar.sessions), "cash moved by {:,.2f} USD")


def _exposures_add_up(tables: Tables, scope: Scope) -> Findings:
    return _named(identities.exposure_breaks(tables.rows("portfolio_snapshots", scope)), "off by {:,.2f} USD")


def _lots_priced(tables: Tables, scope: Scope) -> Findings:
    rows = tables.rows("portfolio_snapshots", scope, columns=["portfolio_id", "session", "lots_unpriced"])
    for portfolio_id, group in rows[rows["lots_unpriced"] > 0].groupby("portfolio_id"):
        most = group["lots_unpriced"].max()
        yield f"{portfolio_id}: up to {most} lots without a recent price on {len(group)} sessions"


def _values_add_up(tables: Tables, scope: Scope) -> Findings:
    snapshots = tables.rows("portfolio_snapshots", scope)
    broken = identities.value_breaks(snapshots, tables.rows("position_values", scope))
    return _named(broken, "positions and net exposure differ by {:,.2f} USD")


def _betas_add_up(tables: Tables, scope: Scope) -> Findings:
    positions = tables.rows("betas_by_position", scope)
    parts = {f"{factor}_beta": positions["weight"] * positions[f"{factor}_beta"] for factor in ("market", "rates")}
    broken = identities.weighted_sum_breaks(
        tables.rows("betas_by_portfolio", scope), positions.assign(**parts), {name: name for name in parts}
    )
    return _named(broken, "portfolio beta and the sum of its positions differ by {:.3g}")


def _factor_exposures_add_up(tables: Tables, scope: Scope) -> Findings:
    columns = {f"{factor}_exposure": f"{factor}_exposure" for factor in EXPOSURE_FACTORS}
    broken = identities.weighted_sum_breaks(
        tables.rows("factor_exposures_by_portfolio", scope), tables.rows("factor_exposures_by_position", scope), columns
    )
    return _named(broken, "portfolio exposure and the sum of its positions differ by {:.3g}")


def _every_holding_has_betas(tables: Tables, scope: Scope) -> Findings:
    positions = tables.rows("position_values", scope, columns=["portfolio_id", "session", "lot_id", "risk_symbol"])
    there = tables.rows("betas_by_position", scope, columns=["portfolio_id", "session", "lot_id"])
    both = positions.dropna(subset=["risk_symbol"]).merge(there.assign(there=True), how="left")
    for (portfolio_id, symbol), group in both[both["there"].isna()].groupby(["portfolio_id", "risk_symbol"]):
        yield f"{portfolio_id}: {symbol} has no betas on {len(group)} sessions, last {group['session'].max():%Y-%m-%d}"


def _correlations_agree(tables: Tables, scope: Scope) -> Findings:
    summary = tables.rows("correlations_by_portfolio", scope)
    mean = tables.rows("correlations_by_pair", scope).groupby(["portfolio_id", "session"])["correlation"].mean()
    wanted = mean.reindex(pd.MultiIndex.from_frame(summary[["portfolio_id", "session"]])).to_numpy()
    gap = (summary["mean_correlation"] - wanted).abs()
    is_broken = gap.gt(1e-9) | (summary["mean_correlation"].isna() != np.isnan(wanted))
    return _named(summary.assign(gap=gap)[is_broken], "mean correlation and its pairs differ by {:.3g}")


def _contributions_add_up(tables: Tables, scope: Scope) -> Findings:
    broken = identities.weighted_sum_breaks(
        tables.rows("risk_by_portfolio", scope),
        tables.rows("risk_by_position", scope),
        {"realized_63d": "volatility_contribution", "es_95": "es_contribution"},
    )
    return _named(broken, "risk and the sum of its contributions differ by {:.3g}")


def _tails_in_order(tables: Tables, scope: Scope) -> Findings:
    rows = tables.rows("risk_by_portfolio", scope)
    pairs = (("var_95", "var_99"), ("var_95", "es_95"), ("es_95", "es_975"), ("es_975", "es_99"), ("var_99", "es_99"))
    gap = pd.concat([rows[less] - rows[more] for less, more in pairs], axis="columns").max(axis="columns")
    return _named(rows.assign(gap=gap)[gap > 1e-12], "a worse tail loses less, by {:.3g} of equity")


def _value_at_risk_holds(tables: Tables, scope: Scope) -> Findings:
    rows = tables.rows("risk_by_portfolio", scope, columns=["portfolio_id", "session", "exceptions", "zone"])
    for portfolio_id, group in rows[rows["zone"] == "red"].groupby("portfolio_id"):
        most = group["exceptions"].max()
        yield f"{portfolio_id}: up to {most} exceptions in 250 sessions, on {len(group)} sessions; 2.5 are expected"


def _scenarios_add_up(tables: Tables, scope: Scope) -> Findings:
    by_portfolio, by_position = (tables.rows(f"stress_tests_by_{level}", scope) for level in ("portfolio", "position"))
    for number, rows in by_portfolio.groupby("number"):
        column = f"scenario_{number:02d}_pnl_usd"
        total = by_position.groupby(identities.KEY)[column].sum()
        wanted = total.reindex(pd.MultiIndex.from_frame(rows[identities.KEY]), fill_value=0.0).to_numpy()
        gap = (rows["pnl_usd"] - wanted).abs()
        broken = rows.assign(gap=gap)[gap > 1e-6 + 1e-9 * rows["pnl_usd"].abs()]
        yield from _named(broken, f"{rows['scenario'].iloc[0]}: portfolio and positions differ by {{:,.2f}} USD")


def _every_holding_stressed(tables: Tables, scope: Scope) -> Findings:
    keys = ["portfolio_id", "session", "lot_id"]
    positions = tables.rows("position_values", scope, columns=[*keys, "symbol", "investment_class"])
    there = tables.rows("stress_tests_by_position", scope, columns=keys)
    both = positions[positions["investment_class"] != "PRIVATE"].merge(there.assign(there=True), how="left")
    for (portfolio_id, symbol), group in both[both["there"].isna()].groupby(["portfolio_id", "symbol"]):
        last = f"{group['session'].max():%Y-%m-%d}"
        yield f"{portfolio_id}: {symbol} has no beta, and so is in no scenario, on {len(group)} sessions, last {last}"


def _ratios_agree(tables: Tables, scope: Scope) -> Findings:
    rows = tables.rows("performance", scope)
    gaps = [
        rows["information_ratio"] * rows["tracking_error"] - rows["active_return"],
        rows["correlation"] ** 2 - rows["r_squared"],
    ]
    gap = pd.concat(gaps, axis="columns").abs().max(axis="columns")
    return _named(rows.assign(gap=gap)[gap > 1e-9], "ratios and their parts differ by {:.3g}")


def _named(broken: pd.DataFrame, words: str) -> Findings:
    for row in broken.itertuples():
        yield f"{row.portfolio_id} on {row.session:%Y-%m-%d}: " + words.format(row.gap)


DOMAIN_CHECKS: dict[str, tuple[DomainCheck, ...]] = {
    "market_prices": (
        DomainCheck("complete", "every symbol has a price on every session", WARN, _prices_complete),
        DomainCheck("moves_plausible", "no large move without a known action", WARN, _suspicious_moves),
    ),
    "symbol_factors": (
        DomainCheck("complete", "every priced symbol has betas", WARN, _rows_for_priced("symbol_factors")),
        DomainCheck("style_etfs_move", "the ETF of each style moves, so the style has betas", WARN, _style_etfs_move),
    ),
    "symbol_metrics": (
        DomainCheck("complete", "every priced symbol has metrics", WARN, _rows_for_priced("symbol_metrics")),
    ),
    "price_coverage": (
        DomainCheck("complete", "every holding has a price by its session", WARN, _coverage_complete("price_coverage")),
        DomainCheck("moves_plausible", "no large move without a known action", WARN, _suspicious_moves),
    ),
    "factor_coverage": (
        DomainCheck("complete", "every holding has factor betas", WARN, _coverage_complete("factor_coverage")),
        DomainCheck("style_etfs_move", "the ETF of each style moves, so the style has betas", WARN, _style_etfs_move),
    ),
    "metric_coverage": (
        DomainCheck("complete", "every holding has metrics", WARN, _coverage_complete("metric_coverage")),
    ),
    "portfolio_snapshots": (
        DomainCheck(
            "complete", "one row per portfolio and session since inception", ERROR, _complete("portfolio_snapshots")
        ),
        DomainCheck("cash_constant", "cash moves only with trades, dividends and flows", ERROR, _cash_constant),
        DomainCheck("exposures_add_up", "gross, net and equity are what they say", ERROR, _exposures_add_up),
        DomainCheck("lots_priced", "every lot has a price of the last 5 sessions", WARN, _lots_priced),
    ),
    "position_values": (DomainCheck("values_add_up", "market values sum to net exposure", ERROR, _values_add_up),),
    "betas": (
        DomainCheck("sum_of_positions", "portfolio betas are the sums of their positions", ERROR, _betas_add_up),
        DomainCheck("every_holding", "every holding with a risk symbol has betas", WARN, _every_holding_has_betas),
    ),
    "factor_exposures": (
        DomainCheck("sum_of_positions", "portfolio exposures are sums of positions", ERROR, _factor_exposures_add_up),
    ),
    "risk": (
        DomainCheck(
            "contributions_add_up", "positions add up to volatility and shortfall", ERROR, _contributions_add_up
        ),
        DomainCheck("tails_in_order", "a rarer loss is no smaller", ERROR, _tails_in_order),
        DomainCheck("value_at_risk_holds", "fewer than 10 exceptions in a year", WARN, _value_at_risk_holds),
    ),
    "stress_tests": (
        DomainCheck("scenarios_add_up", "positions add up to their portfolio's P&L", ERROR, _scenarios_add_up),
        DomainCheck("every_holding", "every holding that can move is in some scenario", WARN, _every_holding_stressed),
    ),
    "performance": (
        DomainCheck("complete", "one row per portfolio and session", ERROR, _complete("performance")),
        DomainCheck("ratios_agree", "ratios are those of their parts", ERROR, _ratios_agree),
    ),
    "correlations": (
        DomainCheck("pairs_agree", "the mean correlation is that of its pairs", ERROR, _correlations_agree),
    ),
}


def _schema_findings(asset: str, tables: Tables, scope: Scope) -> Findings:
    for table in FAMILIES[asset]:
        symbols = None if "portfolio_id" in table.c else tables.symbols(scope)
        yield from broken_promises(table, tables.rows(table.name, scope, symbols))


class _ReadOnce(Tables):
    """The tables as the checks of one asset see them: what several of them want to see is read once.

    Made for one round of checks and dropped with it, so nothing that it keeps can grow old.
    """

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.settings)
        self.__dict__["database"] = tables.database
        self._rows: dict[tuple[str, Rows], pd.DataFrame] = {}
        self._symbols: dict[tuple[str, ...], list[str]] = {}

    def symbols(self, scope: Scope) -> list[str]:
        if scope.portfolio_ids not in self._symbols:
            self._symbols[scope.portfolio_ids] = super().symbols(scope)
        return self._symbols[scope.portfolio_ids]

    def rows(
        self, table: str, scope: Scope, symbols: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        key = table, rows_of(scope, symbols)
        if key not in self._rows:
            self._rows[key] = super().rows(table, scope, symbols)
        return self._rows[key] if columns is None else self._rows[key][list(columns)]


@cache
def checks_of(asset: str) -> tuple[DomainCheck, ...]:
    """Return all checks of an asset: what the schema promises, then its domain's."""

    words = "no nulls, no infinities, nothing out of range, as the schema promises"
    return (DomainCheck("schema", words, ERROR, partial(_schema_findings, asset)), *DOMAIN_CHECKS.get(asset, ()))


def specs_of(asset: str) -> list[dg.AssetCheckSpec]:
    """Return the declarations of an asset's checks.

    They belong to the asset's own step: a check of its own over partitions costs Dagster 30 ms per partition.
    """
    return [dg.AssetCheckSpec(check.name, asset=asset, description=check.description) for check in checks_of(asset)]


def findings_of(asset: str, tables: Tables, scope: Scope) -> dict[DomainCheck, list[str]]:
    """Check what is stored in a scope and return what each check found."""
    stored = _ReadOnce(tables)
    return {check: list(check.find(stored, scope)) for check in checks_of(asset)}


def results_of(asset: str, tables: Tables, scope: Scope) -> list[dg.AssetCheckResult]:
    """Check what is stored in a scope and return what was found, one result per check."""
    return [
        dg.AssetCheckResult(
            passed=not findings,
            asset_key=asset,
            check_name=check.name,
            severity=check.severity,
            description=_headline(findings),
            metadata=_metadata(findings),
        )
        for check, findings in findings_of(asset, tables, scope).items()
    ]


def evaluation_of(asset: str, check: DomainCheck, findings: list[str]) -> dg.AssetCheckEvaluation:
    """Return what a check found outside any run, for the event log."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=check.name,
        passed=not findings,
        severity=check.severity,
        description=_headline(findings),
        metadata=_metadata(findings),
    )


def _headline(findings: list[str]) -> str | None:
    return "; ".join(_shown(findings)[:3]) or None


def _metadata(findings: list[str]) -> dict[str, int | dg.MetadataValue]:
    rows = {"rows": dg.MetadataValue.md("\n".join(_shown(findings)))} if findings else {}
    return {"findings": len(findings), **rows}


def _shown(findings: list[str]) -> list[str]:
    return findings[:SHOWN] + ([f"and {len(findings) - SHOWN} more"] if len(findings) > SHOWN else [])
