"""The report as a page: one template, for the status server and as a file of its own to mail or print."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sigma_assets.reports import forms, words
from sigma_assets.reports.charts import bar_chart, equity_chart
from sigma_assets.reports.portfolio import PortfolioReport

TEMPLATES = "templates"
STYLE = "report.css"
MOST_BARS = 20


def report_page(report: PortfolioReport, *, is_alone: bool) -> str:
    """Return the page of a report.

    Parameters
    ----------
    is_alone : with its style inside and no links, to be kept as a file; otherwise as the status server serves it.
    """
    tables = {table.key: table for table in words.tables(report)}
    contributions = sorted(
        (each for each in report.holdings if each.volatility_contribution is not None),
        key=lambda each: -abs(each.volatility_contribution or 0.0),
    )
    scenarios: Sequence[dict[str, Any]] = report.stress_tests
    stress = [(str(row["scenario"]), row["pnl_usd"], forms.signed_usd(row["pnl_usd"])) for row in scenarios]
    risks = [
        (each.symbol, each.volatility_contribution, forms.percent(each.volatility_contribution))
        for each in contributions[:MOST_BARS]
    ]
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            style=Markup(style()) if is_alone else None,
            figures=words.figures(report),
            tables=tables,
            equity_table=words.equity_table(report),
            equity=equity_chart(report.series),
            stress=bar_chart(stress, "P&L by scenario, USD"),
            risks=bar_chart(risks, "Contribution to volatility by holding"),
            left_out=max(len(contributions) - MOST_BARS, 0),
        )
        .lstrip()
    )


def typeset(text: str) -> str:
    """Return a number's text with a minus as printers set it, and a dash where there is none."""
    if text == forms.UNKNOWN:
        return "–"
    return f"−{text[1:]}" if text[0] == "-" and text[1:2].isdigit() else text


@cache
def style() -> str:
    """Return the style sheet of the page."""
    return files("sigma_assets.reports").joinpath(TEMPLATES, STYLE).read_text()


@cache
def _environment() -> Environment:
    loader = PackageLoader("sigma_assets.reports", TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["typeset"] = typeset
    return made
