"""The checks of every table: the promises of the schema, completeness, and the identities of the domain."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import dagster as dg
import numpy as np
import pandas as pd

from sigma_assets.analytics.valuation import identities
from sigma_assets.assets.checks.completeness import (
    Findings,
    correlations_complete,
    coverage_complete,
    every_holding,
    lots_priced,
    portfolio_has,
    portfolio_sessions_complete,
    positions_complete,
    prices_complete,
    rows_for_priced,
    style_etfs_move,
    suspicious_moves,
    that_can_move,
)
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import EXPOSURE_FACTORS, PORTFOLIO_SESSION
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.contract import broken_promises
from sigma_assets.storage.schema import FAMILIES

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dataclass(frozen=True)
class DomainCheck:
    """A check of an asset's meaning: names what is wrong, one line each; empty when all is well."""

    name: str
    description: str
    severity: dg.AssetCheckSeverity
    find: Callable[[Tables, Scope], Findings]


def _cash_constant(tables: Tables, scope: Scope) -> Findings:
    with_before = Scope(tables.window(scope, 1), scope.portfolio_ids)
    lots, flows = tables.lots_and_flows(scope)
    snapshots = tables.rows("portfolio_snapshots", with_before)
    if len(with_before.sessions) > len(scope.sessions):
        before = Scope(with_before.sessions[:1], scope.portfolio_ids)
        is_outdated = snapshots["portfolio_id"].isin(_outdated(tables, before))
        snapshots = snapshots[~(is_outdated & (snapshots["session"] < pd.Timestamp(scope.first)))]
    return _named(identities.cash_breaks(snapshots, lots, flows, tables.calendar.sessions), "cash moved by {:,.2f} USD")


def _outdated(tables: Tables, scope: Scope) -> set[str]:
    """Return the portfolios whose row of a session knows other lots, flows or dividends than there are now: it is to be
    run again, and until then its cash is no measure for the session after it."""
    computed = tables.rows(
        "price_coverage", scope, columns=[*PORTFOLIO_SESSION, "holdings_revision", "prices_revision"]
    )
    both = computed.merge(tables.holdings_revisions(scope), on=PORTFOLIO_SESSION, how="left", suffixes=("", "_now"))
    outdated = set(both.loc[both["holdings_revision"] != both["holdings_revision_now"], "portfolio_id"])
    if len(computed):
        since, until = int(computed["prices_revision"].min()), tables.calendar.sessions <= scope.sessions[-1]
        changed = tables.changed_prices(tables.symbols(scope), tables.calendar.sessions[until], since)
        outdated |= set(computed["portfolio_id"]) if len(changed) else set()
    return outdated


def _exposures_add_up(tables: Tables, scope: Scope) -> Findings:
    return _named(identities.exposure_breaks(tables.rows("portfolio_snapshots", scope)), "off by {:,.2f} USD")


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


def _correlations_agree(tables: Tables, scope: Scope) -> Findings:
    summary = tables.rows("correlations_by_portfolio", scope)
    mean = tables.rows("correlations_by_pair", scope).groupby(PORTFOLIO_SESSION)["correlation"].mean()
    wanted = mean.reindex(pd.MultiIndex.from_frame(summary[PORTFOLIO_SESSION])).to_numpy()
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
    numbers, scenario = np.unique(by_portfolio["number"].to_numpy(), return_inverse=True)
    totals = by_position.groupby(PORTFOLIO_SESSION)[[f"scenario_{number:02d}_pnl_usd" for number in numbers]].sum()
    place = totals.index.get_indexer(pd.MultiIndex.from_frame(by_portfolio[PORTFOLIO_SESSION]))
    wanted = np.vstack([totals.to_numpy(), np.zeros(len(numbers))])[place, scenario]  # -1, the last row: no positions
    gap = (by_portfolio["pnl_usd"] - wanted).abs()
    broken = by_portfolio.assign(gap=gap)[gap > 1e-6 + 1e-9 * by_portfolio["pnl_usd"].abs()]
    for _, rows in broken.groupby("number"):
        yield from _named(rows, f"{rows['scenario'].iloc[0]}: portfolio and positions differ by {{:,.2f}} USD")


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
        DomainCheck("complete", "every symbol has a price on every session", WARN, prices_complete),
        DomainCheck("moves_plausible", "no large move without a known action", WARN, suspicious_moves),
    ),
    "symbol_factors": (
        DomainCheck("complete", "every priced symbol has betas", WARN, rows_for_priced("symbol_factors")),
        DomainCheck("style_etfs_move", "the ETF of each style moves, so the style has betas", WARN, style_etfs_move),
    ),
    "symbol_metrics": (
        DomainCheck("complete", "every priced symbol has metrics", WARN, rows_for_priced("symbol_metrics")),
    ),
    "price_coverage": (
        DomainCheck("complete", "every holding has a price by its session", WARN, coverage_complete("price_coverage")),
        DomainCheck("moves_plausible", "no large move without a known action", WARN, suspicious_moves),
    ),
    "factor_coverage": (
        DomainCheck("complete", "every holding has factor betas", WARN, coverage_complete("factor_coverage")),
        DomainCheck("style_etfs_move", "the ETF of each style moves, so the style has betas", WARN, style_etfs_move),
    ),
    "metric_coverage": (
        DomainCheck("complete", "every holding has metrics", WARN, coverage_complete("metric_coverage")),
    ),
    "portfolio_snapshots": (
        DomainCheck(
            "complete",
            "one row per portfolio and session since inception",
            ERROR,
            portfolio_sessions_complete("portfolio_snapshots"),
        ),
        DomainCheck("cash_constant", "cash moves only with trades, dividends and flows", ERROR, _cash_constant),
        DomainCheck("exposures_add_up", "gross, net and equity are what they say", ERROR, _exposures_add_up),
        DomainCheck("lots_priced", "every lot has a price of the last 5 sessions", WARN, lots_priced),
    ),
    "position_values": (
        DomainCheck("complete", "every open lot has a row", WARN, positions_complete),
        DomainCheck("values_add_up", "market values sum to net exposure", ERROR, _values_add_up),
    ),
    "betas": (
        DomainCheck("sum_of_positions", "portfolio betas are the sums of their positions", ERROR, _betas_add_up),
        DomainCheck(
            "every_holding",
            "every holding with a risk symbol has betas",
            WARN,
            every_holding("betas_by_position", "has no betas"),
        ),
    ),
    "factor_exposures": (
        DomainCheck("sum_of_positions", "portfolio exposures are sums of positions", ERROR, _factor_exposures_add_up),
        DomainCheck(
            "complete",
            "every portfolio with a risk symbol has exposures",
            WARN,
            portfolio_has("factor_exposures_by_portfolio", "value_coverage", "no factor exposures"),
        ),
    ),
    "volatility": (
        DomainCheck(
            "complete",
            "every portfolio has a volatility",
            WARN,
            portfolio_has("volatility_by_portfolio", "realized_21d", "no volatility"),
        ),
        DomainCheck(
            "every_holding",
            "every holding has a volatility",
            WARN,
            every_holding("volatility_by_symbol", "has no volatility", by="symbol"),
        ),
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
        DomainCheck(
            "every_holding",
            "every holding that can move is in some scenario",
            WARN,
            every_holding("stress_tests_by_position", "has no beta, and so is in no scenario,", held=that_can_move),
        ),
    ),
    "performance": (
        DomainCheck("complete", "one row per portfolio and session", ERROR, portfolio_sessions_complete("performance")),
        DomainCheck("ratios_agree", "ratios are those of their parts", ERROR, _ratios_agree),
    ),
    "correlations": (
        DomainCheck("complete", "every portfolio of two public symbols has correlations", WARN, correlations_complete),
        DomainCheck("pairs_agree", "the mean correlation is that of its pairs", ERROR, _correlations_agree),
    ),
}


def _schema_findings(asset: str, tables: Tables, scope: Scope) -> Findings:
    for table in FAMILIES[asset]:
        if "portfolio_id" not in table.c:
            yield from broken_promises(table, tables.rows(table.name, scope, tables.symbols(scope)))
            continue
        rows = tables.rows(table.name, scope)
        if any(broken_promises(table, rows)):
            for portfolio_id, its_rows in rows.groupby("portfolio_id"):
                yield from (f"{portfolio_id}: {line}" for line in broken_promises(table, its_rows))


@cache
def checks_of(asset: str) -> tuple[DomainCheck, ...]:
    """Return all checks of an asset: what the schema promises, then its domain's."""

    words = "no nulls, no infinities, nothing out of range, as the schema promises"
    return (DomainCheck("schema", words, ERROR, partial(_schema_findings, asset)), *DOMAIN_CHECKS.get(asset, ()))
