"""The tables of a report about one session: holdings, where risk comes from, exposures, scenarios, clusters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sigma_assets.base.conventions import KIND_SCHEME, RISK_FACTORS
from sigma_assets.reports.forms import (
    UNKNOWN,
    factor_name,
    fine_percent,
    percent,
    quantity,
    ratio,
    signed_percent,
    signed_usd,
    usd,
)
from sigma_assets.reports.portfolio import Holding, PortfolioReport
from sigma_assets.reports.words.figures import returns
from sigma_assets.reports.words.histories import exposures, months
from sigma_assets.reports.words.table import NOTHING_HELD, NOTHING_KNOWN, Source, TextTable


def tables(report: PortfolioReport) -> list[TextTable]:
    """Return the tables of a report, in the order in which a terminal shows them."""
    return [
        returns(report), months(report), _holdings(report), _allocation(report), _contributions(report),
        _factors(report), exposures(report), _stress(report), _clusters(report),
    ]  # fmt: skip


def _holdings(report: PortfolioReport) -> TextTable:
    columns = (
        "Symbol",
        "Quantity",
        "Price",
        "Priced on",
        "Value",
        "Weight",
        "Day's P&L",
        "P&L",
        "Market beta",
        "Share of risk",
    )
    rows = tuple(
        (
            each.symbol,
            quantity(each.quantity),
            UNKNOWN if each.price is None else f"{each.price:,.2f}",
            _priced_on(each),
            usd(each.value),
            percent(each.weight),
            signed_usd(each.daily_pnl),
            signed_usd(each.unrealized_pnl),
            ratio(each.market_beta),
            percent(each.risk_share),
        )
        for each in report.holdings
    )
    notes = [NOTHING_HELD if not rows else "Prices, values and P&L in USD; weight of equity."]
    if any(each.price_session is None for each in report.holdings):
        notes.append("Entry: no price was ever seen, so the entry price stands in.")
    if any(each.is_stale and each.price_session for each in report.holdings):
        notes.append("Old: carried on from an earlier session.")
    if any(each.is_modelled for each in report.holdings):
        notes.append("Model: a Black-Scholes value, for want of a quote.")
    return TextTable(
        "holdings",
        "Holdings",
        columns,
        ("Symbol",),
        rows,
        " ".join(notes),
        spare=("Weight", "Day's P&L"),
        only_on_page=("Market beta", "Share of risk"),
        is_sortable=True,
        sources=tuple(_of_holding(each) for each in report.holdings),
    )


def _of_holding(holding: Holding) -> tuple[Source | None, ...]:
    """Return the stored numbers of a holding's row."""
    value = {
        column: _of_lots(holding, "position_values", column)
        for column in ("quantity", "price", "market_value", "weight", "daily_pnl", "unrealized_pnl")
    }
    beta = _of_lots(holding, "betas_by_position", "market_beta")
    share = _of_risk(holding, "share")
    return (
        None, value["quantity"], value["price"], None, value["market_value"], value["weight"], value["daily_pnl"],
        value["unrealized_pnl"], beta, share,
    )  # fmt: skip


def _of_risk(holding: Holding, column: str) -> Source:
    """Return the stored number of a holding's risk; of one that shares it with an option, its part of that."""
    table = "risk_by_position" if holding.has_own_risk else "holdings"
    return Source(table, column, symbol=holding.symbol)


def _of_lots(holding: Holding, table: str, column: str) -> Source:
    """Return the stored number of a holding's only lot, or of all its lots."""
    lot = holding.lot_id
    return Source(table, column, lot=lot) if lot else Source(table, column, symbol=holding.symbol)


def _priced_on(holding: Holding) -> str:
    if holding.price_session is None:
        return "entry"
    marks = [mark for mark, is_so in (("old", holding.is_stale), ("model", holding.is_modelled)) if is_so]
    return " ".join([str(holding.price_session), *marks])


def _allocation(report: PortfolioReport) -> TextTable:
    rows = _rows(report.allocation)
    texts = tuple(
        (
            str(row["class"]),
            str(row["scheme"]),
            usd(row["long_value"]),
            usd(row["short_value"]),
            usd(row["net_exposure"]),
            usd(row["cash_equivalents"]),
            percent(row["share_of_gross"]),
        )
        for row in rows
    )
    note = (
        NOTHING_HELD
        if not rows
        else "USD; share of gross exposure, to which cash and money-market funds do not belong."
    )
    if rows and all(row["scheme"] == KIND_SCHEME for row in rows):
        note += " No holding has a class yet: `sigma-assets classify FILE.csv` reads sectors, countries or any other scheme."
    columns = ("Class", "Scheme", "Long", "Short", "Net", "Cash equivalents", "Share of gross")
    measures = tuple(row["share_of_gross"] for row in rows)
    shown = ("long_value", "short_value", "net_exposure", "cash_equivalents", "share_of_gross")
    sources = tuple(
        (
            *(None, None),
            *(Source("allocation", name, scheme=str(row["scheme"]), class_name=str(row["class"])) for name in shown),
        )
        for row in rows
    )
    return TextTable("allocation", "Allocation", columns, columns[:2], texts, note, measures=measures, sources=sources)


def _contributions(report: PortfolioReport) -> TextTable:
    columns = ("Symbol", "Weight", "Beta", "Volatility", "Share", "Shortfall")
    holdings = sorted(report.holdings, key=lambda each: -abs(each.volatility_contribution or 0.0))
    rows = tuple(
        (
            each.symbol,
            percent(each.weight),
            ratio(each.market_beta),
            percent(each.volatility_contribution),
            percent(each.risk_share),
            fine_percent(each.es_contribution),
        )
        for each in holdings
    )
    measures = tuple(each.volatility_contribution for each in holdings)
    note = "Market beta; contributions to realised volatility (63 sessions, per year) and to the shortfall (95 %) of a day."
    shown = ("volatility_contribution", "share", "es_contribution")
    sources = tuple(
        (
            *(None, _of_lots(each, "position_values", "weight"), _of_lots(each, "betas_by_position", "market_beta")),
            *(_of_risk(each, name) for name in shown),
        )
        for each in holdings
    )
    return _table(report, "contributions", "Where risk comes from, by holding", columns, rows, note, measures, sources)


def _factors(report: PortfolioReport) -> TextTable:
    rows = tuple(
        (factor_name(row["factor"]), ratio(row["beta"]), ratio(row["std_error"]), percent(row["variance_share"]))
        for row in _rows(report.risk_by_factor)
    )
    specific: Any = report.risk.get("specific_share")
    known = {row["factor"] for row in _rows(report.risk_by_factor)}
    left_out = [factor_name(factor) for factor in RISK_FACTORS if factor not in known]
    note = (
        f"One joint regression on {'these' if left_out else 'all'} factors; a negative share hedges."
        f" {percent(specific)} of the variance is explained by no factor."
    )
    if left_out:
        note += f" Left out, for want of returns or of movement: {', '.join(left_out)}."
    columns = ("Factor", "Beta", "Std error", "Variance")
    measures = tuple(row["variance_share"] for row in _rows(report.risk_by_factor))
    shown = ("beta", "std_error", "variance_share")
    sources = tuple(
        (None, *(Source("risk_by_factor", name, factor=str(row["factor"])) for name in shown))
        for row in _rows(report.risk_by_factor)
    )
    return _table(report, "factors", "Where risk comes from, by factor", columns, rows, note, measures, sources)


def _stress(report: PortfolioReport) -> TextTable:
    rows = tuple(
        (str(row["scenario"]), signed_usd(row["pnl_usd"]), signed_percent(row["pnl_share"]), percent(row["coverage"]))
        for row in _rows(report.stress_tests)
    )
    columns = ("Scenario", "P&L, USD", "Of equity", "Coverage")
    note = "Coverage: share of market value whose P&L is known."
    measures = tuple(row["pnl_usd"] for row in _rows(report.stress_tests))
    shown = ("pnl_usd", "pnl_share", "coverage")
    sources = tuple(
        (None, *(Source("stress_tests", name, scenario=str(row["scenario"])) for name in shown))
        for row in _rows(report.stress_tests)
    )
    return _table(report, "stress", "What if", columns, rows, note, measures, sources)


def _clusters(report: PortfolioReport) -> TextTable:
    rows = tuple(
        (
            str(row["name"]),
            str(row["members"]).replace(",", ", ").replace(",  ", ", "),
            ratio(row["mean_correlation"]),
            percent(row["share_of_gross"]),
        )
        for row in _rows(report.clusters)
    )
    columns = ("Cluster", "Members", "Mean correlation", "Share of gross")
    if rows:
        note = "Holdings that move together: linked by correlations of 0.7 or more."
    elif report.correlations.get("mean_correlation") is not None:
        note = "No holdings move together: no correlation reaches 0.7."
    else:
        note = "Not known: it takes two holdings of some size with enough returns." if report.holdings else NOTHING_HELD
    shown = ("mean_correlation", "share_of_gross")
    sources = tuple(
        (None, None, *(Source("correlations_by_cluster", name, cluster=int(str(row["cluster"]))) for name in shown))
        for row in _rows(report.clusters)
    )
    title = "Correlation clusters"
    return TextTable("clusters", title, columns, ("Cluster", "Members"), rows, note, sources=sources)


def _table(
    report: PortfolioReport,
    key: str,
    title: str,
    columns: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
    note: str,
    measures: tuple[float | None, ...],
    sources: tuple[tuple[Source | None, ...], ...],
) -> TextTable:
    nothing = NOTHING_KNOWN if report.holdings else NOTHING_HELD
    words = note if rows else nothing
    return TextTable(key, title, columns, columns[:1], rows, words, measures=measures, sources=sources)


def _rows(rows: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return list(rows)
