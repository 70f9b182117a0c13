"""The report as a page: one template, for the status server and as a file of its own to mail or print."""

import base64
import hashlib
from functools import cache, partial
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from sigma_assets.reports import forms
from sigma_assets.reports.charts import report as charts
from sigma_assets.reports.explain.page import explain_link
from sigma_assets.reports.portfolio import PortfolioReport
from sigma_assets.reports.rendering import environment
from sigma_assets.reports.words import figures, histories
from sigma_assets.reports.words.table import NOTHING_HELD, Source
from sigma_assets.reports.words.tables import tables

TEMPLATES = "templates"
STYLE = "report.css"
SCRIPT = "report-page.js"
EQUITY_STYLES = ("day", "equity", "benchmark", "drawdown", "benchmark")
"""Which line of the chart each column of its table belongs to."""
MOST_WARNINGS = 6
"""Warnings that the page shows at once; the others unfold."""


def report_page(report: PortfolioReport, *, is_alone: bool) -> str:
    """Return the page of a report.

    Parameters
    ----------
    is_alone : with style and script inside and no links, to be kept as a file, whose own policy lets it ask for nothing;
        otherwise as the status server serves it.
    """
    readings = histories.readings(report)
    named = {table.key: table for table in tables(report)}
    equity_table = histories.equity(report, readings)
    parts: dict[str, Any] = {
        "tables": named,
        "bars": {key: charts.bars(table.measures) for key, table in named.items() if table.measures},
        "small_lines": charts.small_lines(named["exposures"].lines),
        "headline": figures.headline(report),
        "figures": figures.figures(report),
        "zone_words": figures.zone_words(report),
        "ranges": charts.equity_ranges(report),
        "readings": readings,
        "equity_names": zip(equity_table.columns, EQUITY_STYLES, strict=True),
        "equity_table": equity_table,
        "volatility": charts.volatility_chart(report.volatility_history),
        "volatility_readings": histories.volatility_readings(report),
        "volatility_names": [
            ("Session", "day"),
            ("Realised, 21 sessions", "realized-21"),
            ("Realised, 63 sessions", "realized-63"),
            ("Expected, next 21", "expected"),
        ],
        "volatility_table": histories.volatility(report),
        "exposure_history": histories.exposure_history(report),
        "correlations": histories.correlations(report),
        "computed": histories.computed(report),
        "nothing_held": NOTHING_HELD,
        "most_warnings": MOST_WARNINGS,
    }
    if is_alone:
        parts |= {"style": Markup(page_file(STYLE)), "script": Markup(page_file(SCRIPT)), "policy": policy()}

    parts["explained"] = partial(_explained, None if is_alone else report)
    return environment().get_template("report.html").render(report=report, is_alone=is_alone, **parts)


def _explained(report: PortfolioReport | None, source: Source | None, text: str) -> str:
    """Return the address of the page that explains a number; empty in a file, and where there is no number."""
    if report is None or source is None or report.session is None or text == forms.UNKNOWN:
        return ""
    return explain_link(report.portfolio_id, source, report.session)


@cache
def page_file(name: str) -> str:
    """Return the style sheet or the script of the page."""
    return files("sigma_assets.reports").joinpath(TEMPLATES, name).read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Return the policy of a page in a file: its own style and script, and no request of any kind."""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in map(page_file, (STYLE, SCRIPT))
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}';"
        " base-uri 'none'; form-action 'none'"
    )
