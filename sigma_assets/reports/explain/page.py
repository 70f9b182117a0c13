"""An explanation as a page, and the link that leads to it from a number of the report."""

from datetime import date
from urllib.parse import quote, urlencode

from sigma_assets.reports.explain.explanation import Explanation
from sigma_assets.reports.rendering import environment
from sigma_assets.reports.words.table import Source


def explain_link(portfolio_id: str, source: Source, session: date) -> str:
    """Return the address of the page that explains a number of a session, on the status server.

    Examples
    --------
    >>> explain_link("P1", Source("betas", "market_beta"), date(2026, 1, 8))
    '/portfolio/P1/explain/betas/market_beta?session=2026-01-08'
    >>> from sigma_assets.reports.words.table import Which
    >>> pair = Source("correlations_by_pair", "correlation", Which(symbols=("AAPL", "MSFT")))
    >>> explain_link("P1", pair, date(2026, 1, 8))
    '/portfolio/P1/explain/correlations_by_pair/correlation?session=2026-01-08&symbol=AAPL&symbol=MSFT'
    """
    which = source.which
    asked = {
        "session": which.session or session, "symbol": which.symbols, "factor": which.factor, "scenario": which.scenario,
        "lot": which.lot, "cluster": which.cluster, "scheme": which.scheme, "class": which.class_name,
    }  # fmt: skip
    query = urlencode({name: value for name, value in asked.items() if value}, doseq=True)
    return f"/portfolio/{quote(portfolio_id)}/explain/{quote(source.table)}/{quote(source.column)}?{query}"


def explanation_page(found: Explanation) -> str:
    """Return the page of an explanation, as the status server serves it: no script, no style of its own."""
    facts = [("Meaning", found.meaning), ("Formula", found.formula), ("Filled in", found.filled)]
    if found.source:
        facts.append(("Source", found.source))
    stored = f"{found.asset} {found.written.code_version}" if found.written else "Dagster knows of no run that wrote it"
    facts.append(("Version of the method", f"{stored}; this code is {found.code_version}"))
    value = repr(found.value) if found.value is not None else f"unknown ({found.unknown})"
    return environment().get_template("explain.html").render(found=found, facts=facts, value=value)
