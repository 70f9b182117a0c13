"""Books of lots on planted prices, and the numbers that risk makes of them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from sigma_assets.analytics.risk.attribution import risk
from sigma_assets.analytics.valuation.ledger import ledgers
from sigma_assets.base.conventions import FactorModel, OptionModel, RiskModel
from sigma_assets.base.frames import PriceHistory
from sigma_assets_tests.analytics.books import Book, book, lot
from sigma_assets_tests.analytics.histories import random_history

N_SESSIONS = 620
MODEL, FACTORS = RiskModel(), FactorModel()


def world(*, seed: int = 3, n_stocks: int = 5, gaps: bool = True) -> tuple[Book, PriceHistory]:
    """Return a long and short book with staggered entries, two lots of one symbol, an exit, a flow and a private lot."""
    history = (
        random_history(N_SESSIONS, n_stocks, seed=seed) if gaps else whole_history(N_SESSIONS, n_stocks, seed=seed)
    )
    days = history.sessions.astype(str)
    lots = [
        lot("L1", "S00", 300, 100.0, days[330]),
        lot("L2", "S02", -150, 100.0, days[330]),
        lot("L3", "S03", 200, 100.0, days[350], exit_date=days[560], exit_price=104.0),
        lot("L4", "S00", 50, 100.0, days[400]),
        lot("L5", "SPY", 100, 100.0, days[330]),
        lot("L6", "HOUSE", 1, 20_000.0, days[330], investment_class="PRIVATE"),
    ]
    flows = [(days[450], 5_000.0), (days[500], -2_500.0)]
    return book(lots, flows, equity=100_000.0, inception=days[330]), history


def whole_history(n_sessions: int, n_stocks: int, *, seed: int = 8) -> PriceHistory:
    """Return a random history without gaps, whose closes may be written to."""
    history = random_history(n_sessions, n_stocks, seed=seed)
    return replace(history, close=pd.DataFrame(history.close).ffill().bfill().to_numpy().copy())


def risk_of(holdings: Book, history: PriceHistory, sessions: np.ndarray | None = None):
    """Return the three tables at some sessions, by default from inception on."""
    wanted = history.sessions[330:] if sessions is None else sessions
    paths = ledgers(*holdings, history, wanted, options=OptionModel())
    return risk(paths, history, MODEL, FACTORS)
