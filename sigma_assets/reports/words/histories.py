"""The tables of a report about time: sessions, months, volatility, factor exposures, and who computed the session."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from sigma_assets.base.conventions import EXPOSURE_FACTORS
from sigma_assets.reports.forms import UNKNOWN, factor_name, percent, ratio, usd, word
from sigma_assets.reports.histories import month_ends
from sigma_assets.reports.portfolio import Month, PortfolioReport
from sigma_assets.reports.words.table import (
    Column,
    Source,
    TextTable,
    Which,
    nothing,
    stored,
    text_table,
    too_few_to_correlate,
)

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_ROWS = 260
"""Sessions that a table lists one by one; before them it lists the last session of each month."""
STRONG_MONTH = 0.08
"""Return of a month from which its tint is full."""
AGO = {"1 month ago": 30, "1 year ago": 365}


def equity(report: PortfolioReport, read: Sequence[tuple[str, ...]]) -> TextTable:
    """Return equity and drawdown by session, newest first.

    Parameters
    ----------
    read : what `readings` returns.
    """
    listed = {str(session) for session in _listed([point.session for point in report.series])}
    rows = tuple(row for row in read[::-1] if row[0] in listed)
    columns = ("Session", "Equity, USD", f"{report.benchmark}, USD", "Drawdown", f"{report.benchmark} drawdown")
    note = "" if len(rows) == len(report.series) else f"The last {MOST_ROWS} sessions, before them ends of months."
    return TextTable("equity", "Equity and drawdown by session", columns, (), rows, note)


def readings(report: PortfolioReport) -> list[tuple[str, ...]]:
    """Return what the chart of equity reads at each session: session, equity, benchmark, both drawdowns."""
    return [
        (
            str(point.session),
            usd(point.equity),
            usd(point.benchmark_equity),
            percent(point.drawdown),
            percent(point.benchmark_drawdown),
        )
        for point in report.series
    ]


def months(report: PortfolioReport) -> TextTable:
    """Return the return of each month, a row per year, newest first."""
    groups = groupby(report.months, key=lambda each: each.session.year)
    years = [{each.session.month: each for each in group} for _, group in groups][::-1]
    columns = (
        Column("Year", lambda year: str(_last(year).session.year)),
        *(_month(name, number) for number, name in enumerate(MONTHS, start=1)),
        Column(
            "Total",
            lambda year: _hundredth(_last(year).return_ytd),
            lambda year: Source("performance", "return_ytd", Which(_last(year).session)),
        ),
    )
    note = "Time-weighted, of the days there are: the first and the last month may be shorter."
    tints = tuple((None, *(_tint(year.get(month)) for month in range(1, 13)), None) for year in years)
    return text_table(
        "months",
        "Monthly returns, %",
        columns,
        years,
        note if years else nothing(report),
        words=0,
        is_wide=True,
        tints=tints,
    )


def _month(name: str, number: int) -> Column:
    """Return the returns of one month of each year."""

    def source(year: Mapping[int, Month]) -> Source | None:
        return Source("performance", "return_mtd", Which(year[number].session)) if number in year else None

    return Column(name, lambda year: _hundredth(year[number].return_mtd if number in year else None), source)


def _last(year: Mapping[int, Month]) -> Month:
    return year[max(year)]


def volatility(report: PortfolioReport) -> TextTable:
    """Return realised and expected volatility, newest first."""
    columns = ("Session", "Realised, 21", "Realised, 63", "Expected, 21")
    return TextTable("volatility", "Volatility by session", columns, (), tuple(volatility_readings(report)[::-1]))


def volatility_readings(report: PortfolioReport) -> list[tuple[str, ...]]:
    """Return what the chart of volatility reads at each session."""
    names = ("realized_21d", "realized_63d", "expected_21d")
    history: Sequence[dict[str, Any]] = report.volatility_history
    return [(str(row["session"]), *(percent(row[name]) for name in names)) for row in history]


def exposures(report: PortfolioReport) -> TextTable:
    """Return the exposures to factors, now and before."""
    number = partial(stored, "factor_exposures", factor="factor")
    columns = (
        Column("Factor", lambda row: factor_name(row["factor"])),
        number("Exposure", ratio, "exposure"),
        *(_exposure_before(report, name, days) for name, days in AGO.items()),
        number("USD", usd, "exposure_usd"),
        number("Coverage", percent, "coverage"),
    )
    rows = [vars(each) for each in report.factor_exposures]
    history: Sequence[dict[str, Any]] = report.exposure_history if len(report.exposure_history) > 1 else ()
    note = "Exposure: weight x beta, summed. Coverage: share of market value with a beta."
    return text_table(
        "exposures",
        "Factor exposures",
        columns,
        rows,
        note if rows else nothing(report),
        spare=tuple(AGO),
        lines=tuple(tuple(day[f"{row['factor']}_exposure"] for day in history) for row in rows if history),
    )


def _exposure_before(report: PortfolioReport, name: str, days: int) -> Column:
    """Return the exposures of some time ago."""
    history: Sequence[dict[str, Any]] = report.exposure_history
    known = [row for row in history if report.session and row["session"] <= report.session - timedelta(days=days)]
    before = known[-1] if known else {}

    def source(row: Mapping[str, Any]) -> Source | None:
        return (
            Source("factor_exposures", "exposure", Which(before["session"], factor=row["factor"])) if before else None
        )

    return Column(name, lambda row: ratio(before.get(f"{row['factor']}_exposure")), source)


def exposure_history(report: PortfolioReport) -> TextTable:
    """Return the exposures at the ends of months, newest first."""
    history: dict[Any, dict[str, Any]] = {row["session"]: row for row in report.exposure_history}
    rows = tuple(
        (str(day), *(ratio(history[day][f"{factor}_exposure"]) for factor in EXPOSURE_FACTORS))
        for day in reversed(month_ends(list(history)))
    )
    columns = ("Session", *(factor_name(factor) for factor in EXPOSURE_FACTORS))
    return TextTable("exposure-history", "Factor exposures by month", columns, (), rows)


def correlations(report: PortfolioReport) -> TextTable:
    """Return the correlation matrix, those that move together side by side."""
    found = report.heat_map
    if found is None:
        return TextTable("correlations", "Correlations", (), (), (), too_few_to_correlate(report))
    rows = tuple(
        (symbol, *(_short(value) for value in row)) for symbol, row in zip(found.symbols, found.matrix, strict=True)
    )
    tints = tuple((None, *row) for row in found.matrix)
    note = "Of 90 daily returns, in hundredths. Holdings of a cluster stand side by side."
    if found.included > len(rows):
        note += f" The {len(rows)} largest of {found.included}; all: `sigma-assets export correlations_by_pair`."
    sources = tuple(
        (None, *(Source("correlations_by_pair", "correlation", Which(symbols=(symbol, other))) if other != symbol else None
                 for other in found.symbols))
        for symbol in found.symbols
    )  # fmt: skip
    columns = ("Symbol", *found.symbols)
    return TextTable("correlations", "Correlations", columns, ("Symbol",), rows, note, tints=tints, sources=sources)


def computed(report: PortfolioReport) -> TextTable:
    """Return who computed the session."""
    rows = tuple(
        (each.asset, word(each.computed_at).replace("T", " ").replace("+00:00", ""), word(each.run_id)[:8],
         word(each.code_version))
        for each in report.computed
    )  # fmt: skip
    columns = ("Asset", "Computed at, UTC", "Run", "Method")
    note = "" if rows else "Dagster was not asked."
    if any(each.run_id is None for each in report.computed):
        note = f"{UNKNOWN}: Dagster knows of no run that computed it."
    return TextTable("computed", f"Who computed {report.session}", columns, ("Asset", "Run"), rows, note)


def _listed(sessions: Sequence[date]) -> list[date]:
    return [*month_ends(sessions[:-MOST_ROWS]), *sessions[-MOST_ROWS:]]


def _hundredth(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:+.1f}"


def _short(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{0.0 if abs(value) < 0.005 else 100 * value:.0f}"


def _tint(month: Month | None) -> float | None:
    known = None if month is None else month.return_mtd
    return None if known is None else max(-1.0, min(1.0, known / STRONG_MONTH))
