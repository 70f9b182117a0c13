"""The formulas of the three tables of `attribution`."""

from sigma_assets.base.formulas import Formula, Formulas

_FEW = "fewer returns known than are needed: observations {observations}"
_RETURNS = "the {observations} returns in {last.250} at this session's weights"
_VAR = {
    "var_95": f"minus the lower 5 % quantile of {_RETURNS}, no interpolation",
    "var_99": f"minus the lower 1 % quantile of {_RETURNS}, no interpolation",
    "es_95": f"minus the mean of those of {_RETURNS} that are <= -({{var_95}})",
    "es_975": f"minus the mean of those of {_RETURNS} that are <= their lower 2.5 % quantile",
    "es_99": f"minus the mean of those of {_RETURNS} that are <= -({{var_99}})",
    "var_99_normal": f"2.326348 x standard deviation - mean of {_RETURNS}",
}
FORMULAS: Formulas = {
    "risk_by_portfolio": {
        "realized_63d": Formula(
            "standard deviation of the returns of {last.63} at this session's weights x sqrt(252)", _FEW
        ),
        **{name: Formula(text, _FEW, "historical simulation; Acerbi and Tasche 2002") for name, text in _VAR.items()},
        **{f"{name}_usd": Formula(f"{{{name}}} x {{snapshot.equity}}", _FEW) for name in _VAR},
        "observations": Formula("count of the returns that are known in {last.250}", "fewer than 100 are known"),
        "coverage": Formula("mean over {last.63} of |weight| with a return / |weight|"),
        "exceptions": Formula(
            "count of those of {backtest_sessions} sessions among {last.250} on which daily_return < -(var_99 of the session"
            " before)"
        ),
        "backtest_sessions": Formula(
            "count of the sessions among {last.250} with a daily_return and a var_99 of the session before"
        ),
        "kupiec_p": Formula(
            "1 - chi2(1) of the likelihood ratio of {exceptions} exceptions in {backtest_sessions} sessions at 1 %",
            "no session could be judged: {backtest_sessions}",
            "Kupiec 1995",
        ),
        "christoffersen_p": Formula(
            "1 - chi2(1) of the likelihood ratio of independence, {exceptions} exceptions",
            "there is nothing to compare: {exceptions} exceptions in {backtest_sessions} sessions",
            "Christoffersen 1998",
        ),
        "specific_share": Formula(
            "1 - R^2 of one least-squares fit on the factors of risk_by_factor, {factor_observations} returns in {last.252}",
            "fewer than 126 returns",
        ),
        "systematic_share": Formula(
            "R^2 of the least squares on the market alone, over the sessions among {last.252} on which portfolio and market"
            " have a return; these may be more than factor_observations",
            "fewer than 126 returns",
        ),
        "factor_observations": Formula(
            "count of the sessions among {last.252} on which portfolio and factors have a return", "fewer than 126"
        ),
    },
    "risk_by_position": {
        "weight": Formula("{risk_weight}", over="position_values", alike="risk_symbol"),
        "volatility_contribution": Formula(
            "{weight} x covariance(r_i, r_p) / standard deviation(r_p) x sqrt(252), returns of symbol and portfolio of"
            " {last.63} at this session's weights",
            "the portfolio's realized_63d is unknown, or the symbol has no return in {last.63}",
            "Litterman 1996",
        ),
        "share": Formula(
            "{volatility_contribution} / {risk.realized_63d}",
            "realized_63d is unknown or 0, or no return of the symbol is known: {risk.realized_63d}",
        ),
        "es_contribution": Formula(
            "minus the mean of {weight} x r_i over the sessions among {last.250} on which the portfolio's return was"
            " <= -({risk.var_95})",
            "es_95 is unknown",
        ),
    },
    "risk_by_factor": {
        "beta": Formula(
            "coefficient of {factor} in one least-squares fit on the factors of risk_by_factor,"
            " {risk.factor_observations} returns in {last.252}"
        ),
        "std_error": Formula(
            "classical standard error of the coefficient of {factor}, {risk.factor_observations} returns in {last.252}"
        ),
        "variance_share": Formula(
            "{beta} x covariance(f, r_p) / variance(r_p), {risk.factor_observations} returns of {factor} and portfolio in"
            " {last.252}"
        ),
    },
}
