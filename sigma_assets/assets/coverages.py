"""Coverage assets: which of a portfolio's symbols have prices, factors and metrics, and which do not.

They stand between the universe-wide assets and the portfolio's: Dagster cannot put assets of two partition schemes into
one run. What is missing for the portfolio is loaded or computed here, by the universe's own functions into its tables.
"""

import dagster as dg
import pandas as pd

from sigma_assets.analytics.series.coverage import coverage, needed_symbols
from sigma_assets.assets.declarations import PRICE_POOL, Results, declared, replaced
from sigma_assets.assets.market import loaded_prices, market_prices
from sigma_assets.assets.progress import Progress
from sigma_assets.assets.symbol_rows import due_symbols, write_symbol_rows
from sigma_assets.assets.symbols import symbol_factors, symbol_metrics
from sigma_assets.assets.tables import Tables
from sigma_assets.base.conventions import PORTFOLIO_SESSION
from sigma_assets.base.errors import CalendarError
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.fold.phases import BY_ASSET
from sigma_assets.runs.partitions import Scope, portfolio_sessions_def
from sigma_assets.runs.tags import PRICES_SEEN

on_its_session = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="date")


@dg.asset(
    partitions_def=portfolio_sessions_def,
    deps=[dg.AssetDep(market_prices, partition_mapping=on_its_session)],
    group_name="portfolios",
    **declared("price_coverage"),
    pool=PRICE_POOL,
)
def price_coverage(
    context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables], price_source: dg.ResourceParam[PriceSource]
) -> Results:
    """How many of a portfolio's symbols (and the factor ETFs) have a price on each session, an older one, or none yet.
    Loads what is missing, look-back included, for these symbols only."""
    scope = tables.scope(context)
    _refuse_before_inception(tables, scope)
    holdings = tables.holdings_revisions(scope)
    loaded, progress = loaded_prices(context, tables, price_source, scope)
    revision = tables.prices_revision()
    rows = coverage_rows(tables, "market_prices", scope).assign(prices_revision=revision)
    rows = _vouched(context.run, tables, scope, rows.merge(holdings, on=PORTFOLIO_SESSION, how="left"))
    yield from replaced(context, tables, scope, [rows], progress, **loaded.metadata())


@dg.asset(
    partitions_def=portfolio_sessions_def,
    deps=[price_coverage, dg.AssetDep(symbol_factors, partition_mapping=on_its_session)],
    group_name="portfolios",
    **declared("factor_coverage"),
)
def factor_coverage(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """How many of a portfolio's symbols (and the factor ETFs) have factor betas on each session. Computes what is
    missing or older than its prices, for these symbols only."""
    yield from _covered(context, tables, "symbol_factors")


@dg.asset(
    partitions_def=portfolio_sessions_def,
    deps=[price_coverage, dg.AssetDep(symbol_metrics, partition_mapping=on_its_session)],
    group_name="portfolios",
    **declared("metric_coverage"),
)
def metric_coverage(context: dg.AssetExecutionContext, tables: dg.ResourceParam[Tables]) -> Results:
    """How many of a portfolio's symbols (and the factor ETFs) have metrics on each session. Computes what is missing
    or older than its prices, for these symbols only."""
    yield from _covered(context, tables, "symbol_metrics")


def _covered(context: dg.AssetExecutionContext, tables: Tables, table: str) -> Results:
    """Compute the rows of a table that a portfolio's symbols lack; replace the coverage by it."""
    scope = tables.scope(context)
    symbols = tables.symbols(scope)
    due = due_symbols(tables, table, symbols, scope)
    progress = Progress(context, "symbols", len(symbols))
    progress.advance(len(symbols) - len(due))
    written = write_symbol_rows(tables, table, due, scope, progress.advance) if due else {}
    rows = coverage_rows(tables, table, scope).assign(prices_revision=tables.prices_revision())
    yield from replaced(
        context, tables, scope, [rows], progress, symbols_computed=len(due), rows_computed=sum(written.values())
    )


def _vouched(run: dg.DagsterRun, tables: Tables, scope: Scope, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose revisions say of all assets of a portfolio's session what they were computed from.

    Prices and holdings may have changed after a run was planned, or after one that failed. What a run leaves out, because
    it was not missing, or because the corrected prices that were looked at do not touch it, was computed before that: of
    prices it is vouched for up to those that were looked at, of holdings as it was. So the next look sees the rest.
    """
    if run.asset_selection is None or {dg.AssetKey(asset) for asset in BY_ASSET} <= set(run.asset_selection):
        return rows
    revisions = ["prices_revision", "holdings_revision"]
    before = tables.rows("price_coverage", scope, columns=[*PORTFOLIO_SESSION, *revisions])
    both = rows[PORTFOLIO_SESSION].merge(before, on=PORTFOLIO_SESSION, how="left")
    known = both["prices_revision"].notna().to_numpy()
    seen = both["prices_revision"].clip(lower=int(run.tags.get(PRICES_SEEN, -1))).clip(upper=rows["prices_revision"])
    kept = {"prices_revision": seen, "holdings_revision": both["holdings_revision"]}
    return rows.assign(**{name: kept[name].where(known, rows[name]).astype("int64") for name in revisions})


def _refuse_before_inception(tables: Tables, scope: Scope) -> None:
    """Raise CalendarError if no portfolio of the scope has a session in it: a run without a row is no success."""
    portfolios, _, _ = tables.holdings(scope)
    if len(portfolios) and (portfolios["inception"].dt.date > scope.last).all():
        begins = ", ".join(f"{row.name} on {row.inception:%Y-%m-%d}" for row in portfolios.itertuples(index=False))
        raise CalendarError(
            f"sessions {scope.first} to {scope.last}: nothing to compute, since every portfolio asked for begins later"
            f" ({begins}); choose sessions from then on"
        )


def coverage_rows(tables: Tables, table: str, scope: Scope) -> pd.DataFrame:
    """Return how many of the symbols that each portfolio needs have a row in a table."""
    portfolios, lots, _ = tables.holdings(scope)
    needed = needed_symbols(portfolios, lots)
    symbols = tables.symbols(scope)
    available = tables.rows(table, scope, symbols, columns=["session", "symbol"])
    # a symbol with fewer prices cannot have a row: what it lacks is missing, not stale
    prices_needed = tables.settings.factor_model.min_observations + 1 if table == "symbol_factors" else 1
    since = tables.first_sessions(symbols, scope.last, prices_needed=prices_needed)
    return coverage(needed, available, since, scope.sessions, tables.factor_etfs)
