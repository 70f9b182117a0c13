"""The tables of a report about one session: holdings, where risk comes from, exposures, scenarios, clusters."""

from functools import partial
from operator import attrgetter, itemgetter
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
from sigma_assets.reports.words.table import (
    NOTHING_HELD,
    Column,
    Form,
    Source,
    TextTable,
    Which,
    nothing,
    stored,
    text_table,
    too_few_to_correlate,
)


def tables(report: PortfolioReport) -> list[TextTable]:
    """Return the tables of a report, in the order in which a terminal shows them."""
    return [
        returns(report), months(report), _holdings(report), _allocation(report), _contributions(report),
        _factors(report), exposures(report), _stress(report), _clusters(report),
    ]  # fmt: skip


def _holdings(report: PortfolioReport) -> TextTable:
    columns = (
        Column("Symbol", lambda holding: holding.symbol),
        _of_lots("Quantity", quantity, "quantity"),
        _of_lots("Price", lambda price: UNKNOWN if price is None else f"{price:,.2f}", "price"),
        Column("Priced on", _priced_on),
        _of_lots("Value", usd, "value", "market_value"),
        _of_lots("Weight", percent, "weight"),
        _of_lots("Day's P&L", signed_usd, "daily_pnl"),
        _of_lots("P&L", signed_usd, "unrealized_pnl"),
        _of_lots("Market beta", ratio, "market_beta", table="betas_by_position"),
        _of_risk("Share of risk", percent, "risk_share", "share"),
    )
    notes = [NOTHING_HELD if not report.holdings else "Prices, values and P&L in USD; weight of equity."]
    if any(each.price_session is None for each in report.holdings):
        notes.append("Entry: no price was ever seen, so the entry price stands in.")
    if any(each.is_stale and each.price_session for each in report.holdings):
        notes.append("Old: carried on from an earlier session.")
    if any(each.is_modelled for each in report.holdings):
        notes.append("Model: a Black-Scholes value, for want of a quote.")
    return text_table(
        "holdings",
        "Holdings",
        columns,
        report.holdings,
        " ".join(notes),
        spare=("Weight", "Day's P&L"),
        only_on_page=("Market beta", "Share of risk"),
        is_sortable=True,
    )


def _of_lots(name: str, form: Form, field: str, column: str = "", table: str = "position_values") -> Column:
    """Return a number of holdings: that of a holding's only lot, or of all its lots."""

    def source(holding: Holding) -> Source:
        which = Which(lot=holding.lot_id) if holding.lot_id else Which(symbols=(holding.symbol,))
        return Source(table, column or field, which)

    return Column(name, lambda holding: form(getattr(holding, field)), source)


def _of_risk(name: str, form: Form, field: str, column: str) -> Column:
    """Return a number of the risk of holdings; of one that shares it with an option, its part of that."""

    def source(holding: Holding) -> Source:
        table = "risk_by_position" if holding.has_own_risk else "holdings"
        return Source(table, column, Which(symbols=(holding.symbol,)))

    return Column(name, lambda holding: form(getattr(holding, field)), source)


def _priced_on(holding: Holding) -> str:
    if holding.price_session is None:
        return "entry"
    marks = [mark for mark, is_so in (("old", holding.is_stale), ("model", holding.is_modelled)) if is_so]
    return " ".join([str(holding.price_session), *marks])


def _allocation(report: PortfolioReport) -> TextTable:
    number = partial(stored, "allocation", scheme="scheme", class_name="class")
    columns = (
        Column("Class", lambda row: row["class"]),
        Column("Scheme", lambda row: row["scheme"]),
        number("Long", usd, "long_value"),
        number("Short", usd, "short_value"),
        number("Net", usd, "net_exposure"),
        number("Cash equivalents", usd, "cash_equivalents"),
        number("Share of gross", percent, "share_of_gross"),
    )
    rows = report.allocation
    note = (
        NOTHING_HELD
        if not rows
        else "USD; share of gross exposure, to which cash and money-market funds do not belong."
    )
    if rows and all(row["scheme"] == KIND_SCHEME for row in rows):
        note += " No holding has a class yet: `sigma-assets classify FILE.csv` reads sectors, countries or any other scheme."
    return text_table("allocation", "Allocation", columns, rows, note, words=2, measured=itemgetter("share_of_gross"))


def _contributions(report: PortfolioReport) -> TextTable:
    columns = (
        Column("Symbol", lambda holding: holding.symbol),
        _of_lots("Weight", percent, "weight"),
        _of_lots("Beta", ratio, "market_beta", table="betas_by_position"),
        _of_risk("Volatility", percent, "volatility_contribution", "volatility_contribution"),
        _of_risk("Share", percent, "risk_share", "share"),
        _of_risk("Shortfall", fine_percent, "es_contribution", "es_contribution"),
    )
    holdings = sorted(report.holdings, key=lambda each: -abs(each.volatility_contribution or 0.0))
    note = "Market beta; contributions to realised volatility (63 sessions, per year) and to the shortfall (95 %) of a day."
    note = note if holdings else nothing(report)
    title = "Where risk comes from, by holding"
    return text_table("contributions", title, columns, holdings, note, measured=attrgetter("volatility_contribution"))


def _factors(report: PortfolioReport) -> TextTable:
    number = partial(stored, "risk_by_factor", factor="factor")
    columns = (
        Column("Factor", lambda row: factor_name(row["factor"])),
        number("Beta", ratio, "beta"),
        number("Std error", ratio, "std_error"),
        number("Variance", percent, "variance_share"),
    )
    specific: Any = report.risk.get("specific_share")
    known = {row["factor"] for row in report.risk_by_factor}
    left_out = [factor_name(factor) for factor in RISK_FACTORS if factor not in known]
    note = (
        f"One joint regression on {'these' if left_out else 'all'} factors; a negative share hedges."
        f" {percent(specific)} of the variance is explained by no factor."
    )
    if left_out:
        note += f" Left out, for want of returns or of movement: {', '.join(left_out)}."
    rows, title = report.risk_by_factor, "Where risk comes from, by factor"
    return text_table(
        "factors", title, columns, rows, note if rows else nothing(report), measured=itemgetter("variance_share")
    )


def _stress(report: PortfolioReport) -> TextTable:
    number = partial(stored, "stress_tests", scenario="scenario")
    columns = (
        Column("Scenario", lambda row: row["scenario"]),
        number("P&L, USD", signed_usd, "pnl_usd"),
        number("Of equity", signed_percent, "pnl_share"),
        number("Coverage", percent, "coverage"),
    )
    rows = report.stress_tests
    note = "Coverage: share of market value whose P&L is known." if rows else nothing(report)
    return text_table("stress", "What if", columns, rows, note, measured=itemgetter("pnl_usd"))


def _clusters(report: PortfolioReport) -> TextTable:
    number = partial(stored, "correlations_by_cluster", cluster="cluster")
    columns = (
        Column("Cluster", lambda row: row["name"]),
        Column("Members", lambda row: row["members"].replace(",", ", ")),
        number("Mean correlation", ratio, "mean_correlation"),
        number("Share of gross", percent, "share_of_gross"),
    )
    if report.clusters:
        note = "Holdings that move together: linked by correlations of 0.7 or more."
    elif report.correlations.get("mean_correlation") is not None:
        note = "No holdings move together: no correlation reaches 0.7."
    else:
        note = too_few_to_correlate(report)
    return text_table("clusters", "Correlation clusters", columns, report.clusters, note, words=2)
