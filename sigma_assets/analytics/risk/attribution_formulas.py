"""The formulas of the three tables of `attribution`."""

from sigma_assets.base.formulas import Formula, Formulas

_FEW = "fewer returns known than are needed: observations {observations}"
_VAR = {
    "var_95": "minus the lower 5 % quantile of {observations} returns at this session's weights, no interpolation",
    "var_99": "minus the lower 1 % quantile of {observations} returns at this session's weights, no interpolation",
    "es_95": "minus the mean of the returns <= -({var_95})",
    "es_975": "minus the mean of the returns <= minus the loss exceeded 2.5 % of the time",
    "es_99": "minus the mean of the returns <= -({var_99})",
    "var_99_normal": "2.326348 x standard deviation - mean of {observations} returns",
}
FORMULAS: Formulas = {
    "risk_by_portfolio": {
        "realized_63d": Formula(
            "standard deviation of the last 63 returns at this session's weights x sqrt(252)", _FEW
        ),
        **{name: Formula(text, _FEW, "historical simulation; Acerbi and Tasche 2002") for name, text in _VAR.items()},
        **{f"{name}_usd": Formula(f"{{{name}}} x {{snapshot.equity}}", _FEW) for name in _VAR},
        "observations": Formula("count of the last 250 returns that are known", "fewer than 100 are known"),
        "coverage": Formula("mean over the last 63 sessions of |weight| with a return / |weight|"),
        "exceptions": Formula(
            "count of {backtest_sessions} sessions with daily_return < -(var_99 of the session before)"
        ),
        "backtest_sessions": Formula(
            "count of the last 250 sessions with a daily return and a var_99 of the session before"
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
            "1 - R^2 of the joint regression on six factors, {factor_observations} returns", "fewer than 126 returns"
        ),
        "systematic_share": Formula("R^2 of the regression on the market alone", "fewer than 126 returns"),
        "factor_observations": Formula(
            "count of the last 252 returns that portfolio and factors have", "fewer than 126"
        ),
    },
    "risk_by_position": {
        "weight": Formula("sum of the risk weights of the symbol's lots"),
        "volatility_contribution": Formula(
            "{weight} x covariance(r_i, r_p) / standard deviation(r_p) x sqrt(252), 63 returns",
            "the portfolio's realized_63d is unknown",
            "Litterman 1996",
        ),
        "share": Formula(
            "{volatility_contribution} / {risk.realized_63d}", "realized_63d is unknown or 0: {risk.realized_63d}"
        ),
        "es_contribution": Formula("minus the mean of {weight} x r_i on the days of es_95", "es_95 is unknown"),
    },
    "risk_by_factor": {
        "beta": Formula(
            "coefficient of the factor in one least-squares fit on six factors, {risk.factor_observations} returns"
        ),
        "std_error": Formula("classical standard error of the coefficient, {risk.factor_observations} returns"),
        "variance_share": Formula("{beta} x covariance(f, r_p) / variance(r_p)"),
    },
}
