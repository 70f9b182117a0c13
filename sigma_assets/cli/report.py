"""A report on one portfolio: tables of the newest session of every asset."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from sigma_assets.base.conventions import EXPOSURE_FACTORS
from sigma_assets.base.errors import StorageError
from sigma_assets.cli.terminal.printing import console, table
from sigma_assets.settings import settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.rows import Rows, read_rows
from sigma_assets.storage.schema import metadata


def report(database: Database, portfolio_id: str) -> None:
    """Print the newest session of a portfolio.

    Raises
    ------
    StorageError
        The portfolio has no snapshot yet.
    """
    calendar = settings().calendar
    everything = Rows(calendar.sessions[0].item(), calendar.sessions[-1].item(), (portfolio_id,), None)
    snapshots = read_rows(database, metadata.tables["portfolio_snapshots"], everything)
    if not len(snapshots):
        raise StorageError(f"portfolio {portfolio_id} has no snapshot yet; run `sigma-assets run`")
    last = snapshots["session"].max().date()
    today = Rows(last, last, (portfolio_id,), None)
    newest = {
        name: read_rows(database, metadata.tables[name], today).to_dict("records")
        for name in (
            "betas_by_portfolio", "factor_exposures_by_portfolio", "volatility_by_portfolio",
            "correlations_by_portfolio", "correlations_by_pair", "correlations_by_cluster", "risk_by_portfolio",
            "risk_by_position", "stress_tests_by_portfolio", "performance",
        )
    }  # fmt: skip
    name = portfolios(database, [portfolio_id], include_removed=True)["name"].iloc[0]
    snapshot = snapshots.iloc[-1].to_dict()
    sources = set(read_rows(database, metadata.tables["market_prices"], Rows(last, last), ["source"])["source"])
    console.rule(f"{name}: {len(snapshots)} sessions to {last}, {', '.join(sorted(sources))} prices", align="left")
    betas, volatility = _only(newest["betas_by_portfolio"]), _only(newest["volatility_by_portfolio"])
    correlations = _only(newest["correlations_by_portfolio"])
    facts = Table.grid(padding=(0, 4))
    facts.add_row(
        _facts("Equity and P&L, USD", snapshot, _EQUITY),
        _facts("Exposure, USD", snapshot, _EXPOSURE),
        _facts("Risk", betas | volatility | correlations, _RISK),
    )
    console.print(facts)
    more, performance = Table.grid(padding=(0, 4)), _only(newest["performance"])
    more.add_row(
        _facts("Performance", performance, _PERFORMANCE),
        _facts(f"Against {performance.get('benchmark', 'the benchmark')}", performance, _AGAINST),
        _facts("A bad day", _only(newest["risk_by_portfolio"]), _BAD_DAY),
    )
    console.print(more)
    _print("Where risk comes from", _contributions(newest["risk_by_position"]))
    scenarios = sorted(newest["stress_tests_by_portfolio"], key=lambda row: row["number"])
    _print("What if", [_scenario(row) for row in scenarios])
    _print("Factor exposures", _factors(newest["factor_exposures_by_portfolio"]))
    strongest = sorted(newest["correlations_by_pair"], key=lambda row: -abs(row["correlation"]))[:5]
    _print("Strongest correlations", [_pick(row, "symbol", "other_symbol", "correlation") for row in strongest])
    clusters = [
        _pick(row, "name", "members", "mean_correlation", "share_of_gross") for row in newest["correlations_by_cluster"]
    ]
    _print("Clusters", clusters)


_EQUITY = {
    "equity": "{:,.0f}",
    "daily_pnl": "{:+,.0f}",
    "cumulative_pnl": "{:+,.0f}",
    "time_weighted_return": "{:+.1%}",
    "max_drawdown": "{:.1%}",
    "cash": "{:,.0f}",
}
_EXPOSURE = {
    "long_value": "{:,.0f}",
    "short_value": "{:,.0f}",
    "gross_exposure": "{:,.0f}",
    "net_exposure": "{:,.0f}",
    "leverage": "{:.2f}",
    "positions": "{:d}",
    "top_3_weight": "{:.0%}",
}
_RISK = {
    "market_beta": "{:.2f}",
    "rates_beta": "{:.2f}",
    "realized_21d": "{:.1%}",
    "realized_63d": "{:.1%}",
    "expected_21d": "{:.1%}",
    "trend": "{}",
    "mean_correlation": "{:.2f}",
    "effective_bets": "{:.1f}",
}


_PERFORMANCE = {
    "return_mtd": "{:+.1%}",
    "return_ytd": "{:+.1%}",
    "annualized_return": "{:+.1%}",
    "money_weighted_return": "{:+.1%}",
    "sharpe_1y": "{:.2f}",
    "drawdown": "{:.1%}",
}
_AGAINST = {
    "active_return": "{:+.1%}",
    "tracking_error": "{:.1%}",
    "information_ratio": "{:.2f}",
    "beta": "{:.2f}",
    "alpha": "{:+.1%}",
    "down_capture": "{:.0%}",
}
_BAD_DAY = {
    "var_95_usd": "{:,.0f}",
    "var_99_usd": "{:,.0f}",
    "es_975_usd": "{:,.0f}",
    "exceptions": "{:.0f}",
    "zone": "{}",
    "specific_share": "{:.0%}",
}


def _only(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the one row of a portfolio's newest session; nothing where it has none."""
    return rows[0] if rows else {}


def _facts(title: str, values: dict[str, Any], formats: dict[str, str]) -> Table:
    shown = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 1))
    shown.add_column()
    shown.add_column(justify="right")
    for name, form in formats.items():
        value = values.get(name)
        shown.add_row(name, form.format(value) if value is not None and value == value else "-")
    return shown


def _factors(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "factor": factor,
            "exposure": row[f"{factor}_exposure"],
            "USD": row[f"{factor}_exposure_usd"],
            "coverage": row[f"{factor}_coverage"],
        }
        for row in rows
        for factor in EXPOSURE_FACTORS
    ]


def _contributions(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the five symbols that add most to volatility."""
    known = [row for row in rows if row["volatility_contribution"] == row["volatility_contribution"]]
    largest = sorted(known, key=lambda row: -row["volatility_contribution"])[:5]
    return [_pick(row, "symbol", "weight", "volatility_contribution", "share", "es_contribution") for row in largest]


def _scenario(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "scenario": row["scenario"],
        "USD": row["pnl_usd"],
        "of equity": row["pnl_share"],
        "direct_share": row["direct_share"],
        "coverage": row["coverage"],
    }


def _pick(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {column: row[column] for column in columns}


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    console.print(table(rows, title) if rows else f"[bold]{title}[/bold]: nothing to show")
