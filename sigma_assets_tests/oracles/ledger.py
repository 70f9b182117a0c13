"""SPEC 4.3 read aloud: a snapshot of listed shares in exact fractions, one lot and one session at a time."""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

Bar = tuple[float, float, float]
"""Close, split factor, dividend."""


def snapshot(
    lots: Sequence[Mapping],
    flows: Sequence[tuple[date, float]],
    bars: Mapping[str, Mapping[date, Bar]],
    sessions: Sequence[date],
    *,
    equity: float,
    inception: date,
    day: date,
) -> dict[str, Fraction]:
    """Return equity, net value, realized P&L and dividends of all sessions up to `day`."""
    upto = [session for session in sessions if session <= day]
    profit, net, realized, income = Fraction(0), Fraction(0), Fraction(0), Fraction(0)
    for lot in lots:
        if lot["entry_date"] > day:
            continue
        history = bars.get(lot["symbol"], {})
        is_closed = lot["exit_date"] is not None and lot["exit_date"] <= day
        last = min(day, lot["exit_date"]) if is_closed else day
        quantity, price = Fraction(lot["quantity"]), Fraction(lot["entry_price"])
        for session in upto:
            close, split, dividend = history.get(session, (None, 1.0, 0.0))
            if lot["entry_date"] < session <= last:
                quantity *= Fraction(split)
                income += quantity * Fraction(dividend)
            if close is not None:
                price = Fraction(close)
        cost = Fraction(lot["quantity"]) * Fraction(lot["entry_price"])
        if is_closed:
            realized += quantity * Fraction(lot["exit_price"]) - cost
            profit += quantity * Fraction(lot["exit_price"]) - cost
        else:
            net += quantity * price
            profit += quantity * price - cost
    paid_in = sum((Fraction(amount) for when, amount in flows if inception < when <= day), Fraction(0))
    total = Fraction(equity) + profit + income + paid_in
    return {
        "equity": total,
        "cash": total - net,
        "net_exposure": net,
        "cumulative_pnl": profit + income,
        "cumulative_capital_flow": paid_in,
        "realized_to_date": realized,
        "dividends_to_date": income,
    }
