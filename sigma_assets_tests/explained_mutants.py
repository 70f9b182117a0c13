"""Mutants that no test can kill, each with the reason."""

EXPLAINED = {
    ("analytics/series/metrics.py", "for lag in range(reach + 1):", "1"): "further lags, at which nothing is due",
    (
        "analytics/factors/regression.py",
        "is_known = np.isfinite(fitted.beta).all(axis=0)",
        "all",
    ): "betas of a fit are known together",
    (
        "analytics/risk/volatility.py",
        "width = max(1, _CELLS // max(1, len(days)))",
        "1",
    ): "how many symbols come at once",
    (
        "analytics/risk/tails.py",
        "return returns <= TIE - var[:, None]",
        "<=",
    ): "a return that lies exactly a rounding above the quantile",
    (
        "analytics/risk/backtest.py",
        "return np.where(n > 0, np.maximum(2.0 * (observed - expected), 0.0), np.nan)",
        ">",
    ): "of no session the share of exceptions is not known anyway",
    (
        "analytics/risk/backtest.py",
        "_x_log(counts[i, j], counts[i, j] / np.where(from_state[i] > 0, from_state[i], 1.0))",
        "0",
    ): "1 or the count of a state that came once, which is 1",
    (
        "analytics/risk/backtest.py",
        "return total[..., ends] - total[..., np.maximum(ends - window, 0)]",
        "0",
    ): "the first session is judged by no session before it, so its flag is never set",
    (
        "analytics/risk/stress/shocks.py",
        "padded = np.pad(series, (DEVIATION_WINDOW - 1, 0), constant_values=np.nan)",
        "0",
    ): "one window more, which ends at no session",
    (
        "analytics/risk/stress/contracts.py",
        "known = np.isfinite(spot) & np.isfinite(volatility)",
        "&",
    ): "what one of the two is unknown of has no value, as what is left out",
    (
        "analytics/risk/attribution.py",
        "contribution / np.where(volatility > NO_MOVEMENT, volatility, np.nan)[held.row],",
        ">",
    ): "a volatility that is exactly the limit",
    (
        "analytics/risk/attribution.py",
        "moved = np.where(volatility <= NO_MOVEMENT, np.inf, spread)",
        "<=",
    ): "a volatility that is exactly the limit",
    (
        "analytics/risk/attribution.py",
        "is_factor = np.isfinite(joint.beta) & is_row & np.isfinite(joint.r_squared)",
        "&",
    ): "126 of 252 returns are at least 124 of 250, and 100 of these are enough for value at risk",
    (
        "analytics/risk/held_book.py",
        "days = slice(first, first + n_rows + model.var_window - 1)",
        "-",
    ): "two days more, which are in no session's window",
    (
        "analytics/risk/held_book.py",
        "return np.broadcast_to(total > 0, (len(weight), known.shape[1])), np.where(total[:, 0] > 0, model.var_window, 0)",
        ">",
    ): "of a session without weights no days are counted, so it is not judged",
    (
        "analytics/risk/attribution.py",
        "is_long_enough &= np.isfinite(recent).sum(axis=1) >= MIN_SHARE_OF_WINDOW * model.volatility_window",
        ">=",
    ): "80 % of 63 is no whole number",
    (
        "analytics/risk/attribution.py",
        "per_day = np.maximum(in_tail.sum(axis=1), 1)[held.row]",
        "1",
    ): "of 100 returns five are in the tail",
    (
        "analytics/risk/attribution.py",
        "deviation = np.where(known, filled - (filled.sum(axis=1) / np.maximum(count, 1))[:, None], 0.0)",
        "1",
    ): "of one return there is no deviation",
    (
        "analytics/risk/held_book.py",
        "is_exception = is_judged & (as_bad(np.arange(n_rows), worst_first[:_COMPARED_FIRST]) < beyond)",
        "<",
    ): "more sessions are looked at again",
    (
        "analytics/risk/held_book.py",
        "return np.broadcast_to(total > 0, (len(weight), known.shape[1])), np.where(total[:, 0] > 0, model.var_window, 0)",
        "0",
    ): "one day judges nothing, as none does",
    (
        "analytics/risk/held_book.py",
        "for lot, symbol in zip(chosen, column, strict=True):",
        "True",
    ): "both are as long",
    (
        "analytics/risk/held_book.py",
        "weight = np.where(np.isfinite(book.weight[:-1]), book.weight[:-1], 0.0)",
        "-",
    ): "what is unknown judges nothing either way; it only spoils which days are compared first",
    (
        "analytics/risk/held_book.py",
        "rows = slice(first, int(ledger.wanted[-1]) + 1)",
        "1",
    ): "one session more, which nobody asks for",
    ("analytics/risk/held_book.py", "_COMPARED_FIRST = 48", "48"): "how many days are compared first",
    (
        "analytics/risk/held_book.py",
        "return (counts & (weight[rows] @ returns[:, among] - TIE <= today[rows, None])).sum(axis=1)",
        "<=",
    ): "a return that lies exactly a rounding below",
    (
        "analytics/risk/held_book.py",
        "has_return = (total > 0) & (size @ known >= (model.min_coverage - ROUNDING) * total)",
        ">=",
    ): "a coverage that lies exactly a rounding below the least",
    ("analytics/risk/nonnegative.py", "explained = np.zeros(target.shape[1:])", "1"): "one zero serves all problems",
    (
        "analytics/risk/nonnegative.py",
        "for size in range(1, n_regressors + 1):",
        "1",
    ): "the empty subset explains nothing, which is where the search begins",
    (
        "analytics/risk/nonnegative.py",
        "is_better = is_allowed & (gain > explained * (1.0 + 1e-14))",
        ">",
    ): "a gain of 0, whose coefficients are 0, or one that lies exactly a rounding above",
    ("analytics/risk/nonnegative.py", "is_allowed &= value > SINGULAR", ">"): "an angle that is exactly the limit",
    (
        "analytics/risk/nonnegative.py",
        "factor[i, i] = np.sqrt(np.where(value > SINGULAR, value, 1.0))",
        ">",
    ): "an angle that is exactly the limit",
    (
        "analytics/risk/nonnegative.py",
        "is_allowed &= solution[i] >= 0",
        ">=",
    ): "with a coefficient of 0 the fit is that of the smaller subset, which came before",
    (
        "analytics/risk/forecast.py",
        "_PAIR = {pair: number for number, pair in enumerate(zip(_LEFT.tolist(), _RIGHT.tolist(), strict=True))}",
        "True",
    ): "both halves of np.triu_indices are equally long",
    (
        "analytics/risk/forecast.py",
        "r_squared = np.where(r_squared < NO_SPREAD, 0.0, np.minimum(r_squared, 1.0))  # a constant alone explains nothing",
        "<",
    ): "an R^2 that is exactly the limit",
    (
        "analytics/risk/forecast.py",
        "earlier = np.where((rows >= lag)[:, None], regressors[1, np.maximum(rows - lag, 0)], np.nan)",
        ">=",
    ): "in the first week of a history nothing is forecast",
    (
        "analytics/risk/forecast.py",
        "earlier = np.where((rows >= lag)[:, None], regressors[1, np.maximum(rows - lag, 0)], np.nan)",
        "0",
    ): "in the first week of a history nothing is forecast",
    (
        "analytics/risk/joint_regression.py",
        "is_used &= _spread(np.where(there, factors, np.nan), there) > FLAT",
        ">",
    ): "a deviation that is exactly the limit",
    (
        "analytics/risk/joint_regression.py",
        "is_used &= squares > FLAT * np.sqrt(counted)",
        ">",
    ): "a deviation that is exactly the limit",
    (
        "analytics/risk/joint_regression.py",
        "moved = np.where(squares > counted * FLAT**2, squares, np.nan)",
        ">",
    ): "a deviation that is exactly the limit",
    (
        "analytics/risk/joint_regression.py",
        "count = np.maximum(there.sum(axis=2), 1)",
        "1",
    ): "a factor with one return does not move, with whatever it is divided by",
    (
        "analytics/performance/money_weighted.py",
        "total = -equity * np.ones_like(growth)",
        "*",
    ): "by one",
    (
        "analytics/performance/money_weighted.py",
        "is_open = (middle > low) & (middle < high)",
        "&",
    ): "a closed interval stays as it is, so that more steps only cost time",
    (
        "analytics/performance/money_weighted.py",
        "is_above = (_surplus(counts, years, equity, middle) >= 0) == rises",
        ">=",
    ): "from which side a root is reached that a step hits exactly",
    (
        "analytics/risk/held_rows.py",
        "for each in range(int(number.max(initial=-1)) + 1):",
        "-",
    ): "of books that hold nothing a number more adds nothing",
    (
        "analytics/risk/held_rows.py",
        "row = np.concatenate([start + rows for start, (rows, _) in zip(starts, held, strict=True)])",
        "True",
    ): "both have an item per book",
    (
        "analytics/risk/held_rows.py",
        "[book.weight[book.wanted[rows], columns] for book, (rows, columns) in zip(books, held, strict=True)]",
        "True",
    ): "both have an item per book",
    (
        "analytics/risk/held_rows.py",
        "for each in range(int(number.max(initial=-1)) + 1):",
        "1",
    ): "a number more than any row has, at which nothing is added",
    (
        "analytics/risk/held_rows.py",
        "return np.where(coverage >= min_coverage - ROUNDING, earned, np.nan), coverage",
        ">=",
    ): "a coverage that is exactly a rounding below the limit",
    ("storage/frames/rows.py", "few = 0 < len(portfolios) <= LOCKED_ONE_BY_ONE", "<="): "which lock 64 portfolios take",
}
"""File, line, token -> why changing the token changes no result, so that no test can notice."""
