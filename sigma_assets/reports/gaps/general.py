"""What a report warns of besides the gaps of symbols: of all its numbers, and of prices that are carried on."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sigma_assets.reports.gaps.holdings import Holdings
from sigma_assets.reports.gaps.kinds import Gap


def general_gaps(
    known: Holdings, session: date | None, last: date | None, current: date, age: int | None, inception: date
) -> list[Gap]:
    """Return what is to be known of all numbers: made up, not there, or old."""
    found = []
    if known.is_all_simulated:
        reason = "prices are simulated, so every number is made up"
        found.append(Gap(None, "real prices", reason, "SIGMA_PRICES names real sources"))
    if inception > current:
        reason = f"it begins on {inception}, and the current session is {current}: nothing can be computed yet"
        return [*found, Gap(None, "numbers", reason, "wait for the first session since then")]
    if session is None or last is None:
        remedy = "run `sigma-assets run`, which says so if nothing can be computed yet"
        return [*found, Gap(None, "numbers", "nothing is computed yet", remedy)]
    if age:
        reason = f"the newest is of {known.newest_price}, {age} session(s) before the current one, {current}"
        found.append(Gap(None, "current prices", reason, "run `sigma-assets run`, and check the price source"))
    if known.newest_price is not None and last < known.newest_price:
        reason = f"computed up to {last}, though prices are there up to {known.newest_price}"
        found.append(Gap(None, "the latest sessions", reason, "run `sigma-assets run`"))
    if session != last:
        reason = f"this report is of {session}; warnings about symbols are of {known.session}"
        found.append(Gap(None, "the last session", reason, f"leave the session out for {last}"))
    return found


def older_method(sessions: Mapping[str, Sequence[date]], start: date) -> Gap:
    """Return what is to be known of numbers that an older version of a method computed.

    Parameters
    ----------
    sessions : asset -> sessions, at least one.
    start : the first session that is computed.
    """
    every = sorted({day for days in sessions.values() for day in days})
    span = str(every[0]) if len(every) == 1 else f"{len(every):,} sessions from {every[0]} to {every[-1]}"
    reason = f"an older version of the method computed {', '.join(sessions)} on {span}"
    remedy = "run `sigma-assets run --outdated`"
    if every[0] < start:
        remedy += f"; those before {start} are computed only with an earlier SIGMA_FIRST_SESSION, such as {every[0]}"
    return Gap(None, "numbers of the current method", reason, remedy)


def carried_prices(positions: Sequence[Mapping[str, Any]], known: Holdings) -> list[Gap]:
    """Return the symbols whose price of an earlier session is carried on; those too old for that are gaps already."""
    told = {gap.symbol for gap in known.gaps if gap.lacks.startswith(("price", "recent price"))}
    old = {
        str(row["symbol"]): row["price_session"]
        for row in positions
        if row["is_stale"] and row["price_session"] and not {row["symbol"], row["risk_symbol"]} & told
    }
    remedy = "it comes with the next run, if the source has it"
    return [
        Gap(symbol, "a price of this session", f"that of {session} is carried on", remedy)
        for symbol, session in sorted(old.items())
    ]


def not_stored(name: str, asked: date, first: date | None, last: date | None) -> str:
    """Return why there is no report of a session."""
    if first is None:
        return f"{name}: nothing is computed yet, so there is no report for {asked}; run `sigma-assets run`"
    return f"{name}: nothing is stored for {asked}; expected a session from {first} to {last} (`sigma-assets missing`)"
