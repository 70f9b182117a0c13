"""What every scenario would do to every portfolio: the two tables of stress tests (SPEC 4.11)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigma_assets.analytics.risk.stress.contracts import Contracts
from sigma_assets.analytics.risk.stress.replays import Windows
from sigma_assets.analytics.risk.stress.scenarios import Scenarios
from sigma_assets.analytics.valuation.values import is_cash_equivalent
from sigma_assets.base.conventions import MOST_SCENARIOS, PORTFOLIO_SESSION, RISK_FACTORS
from sigma_assets.base.formulas import Formula, Formulas
from sigma_assets.base.frames import BoolArray, FloatArray, SessionArray

BETAS = tuple(f"{factor}_beta" for factor in RISK_FACTORS)
"""What stress tests read of symbol_factors."""
POSITION_COLUMNS = (
    "portfolio_id", "session", "lot_id", "symbol", "investment_class", "quantity", "market_value", "weight",
    "risk_symbol", "risk_value",
)  # fmt: skip
PNL_COLUMNS = tuple(f"scenario_{number:02d}_pnl_usd" for number in range(1, MOST_SCENARIOS + 1))


@dataclass(frozen=True)
class Moves:
    """What the scenarios are on each session.

    Attributes
    ----------
    sessions : datetime64[D] array of shape (n_sessions,), ascending.
    shocks : float array of shape (n_shocks, n_sessions); the factor's move, NaN where not known.
    windows : of the replays.
    own : float array of shape (n_windows, n_symbols); each symbol's return over each window, NaN where not stored.
    market : float array of shape (n_windows,); the market's.
    symbols : str (object) array of shape (n_symbols,), sorted.
    """

    sessions: SessionArray
    shocks: FloatArray
    windows: Windows
    own: FloatArray
    market: FloatArray
    symbols: npt.NDArray[np.object_]


def stress_tests(
    positions: pd.DataFrame,
    betas: pd.DataFrame,
    options: Contracts,
    moves: Moves,
    scenarios: Scenarios,
    equity: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the P&L of portfolios and of lots in each scenario.

    A shock moves a symbol by its beta to that factor alone x the shock: others move as they usually do with it, nothing
    is counted twice, and P&L is linear in the shock. In a replay a symbol moves as it did then, else by its market beta x
    the market's return. Options are revalued (`Contracts`). Private lots and cash do not move.

    Parameters
    ----------
    positions : DataFrame with `POSITION_COLUMNS`, sorted by key, index 0, 1, 2, ...
    betas : DataFrame with `session, symbol` and `BETAS`.
    options : the option lots among the positions.
    equity : DataFrame with `portfolio_id, session, equity` of at least those `without_value`; others are not looked at.

    Returns
    -------
    by_portfolio : DataFrame sorted by portfolio_id, session and number
        `scenario, number, pnl_usd, pnl_share` (of equity; NaN where that is not positive), `direct_share`, `coverage`,
        `shock, first_session, last_session`. Of the |market value| that can move, `coverage` is the share that a P&L is
        known of, and `direct_share` that of which it is from own betas or own returns; both NaN where nothing can move.
        No row where a scenario is not known on a session, or none of the portfolio's movable lots is covered.
    by_position : DataFrame sorted by portfolio_id, session and lot_id
        One row per lot that can move and has a P&L in any scenario: `symbol` and `PNL_COLUMNS`, NaN where not known or
        there is no such scenario.
    """
    can_move = (positions["investment_class"] != "PRIVATE").to_numpy() & ~is_cash_equivalent(positions)
    day = np.searchsorted(moves.sessions, positions["session"].to_numpy().astype("datetime64[D]"))
    move, is_direct = _symbol_moves(positions, betas, day, moves, scenarios)
    value = positions["risk_value"].to_numpy(dtype=float)
    pnl = value[:, None] * move
    is_option = (positions["investment_class"] == "OPTIONS").to_numpy()
    pnl[is_option] = np.nan
    pnl[options.rows] = options.pnl(move[options.rows])
    pnl[~can_move] = np.nan
    return (
        _by_portfolio(positions, pnl, is_direct & np.isfinite(pnl), can_move, moves, scenarios, equity),
        _by_position(positions, pnl),
    )


def without_value(positions: pd.DataFrame) -> pd.DataFrame:
    """Return `portfolio_id, session` of portfolios whose lots are all worth nothing: no weight of theirs tells equity."""
    largest = positions["market_value"].abs().groupby([positions[name] for name in PORTFOLIO_SESSION]).max()
    return largest[largest == 0].index.to_frame(index=False)


def sorted_positions(positions: pd.DataFrame) -> pd.DataFrame:
    """Return positions in the order of their key, index 0, 1, 2, ...: no order of rows can change a sum."""
    return positions.sort_values([*PORTFOLIO_SESSION, "lot_id"], ignore_index=True)


def tidy_positions(by_position: pd.DataFrame, by_portfolio: pd.DataFrame) -> pd.DataFrame:
    """Return one row per lot and scenario with a known P&L, for exports: `scenario, pnl_usd` after the keys.

    Parameters
    ----------
    by_position, by_portfolio : rows of the two tables; the latter say which scenario has which number on each session.
    """
    keys = [*PORTFOLIO_SESSION, "lot_id", "symbol"]
    long = by_position.melt(id_vars=keys, value_vars=list(PNL_COLUMNS), var_name="column", value_name="pnl_usd")
    long = long.dropna(subset=["pnl_usd"])
    names = by_portfolio[[*PORTFOLIO_SESSION, "number", "scenario"]]
    numbers = long["column"].str.extract(r"(\d+)", expand=False).astype("int64")
    rows = long.assign(number=numbers).merge(
        names, on=[*PORTFOLIO_SESSION, "number"], how="left", validate="many_to_one"
    )
    ordered = rows.sort_values([*PORTFOLIO_SESSION, "lot_id", "number"], kind="stable", ignore_index=True)
    return ordered[[*keys, "scenario", "pnl_usd"]]


def _symbol_moves(
    positions: pd.DataFrame, betas: pd.DataFrame, day: npt.NDArray[np.intp], moves: Moves, scenarios: Scenarios
) -> tuple[FloatArray, BoolArray]:
    """Return each position's (underlying's) move in each scenario, and whether it is its own."""
    factors = betas[["session", "symbol", *BETAS]].rename(columns={"symbol": "risk_symbol"})
    keys = positions[["session", "risk_symbol"]].astype({"risk_symbol": "str"})
    beta = keys.merge(factors, on=["session", "risk_symbol"], how="left", validate="many_to_one")
    move = np.full((len(positions), len(scenarios.names)), np.nan)
    for number, shock in enumerate(scenarios.shocks):
        move[:, number] = beta[f"{shock.factor}_beta"].to_numpy(dtype=float) * moves.shocks[number, day]
    is_direct = np.isfinite(move)
    column = pd.Index(moves.symbols).get_indexer(keys["risk_symbol"])
    market_beta = beta["market_beta"].to_numpy(dtype=float)
    for place, number in enumerate(range(len(scenarios.shocks), len(scenarios.names))):
        window = moves.windows.of_session[place, day]
        is_open = window >= 0
        own = np.full(len(positions), np.nan)
        has_own = is_open & (column >= 0)
        own[has_own] = moves.own[window[has_own], column[has_own]]
        by_beta = np.full(len(positions), np.nan)
        by_beta[is_open] = market_beta[is_open] * moves.market[window[is_open]]
        is_direct[:, number] = np.isfinite(own)
        move[:, number] = np.where(is_direct[:, number], own, by_beta)
    return move, is_direct


def _by_portfolio(
    positions: pd.DataFrame,
    pnl: FloatArray,
    is_direct: BoolArray,
    can_move: BoolArray,
    moves: Moves,
    scenarios: Scenarios,
    equity: pd.DataFrame | None,
) -> pd.DataFrame:
    is_first = ~positions.duplicated(PORTFOLIO_SESSION).to_numpy()
    item = np.cumsum(is_first) - 1
    groups = positions.loc[is_first, PORTFOLIO_SESSION].reset_index(drop=True)
    n_items = len(groups)
    size = np.abs(positions["market_value"].to_numpy(dtype=float)) * can_move
    movable = _sums(item, size, n_items)
    has_movers = _sums(item, can_move.astype(float), n_items) > 0
    share_of = np.where(movable > 0, movable, np.nan)[:, None]
    known = np.isfinite(pnl)
    of_scenarios = {
        "total": np.where(known, pnl, 0.0),
        "direct": np.where(is_direct, size[:, None], 0.0),
        "covered": np.where(known, size[:, None], 0.0),
        "lots": known.astype(float),
    }
    sums = {
        name: np.stack([_sums(item, column, n_items) for column in values.T], axis=1)
        for name, values in of_scenarios.items()
    }
    day = np.searchsorted(moves.sessions, groups["session"].to_numpy().astype("datetime64[D]"))
    described, is_known = _described(day, moves, scenarios)
    place, number = np.nonzero(is_known & ((sums["lots"] > 0) | ~has_movers[:, None]))
    numbers = {
        "pnl_usd": sums["total"],
        "pnl_share": sums["total"] / _equity(positions, item, groups, equity)[:, None],
        "direct_share": sums["direct"] / share_of,
        "coverage": sums["covered"] / share_of,
        **described,
    }
    names = np.array(scenarios.names, dtype=object)[number]
    rows = groups.iloc[place].reset_index(drop=True).assign(scenario=pd.Series(names, dtype="str"), number=number + 1)
    return rows.assign(**{name: values[place, number] for name, values in numbers.items()})


def _described(
    day: npt.NDArray[np.intp], moves: Moves, scenarios: Scenarios
) -> tuple[dict[str, np.ndarray], BoolArray]:
    """Return the columns that say what each scenario is on some days, and where it is known: of shape (n_days, n)."""
    of_shocks = np.full((len(day), len(scenarios.shocks)), -1)
    window = np.concatenate([of_shocks, moves.windows.of_session[:, day].T], axis=1)
    is_replay = window >= 0
    first, last = (np.full(window.shape, "NaT", dtype="datetime64[s]") for _ in range(2))
    first[is_replay], last[is_replay] = moves.windows.first[window[is_replay]], moves.windows.last[window[is_replay]]
    shock = np.full(window.shape, np.nan)
    shock[:, : len(scenarios.shocks)] = moves.shocks[:, day].T
    shock[is_replay] = moves.market[window[is_replay]]
    is_known = is_replay | np.isfinite(shock)
    return {"shock": shock, "first_session": first, "last_session": last}, is_known


def _by_position(positions: pd.DataFrame, pnl: FloatArray) -> pd.DataFrame:
    has_any = np.isfinite(pnl).any(axis=1)
    rows = positions.loc[has_any, [*PORTFOLIO_SESSION, "lot_id", "symbol"]].reset_index(drop=True)
    columns = np.full((len(rows), MOST_SCENARIOS), np.nan)
    columns[:, : pnl.shape[1]] = pnl[has_any]
    return pd.concat([rows, pd.DataFrame(columns, columns=list(PNL_COLUMNS))], axis=1)


def _equity(
    positions: pd.DataFrame, item: npt.NDArray[np.intp], groups: pd.DataFrame, stated: pd.DataFrame | None
) -> FloatArray:
    """Return equity as market value / weight of the largest lot of each portfolio-session, where that is worth nothing as
    stated; NaN where not known or not positive."""
    value = positions["market_value"].to_numpy(dtype=float)
    weight = positions["weight"].to_numpy(dtype=float, na_value=np.nan)
    order = np.lexsort((np.arange(len(value)), -np.abs(value), item))
    first = order[np.searchsorted(item[order], np.arange(len(groups)))] if len(groups) else order
    known = np.isfinite(weight[first]) & (weight[first] != 0)
    if stated is None:
        others = np.full(len(groups), np.nan)
    else:
        others = groups.merge(stated, on=PORTFOLIO_SESSION, how="left", validate="one_to_one")["equity"].to_numpy(
            dtype=float
        )
    return np.where(known, value[first] / np.where(known, weight[first], 1.0), np.where(others > 0, others, np.nan))


def _sums(item: npt.NDArray[np.intp], values: FloatArray, n_items: int) -> FloatArray:
    """Return the sum of each portfolio-session, row by row: the rows of others cannot change the last bit."""
    return np.bincount(item, weights=values, minlength=n_items).astype(float)


_STANDS = "nothing in the portfolio can move"

FORMULAS: Formulas = {
    "stress_tests_by_portfolio": {
        "number": Formula("place of {scenario} in the file of scenarios"),
        "pnl_usd": Formula("{scenario_pnl_usd}", over="stress_tests_by_position"),
        "pnl_share": Formula("{pnl_usd} / {snapshot.equity}", "equity is not > 0: {snapshot.equity}"),
        "direct_share": Formula(
            "|market value| that moves by an own beta or own prices / |market value| that can move", _STANDS
        ),
        "coverage": Formula("|market value| whose P&L is known / |market value| that can move", _STANDS),
        "shock": Formula(
            "return of the factor that {scenario} sets; of a replay, of the market from the close of {first_session} to"
            " that of {last_session}"
        ),
    },
    "stress_tests_by_position": {
        column: Formula(
            f"{{position.risk_value}} x (beta to the factor x shock {{stress_{number}.shock}}; in a replay the own return,"
            f" else market beta x the market's) in {{stress_{number}.scenario}}; options are revalued by Black-Scholes",
            "there is no such scenario, the lot has no beta and no prices in it, or it cannot move",
            adds_up=True,
        )
        for number, column in enumerate(PNL_COLUMNS, start=1)
    },
}
