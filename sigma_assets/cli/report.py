"""What a portfolio's owner wants to see, as tables: the newest session of every asset."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sigma_assets.cli.printing import console, table
from sigma_assets.conventions import EXPOSURE_FACTORS
from sigma_assets.errors import StorageError
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
            "correlations_by_portfolio", "correlations_by_pair", "correlations_by_cluster",
        )
    }  # fmt: skip
    name = portfolios(database, [portfolio_id])["name"].iloc[0]
    console.rule(f"{name}: {len(snapshots)} sessions to {last}")
    _print("equity and P&L, USD", [_equity(snapshots.iloc[-1])])
    _print("exposure", [_exposure(snapshots.iloc[-1])])
    _print(
        "betas",
        [
            _pick(row, "market_beta", "market_coverage", "rates_beta", "rates_coverage")
            for row in newest["betas_by_portfolio"]
        ],
    )
    _print("factor exposures", _factors(newest["factor_exposures_by_portfolio"]))
    _print(
        "volatility per year",
        [
            _pick(row, "realized_21d", "realized_63d", "expected_21d", "trend", "percentile")
            for row in newest["volatility_by_portfolio"]
        ],
    )
    strongest = sorted(newest["correlations_by_pair"], key=lambda row: -abs(row["correlation"]))[:5]
    _print("strongest correlations", [_pick(row, "symbol", "other_symbol", "correlation") for row in strongest])
    _print(
        "correlation summary",
        [
            _pick(row, "mean_correlation", "effective_bets", "symbols_included", "concentration")
            for row in newest["correlations_by_portfolio"]
        ],
    )
    _print(
        "clusters",
        [
            _pick(row, "name", "members", "mean_correlation", "share_of_gross")
            for row in newest["correlations_by_cluster"]
        ],
    )


def _equity(snapshot: pd.Series) -> dict[str, Any]:
    columns = ("equity", "daily_pnl", "cumulative_pnl", "time_weighted_return", "max_drawdown", "cash")
    return _pick(snapshot.to_dict(), *columns)


def _exposure(snapshot: pd.Series) -> dict[str, Any]:
    columns = ("long_value", "short_value", "gross_exposure", "net_exposure", "leverage", "positions", "top_3_weight")
    return _pick(snapshot.to_dict(), *columns)


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


def _pick(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {column: row[column] for column in columns}


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    console.print(table(rows, title) if rows else f"[bold]{title}[/bold]: nothing to show")
