"""Add the tables of risk, stress tests, performance and classifications; reword the columns of the forecast."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COMMENTS: tuple[tuple[str, sa.types.TypeEngine, str, str], ...] = (
    (
        "expected_21d",
        sa.Double(),
        "HAR-RV forecast of the next 21 sessions' volatility, per year",
        "forecast of the next 21 sessions' volatility, per year",
    ),
    ("r_squared", sa.Double(), "R^2 of the HAR regression", "R^2 of the regression in the forecast"),
    ("observations", sa.BigInteger(), "targets in the HAR regression", "targets in the regression in the forecast"),
)


def upgrade() -> None:
    op.create_table(
        "classifications",
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument"),
        sa.Column("scheme", sa.Text(), nullable=False, comment="what is classified: sector, country, asset class, ..."),
        sa.Column("class", sa.Text(), nullable=False, comment="class of the scheme"),
        sa.Column(
            "weight",
            sa.Double(),
            nullable=False,
            comment="share of the symbol that belongs to the class; adds up to 1 by symbol and scheme",
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="when it was read, UTC"),
        sa.PrimaryKeyConstraint("symbol", "scheme", "class", name=op.f("pk_classifications")),
        comment="Classes of symbols, look-through included: several rows of a symbol and scheme",
    )
    op.create_table(
        "performance",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("benchmark", sa.Text(), nullable=False, comment="symbol that the portfolio is measured against"),
        sa.Column(
            "return_mtd", sa.Double(), nullable=True, comment="time-weighted return since the end of the previous month"
        ),
        sa.Column(
            "return_qtd",
            sa.Double(),
            nullable=True,
            comment="time-weighted return since the end of the previous quarter",
        ),
        sa.Column(
            "return_ytd", sa.Double(), nullable=True, comment="time-weighted return since the end of the previous year"
        ),
        sa.Column(
            "return_1y",
            sa.Double(),
            nullable=True,
            comment="time-weighted return since the same day 12 months earlier; null for a younger portfolio",
        ),
        sa.Column("return_since_inception", sa.Double(), nullable=True, comment="time-weighted return since inception"),
        sa.Column(
            "annualized_return",
            sa.Double(),
            nullable=True,
            comment="the same per year of 252 sessions, from one year on",
        ),
        sa.Column(
            "volatility_1y",
            sa.Double(),
            nullable=True,
            comment="standard deviation of the last 252 daily returns, per year",
        ),
        sa.Column("sharpe_1y", sa.Double(), nullable=True, comment="mean excess return / standard deviation, per year"),
        sa.Column(
            "sortino_1y",
            sa.Double(),
            nullable=True,
            comment="mean excess return / root mean square of shortfalls, per year",
        ),
        sa.Column(
            "drawdown", sa.Double(), nullable=True, comment="fall of the time-weighted index from its peak, <= 0"
        ),
        sa.Column(
            "max_drawdown_1y", sa.Double(), nullable=True, comment="deepest fall within the last 252 sessions, <= 0"
        ),
        sa.Column(
            "money_weighted_return",
            sa.Double(),
            nullable=True,
            comment="XIRR of flows and equity since inception, per year",
        ),
        sa.Column(
            "observations", sa.BigInteger(), nullable=False, comment="daily returns known in the last 252 sessions"
        ),
        sa.Column("active_return", sa.Double(), nullable=True, comment="mean difference to the benchmark x 252"),
        sa.Column(
            "tracking_error", sa.Double(), nullable=True, comment="standard deviation of the difference, per year"
        ),
        sa.Column("information_ratio", sa.Double(), nullable=True, comment="active_return / tracking_error"),
        sa.Column(
            "alpha",
            sa.Double(),
            nullable=True,
            comment="intercept of the regression on the benchmark, compounded per year",
        ),
        sa.Column("beta", sa.Double(), nullable=True, comment="slope of the regression on the benchmark"),
        sa.Column("r_squared", sa.Double(), nullable=True, comment="R^2 of the regression on the benchmark"),
        sa.Column("correlation", sa.Double(), nullable=True, comment="with the benchmark"),
        sa.Column(
            "up_capture",
            sa.Double(),
            nullable=True,
            comment="annual return on the benchmark's good sessions / the benchmark's",
        ),
        sa.Column(
            "down_capture",
            sa.Double(),
            nullable=True,
            comment="annual return on the benchmark's bad sessions / the benchmark's",
        ),
        sa.Column(
            "benchmark_observations",
            sa.BigInteger(),
            nullable=False,
            comment="sessions of the last 252 on which both have a return",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_performance")),
        comment="How each portfolio is doing, and against what",
    )
    op.create_table(
        "risk_by_factor",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("factor", sa.Text(), nullable=False, comment="market, rates or a spread"),
        sa.Column(
            "beta",
            sa.Double(),
            nullable=False,
            comment="of the portfolio's returns in one joint regression on all factors",
        ),
        sa.Column("std_error", sa.Double(), nullable=True, comment="standard error of the beta"),
        sa.Column(
            "variance_share",
            sa.Double(),
            nullable=False,
            comment="share of the portfolio's variance that comes from it; negative = it hedges",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "factor", name=op.f("pk_risk_by_factor")),
        comment="Where each portfolio's variance comes from, by factor",
    )
    op.create_table(
        "risk_by_portfolio",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "realized_63d",
            sa.Double(),
            nullable=True,
            comment="realised volatility of the last 63 returns at today's weights, per year",
        ),
        sa.Column(
            "var_95",
            sa.Double(),
            nullable=True,
            comment="loss of one day exceeded 5 % of the time, historical, share of equity",
        ),
        sa.Column(
            "var_99",
            sa.Double(),
            nullable=True,
            comment="loss of one day exceeded 1 % of the time, historical, share of equity",
        ),
        sa.Column("es_95", sa.Double(), nullable=True, comment="mean loss of the worst 5 % of days, share of equity"),
        sa.Column(
            "es_975", sa.Double(), nullable=True, comment="mean loss of the worst 2.5 % of days, share of equity"
        ),
        sa.Column("es_99", sa.Double(), nullable=True, comment="mean loss of the worst 1 % of days, share of equity"),
        sa.Column(
            "var_99_normal", sa.Double(), nullable=True, comment="var_99 if returns were normal, share of equity"
        ),
        sa.Column(
            "var_95_usd",
            sa.Double(),
            nullable=True,
            comment="loss of one day exceeded 5 % of the time, historical, USD",
        ),
        sa.Column(
            "var_99_usd",
            sa.Double(),
            nullable=True,
            comment="loss of one day exceeded 1 % of the time, historical, USD",
        ),
        sa.Column("es_95_usd", sa.Double(), nullable=True, comment="mean loss of the worst 5 % of days, USD"),
        sa.Column("es_975_usd", sa.Double(), nullable=True, comment="mean loss of the worst 2.5 % of days, USD"),
        sa.Column("es_99_usd", sa.Double(), nullable=True, comment="mean loss of the worst 1 % of days, USD"),
        sa.Column("var_99_normal_usd", sa.Double(), nullable=True, comment="var_99 if returns were normal, USD"),
        sa.Column(
            "observations",
            sa.BigInteger(),
            nullable=True,
            comment="returns in value at risk, at most 250; null = too few",
        ),
        sa.Column(
            "coverage",
            sa.Double(),
            nullable=True,
            comment="mean share of |weight| with a return over the last 63 sessions",
        ),
        sa.Column(
            "exceptions",
            sa.BigInteger(),
            nullable=False,
            comment="sessions of the last 250 that lost more than var_99 of the session before",
        ),
        sa.Column(
            "backtest_sessions",
            sa.BigInteger(),
            nullable=False,
            comment="sessions of the last 250 that could be judged so",
        ),
        sa.Column(
            "kupiec_p",
            sa.Double(),
            nullable=True,
            comment="probability of so odd a count of exceptions if var_99 is right",
        ),
        sa.Column(
            "christoffersen_p",
            sa.Double(),
            nullable=True,
            comment="probability of exceptions so clustered if independent",
        ),
        sa.Column(
            "specific_share", sa.Double(), nullable=True, comment="1 - R^2 of the joint regression on six factors"
        ),
        sa.Column("systematic_share", sa.Double(), nullable=True, comment="R^2 of the regression on the market alone"),
        sa.Column("factor_observations", sa.BigInteger(), nullable=True, comment="returns in the joint regression"),
        sa.Column(
            "zone",
            sa.Text(),
            nullable=True,
            comment="Basel's green (0 to 4 exceptions), yellow (5 to 9) or red (10 or more)",
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_risk_by_portfolio")),
        comment="How bad a day can be for each portfolio, whether that was right, and how much the factors explain",
    )
    op.create_table(
        "risk_by_position",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="symbol held, or underlying of an option held"),
        sa.Column("weight", sa.Double(), nullable=False, comment="signed delta-equivalent value / equity"),
        sa.Column(
            "volatility_contribution",
            sa.Double(),
            nullable=True,
            comment="share of realized_63d that comes from it, per year",
        ),
        sa.Column("share", sa.Double(), nullable=True, comment="volatility_contribution / realized_63d"),
        sa.Column(
            "es_contribution", sa.Double(), nullable=True, comment="share of es_95 that comes from it, share of equity"
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "symbol", name=op.f("pk_risk_by_position")),
        comment="Where each portfolio's volatility and bad days come from, by symbol held",
    )
    op.create_table(
        "stress_tests_by_portfolio",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("scenario", sa.Text(), nullable=False, comment="name of the scenario"),
        sa.Column(
            "number",
            sa.BigInteger(),
            nullable=False,
            comment="place of the scenario in its file, from 1: column of stress_tests_by_position",
        ),
        sa.Column("pnl_usd", sa.Double(), nullable=False, comment="P&L in the scenario, USD"),
        sa.Column("pnl_share", sa.Double(), nullable=True, comment="P&L / equity; null if equity is not > 0"),
        sa.Column(
            "direct_share",
            sa.Double(),
            nullable=True,
            comment="share of |market value| that moves by an own beta or own prices",
        ),
        sa.Column("coverage", sa.Double(), nullable=True, comment="share of |market value| whose P&L is known"),
        sa.Column(
            "shock", sa.Double(), nullable=True, comment="return of the factor in a shock, of the market in a replay"
        ),
        sa.Column(
            "first_session",
            sa.Date(),
            nullable=True,
            comment="session whose close a replay starts from; null for shocks",
        ),
        sa.Column(
            "last_session", sa.Date(), nullable=True, comment="session at whose close a replay ends; null for shocks"
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "scenario", name=op.f("pk_stress_tests_by_portfolio")),
        comment="What each scenario would do to each portfolio",
    )
    op.create_table(
        "stress_tests_by_position",
        sa.Column("portfolio_id", sa.Text(), nullable=False, comment="portfolio (uuid)"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("lot_id", sa.Text(), nullable=False, comment="lot"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="listed instrument; for options the contract"),
        sa.Column("scenario_01_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 1, USD"),
        sa.Column("scenario_02_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 2, USD"),
        sa.Column("scenario_03_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 3, USD"),
        sa.Column("scenario_04_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 4, USD"),
        sa.Column("scenario_05_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 5, USD"),
        sa.Column("scenario_06_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 6, USD"),
        sa.Column("scenario_07_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 7, USD"),
        sa.Column("scenario_08_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 8, USD"),
        sa.Column("scenario_09_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 9, USD"),
        sa.Column("scenario_10_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 10, USD"),
        sa.Column("scenario_11_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 11, USD"),
        sa.Column("scenario_12_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 12, USD"),
        sa.Column("scenario_13_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 13, USD"),
        sa.Column("scenario_14_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 14, USD"),
        sa.Column("scenario_15_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 15, USD"),
        sa.Column("scenario_16_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 16, USD"),
        sa.Column("scenario_17_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 17, USD"),
        sa.Column("scenario_18_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 18, USD"),
        sa.Column("scenario_19_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 19, USD"),
        sa.Column("scenario_20_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 20, USD"),
        sa.Column("scenario_21_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 21, USD"),
        sa.Column("scenario_22_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 22, USD"),
        sa.Column("scenario_23_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 23, USD"),
        sa.Column("scenario_24_pnl_usd", sa.Double(), nullable=True, comment="P&L in the scenario of number 24, USD"),
        sa.PrimaryKeyConstraint("portfolio_id", "session", "lot_id", name=op.f("pk_stress_tests_by_position")),
        comment="What each scenario would do to each open lot that can move; one wide row, tidy in exports",
    )
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        for table in ("volatility_by_portfolio", "volatility_by_symbol"):
            for column, kind, old, new in COMMENTS:
                op.alter_column(table, column, existing_type=kind, comment=new, existing_comment=old)
