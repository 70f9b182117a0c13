"""The report in words: its figures and tables, in the order and form in which terminal and page show them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigma_assets.reports.forms import (
    UNKNOWN,
    count,
    factor_name,
    fine_percent,
    percent,
    quantity,
    ratio,
    signed_percent,
    signed_usd,
    usd,
    word,
)
from sigma_assets.reports.portfolio import Holding, PortfolioReport

NOTHING_HELD = "Nothing is held on this session."
Form = Callable[[Any], str]


@dataclass(frozen=True)
class Figures:
    """Some figures with a title: (label, text) each."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes
    ----------
    key : what the page calls it.
    texts : names of the columns that hold words; the others hold numbers or days.
    note : what a reader must know of it, or why it is empty.
    spare : columns that a narrow terminal leaves out.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    spare: tuple[str, ...] = ()


def figures(report: PortfolioReport) -> list[Figures]:
    """Return the figures of a report, most wanted first."""
    benchmark = report.performance.get("benchmark") or "the benchmark"
    day = {"daily_return": report.snapshot.get("daily_return"), **report.performance}
    risk = report.betas | report.volatility | report.correlations
    return [
        _figures("Equity and P&L, USD", report.snapshot, _EQUITY),
        _figures("Return", day, _RETURN),
        _figures(f"Against {benchmark}, 1 year", report.performance, _AGAINST),
        _figures("Exposure, USD", report.snapshot, _EXPOSURE),
        _figures("Volatility and betas", risk, _VOLATILITY),
        _figures("A bad day", report.risk, _BAD_DAY),
    ]


def tables(report: PortfolioReport) -> list[TextTable]:
    """Return the tables of a report."""
    return [_holdings(report), _contributions(report), _factors(report), _exposures(report), _stress(report),
            _clusters(report)]  # fmt: skip


def equity_table(report: PortfolioReport) -> TextTable:
    """Return equity and drawdown by session, newest first."""
    rows = tuple((str(point.session), usd(point.equity), percent(point.drawdown)) for point in reversed(report.series))
    return TextTable("equity", "Equity and drawdown by session", ("Session", "Equity, USD", "Drawdown"), (), rows)


_EQUITY: dict[str, tuple[str, Form]] = {
    "equity": ("Equity", usd),
    "daily_pnl": ("Day's P&L", signed_usd),
    "cumulative_pnl": ("P&L since inception", signed_usd),
    "cumulative_capital_flow": ("Flows since inception", signed_usd),
    "cash": ("Cash", usd),
}
_RETURN: dict[str, tuple[str, Form]] = {
    "daily_return": ("Day", signed_percent),
    "return_mtd": ("Month to date", signed_percent),
    "return_ytd": ("Year to date", signed_percent),
    "return_1y": ("1 year", signed_percent),
    "return_since_inception": ("Since inception", signed_percent),
    "money_weighted_return": ("Money-weighted, p.a.", signed_percent),
    "drawdown": ("Below its peak", percent),
    "sharpe_1y": ("Sharpe, 1 year", ratio),
}
_AGAINST: dict[str, tuple[str, Form]] = {
    "active_return": ("Active return", signed_percent),
    "tracking_error": ("Tracking error", percent),
    "information_ratio": ("Information ratio", ratio),
    "beta": ("Beta", ratio),
    "alpha": ("Alpha, p.a.", signed_percent),
    "correlation": ("Correlation", ratio),
    "up_capture": ("Up capture", percent),
    "down_capture": ("Down capture", percent),
}
_EXPOSURE: dict[str, tuple[str, Form]] = {
    "long_value": ("Long", usd),
    "short_value": ("Short", usd),
    "gross_exposure": ("Gross", usd),
    "net_exposure": ("Net", usd),
    "leverage": ("Leverage", ratio),
    "positions": ("Open lots", count),
    "top_3_weight": ("Largest 3 symbols", percent),
}
_VOLATILITY: dict[str, tuple[str, Form]] = {
    "realized_21d": ("Realised, 21 sessions", percent),
    "realized_63d": ("Realised, 63 sessions", percent),
    "expected_21d": ("Expected, 21 sessions", percent),
    "trend": ("Trend", word),
    "market_beta": ("Market beta", ratio),
    "rates_beta": ("Rates beta", ratio),
    "mean_correlation": ("Mean correlation", ratio),
    "effective_bets": ("Effective bets", ratio),
}
_BAD_DAY: dict[str, tuple[str, Form]] = {
    "var_95_usd": ("VaR 95 %, USD", usd),
    "var_99_usd": ("VaR 99 %, USD", usd),
    "es_95_usd": ("Shortfall 95 %, USD", usd),
    "es_975_usd": ("Shortfall 97.5 %, USD", usd),
    "var_99": ("VaR 99 % of equity", percent),
    "zone": ("Backtest zone", word),
    "exceptions": ("Losses beyond VaR 99 %", count),
    "backtest_sessions": ("Sessions judged", count),
}


def _figures(title: str, row: Mapping[str, Any], forms: Mapping[str, tuple[str, Form]]) -> Figures:
    return Figures(title, tuple((label, form(row.get(name))) for name, (label, form) in forms.items()))


def _holdings(report: PortfolioReport) -> TextTable:
    columns = ("Symbol", "Quantity", "Price", "Priced on", "Value", "Weight", "Day's P&L", "P&L")
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
    return TextTable("holdings", "Holdings", columns, ("Symbol",), rows, " ".join(notes), ("Weight", "Day's P&L"))


def _priced_on(holding: Holding) -> str:
    if holding.price_session is None:
        return "entry"
    marks = [mark for mark, is_so in (("old", holding.is_stale), ("model", holding.is_modelled)) if is_so]
    return " ".join([str(holding.price_session), *marks])


def _contributions(report: PortfolioReport) -> TextTable:
    columns = ("Symbol", "Weight", "Beta", "Volatility", "Share", "Shortfall")
    whole = report.risk.get("realized_63d")
    total = whole if isinstance(whole, float) else None
    holdings = sorted(report.holdings, key=lambda each: -abs(each.volatility_contribution or 0.0))
    rows = tuple(
        (
            each.symbol,
            percent(each.weight),
            ratio(each.market_beta),
            percent(each.volatility_contribution),
            percent(
                each.volatility_contribution / total if total and each.volatility_contribution is not None else None
            ),
            fine_percent(each.es_contribution),
        )
        for each in holdings
    )
    note = "Market beta; contributions to realised volatility (63 sessions, per year) and to the shortfall (95 %) of a day."
    return _table(report, "contributions", "Where risk comes from, by holding", columns, rows, note)


def _factors(report: PortfolioReport) -> TextTable:
    rows = tuple(
        (factor_name(row["factor"]), ratio(row["beta"]), ratio(row["std_error"]), percent(row["variance_share"]))
        for row in _rows(report.risk_by_factor)
    )
    specific: Any = report.risk.get("specific_share")
    note = (
        "One joint regression on all factors; a negative share hedges."
        f" No factor explains {percent(specific)} of the variance."
    )
    columns = ("Factor", "Beta", "Std error", "Variance")
    return _table(report, "factors", "Where risk comes from, by factor", columns, rows, note)


def _exposures(report: PortfolioReport) -> TextTable:
    rows = tuple(
        (factor_name(each.factor), ratio(each.exposure), usd(each.exposure_usd), percent(each.coverage))
        for each in report.factor_exposures
    )
    columns = ("Factor", "Exposure", "USD", "Coverage")
    note = "Coverage: share of market value with a beta."
    return _table(report, "exposures", "Factor exposures", columns, rows, note)


def _stress(report: PortfolioReport) -> TextTable:
    rows = tuple(
        (str(row["scenario"]), signed_usd(row["pnl_usd"]), signed_percent(row["pnl_share"]), percent(row["coverage"]))
        for row in _rows(report.stress_tests)
    )
    columns = ("Scenario", "P&L, USD", "Of equity", "Coverage")
    return _table(report, "stress", "What if", columns, rows, "Coverage: share of market value whose P&L is known.")


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
    return TextTable("clusters", "Correlation clusters", columns, ("Cluster", "Members"), rows, note)


def _table(
    report: PortfolioReport,
    key: str,
    title: str,
    columns: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
    note: str,
) -> TextTable:
    nothing = "Nothing is known; see the warnings." if report.holdings else NOTHING_HELD
    return TextTable(key, title, columns, columns[:1], rows, note if rows else nothing)


def _rows(rows: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return list(rows)
