"""Tables of risk, stress tests and performance (SPEC 4.10 to 4.12)."""

import sqlalchemy as sa

from sigma_assets.base.conventions import MOST_SCENARIOS
from sigma_assets.storage.schema.fields import (
    count_column,
    number_column,
    portfolio_table,
    session_column,
    share_column,
    text_column,
)


def _tail_columns(unit: str, suffix: str) -> list[sa.Column]:
    return [
        *(
            number_column(
                f"var_{level}{suffix}", f"loss of one day exceeded {worse} of the time, historical, {unit}", null=True
            )
            for level, worse in (("95", "5 %"), ("99", "1 %"))
        ),
        *(
            number_column(f"es_{level}{suffix}", f"mean loss of the worst {worse} of days, {unit}", null=True)
            for level, worse in (("95", "5 %"), ("975", "2.5 %"), ("99", "1 %"))
        ),
        number_column(f"var_99_normal{suffix}", f"var_99 if returns were normal, {unit}", null=True),
    ]


risk_by_portfolio = portfolio_table(
    "risk_by_portfolio",
    number_column(
        "realized_63d", "realised volatility of the last 63 returns at today's weights, per year", null=True, low=0
    ),
    *_tail_columns("share of equity", ""),
    *_tail_columns("USD", "_usd"),
    count_column("observations", "returns in value at risk, at most 250; null = too few", null=True),
    share_column("coverage", "mean share of |weight| with a return over the last 63 sessions"),
    count_column("exceptions", "sessions of the last 250 that lost more than var_99 of the session before"),
    count_column("backtest_sessions", "sessions of the last 250 that could be judged so"),
    number_column(
        "kupiec_p", "probability of so odd a count of exceptions if var_99 is right", null=True, low=0, high=1
    ),
    number_column(
        "christoffersen_p", "probability of exceptions so clustered if independent", null=True, low=0, high=1
    ),
    share_column("specific_share", "1 - R^2 of the joint regression on six factors"),
    share_column("systematic_share", "R^2 of the regression on the market alone"),
    count_column("factor_observations", "returns in the joint regression", null=True),
    text_column("zone", "Basel's green (0 to 4 exceptions), yellow (5 to 9) or red (10 or more)", null=True),
    comment="How bad a day can be for each portfolio, whether that was right, and how much the factors explain",
)

risk_by_position = portfolio_table(
    "risk_by_position",
    text_column("symbol", "symbol held, or underlying of an option held", key=True),
    number_column("weight", "signed delta-equivalent value / equity"),
    number_column("volatility_contribution", "share of realized_63d that comes from it, per year", null=True),
    number_column("share", "volatility_contribution / realized_63d", null=True),
    number_column("es_contribution", "share of es_95 that comes from it, share of equity", null=True),
    comment="Where each portfolio's volatility and bad days come from, by symbol held",
)

risk_by_factor = portfolio_table(
    "risk_by_factor",
    text_column("factor", "market, rates or a spread", key=True),
    number_column("beta", "of the portfolio's returns in one joint regression on all factors"),
    number_column("std_error", "standard error of the beta", null=True, low=0),
    number_column("variance_share", "share of the portfolio's variance that comes from it; negative = it hedges"),
    comment="Where each portfolio's variance comes from, by factor",
)

stress_tests_by_portfolio = portfolio_table(
    "stress_tests_by_portfolio",
    text_column("scenario", "name of the scenario", key=True),
    count_column("number", "place of the scenario in its file, from 1: column of stress_tests_by_position"),
    number_column("pnl_usd", "P&L in the scenario, USD"),
    number_column("pnl_share", "P&L / equity; null if equity is not > 0", null=True),
    share_column("direct_share", "share of |market value| that moves by an own beta or own prices"),
    share_column("coverage", "share of |market value| whose P&L is known"),
    number_column("shock", "return of the factor in a shock, of the market in a replay", null=True),
    session_column(
        "session whose close a replay starts from; null for shocks", name="first_session", key=False, null=True
    ),
    session_column("session at whose close a replay ends; null for shocks", name="last_session", key=False, null=True),
    comment="What each scenario would do to each portfolio",
)

stress_tests_by_position = portfolio_table(
    "stress_tests_by_position",
    text_column("lot_id", "lot", key=True),
    text_column("symbol", "listed instrument; for options the contract"),
    *(
        number_column(f"scenario_{number:02d}_pnl_usd", f"P&L in the scenario of number {number}, USD", null=True)
        for number in range(1, MOST_SCENARIOS + 1)
    ),
    comment="What each scenario would do to each open lot that can move; one wide row, tidy in exports",
)

performance = portfolio_table(
    "performance",
    text_column("benchmark", "symbol that the portfolio is measured against"),
    *(
        number_column(name, words, null=True)
        for name, words in {
            "return_mtd": "time-weighted return since the end of the previous month",
            "return_qtd": "time-weighted return since the end of the previous quarter",
            "return_ytd": "time-weighted return since the end of the previous year",
            "return_1y": "time-weighted return since the same day 12 months earlier; null for a younger portfolio",
            "return_since_inception": "time-weighted return since inception",
            "annualized_return": "the same per year of 252 sessions, from one year on",
        }.items()
    ),
    number_column("volatility_1y", "standard deviation of the last 252 daily returns, per year", null=True, low=0),
    number_column("sharpe_1y", "mean excess return / standard deviation, per year", null=True),
    number_column("sortino_1y", "mean excess return / root mean square of shortfalls, per year", null=True),
    number_column("drawdown", "fall of the time-weighted index from its peak, <= 0", null=True, low=-1, high=0),
    number_column("max_drawdown_1y", "deepest fall within the last 252 sessions, <= 0", null=True, low=-1, high=0),
    number_column("money_weighted_return", "XIRR of flows and equity since inception, per year", null=True, low=-1),
    count_column(
        "observations",
        "daily returns in the last 252 sessions, those left out on which equity is not > 0 or all is lost",
    ),
    number_column("active_return", "mean difference to the benchmark x 252", null=True),
    number_column("tracking_error", "standard deviation of the difference, per year", null=True, low=0),
    number_column("information_ratio", "active_return / tracking_error", null=True),
    number_column("alpha", "intercept of the regression on the benchmark, compounded per year", null=True),
    number_column("beta", "slope of the regression on the benchmark", null=True),
    number_column("r_squared", "R^2 of the regression on the benchmark", null=True, low=0, high=1),
    number_column("correlation", "with the benchmark", null=True, low=-1, high=1),
    number_column("up_capture", "annual return on the benchmark's good sessions / the benchmark's", null=True),
    number_column("down_capture", "annual return on the benchmark's bad sessions / the benchmark's", null=True),
    count_column("benchmark_observations", "sessions of the last 252 on which both have a return"),
    comment="How each portfolio is doing, and against what",
)
