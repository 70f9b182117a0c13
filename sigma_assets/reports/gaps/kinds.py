"""Gaps: what is not known of a portfolio's holdings, why, and what to do. Pure; `stored` reads what it needs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sigma_assets.base.conventions import VolatilityModel

SIMULATED = "simulated"
"""The source of prices that are made up."""
RECENT = 5
"""Sessions for which a price may be carried on (SPEC 4.3)."""
WINDOW = VolatilityModel().short_window
"""Sessions that must all have a return for a symbol to have a volatility."""
FAR_APART = 3.0
"""Entry price over close (or the reverse) beyond which one of them is likely of something else."""
OTHER_SOURCE = "name a source that has it in SIGMA_PRICES, such as `files:<folder>` after the first one"


@dataclass(frozen=True)
class Gap:
    """Something that is not known.

    Attributes
    ----------
    symbol : of the holding that lacks it; None where it is about the whole portfolio.
    lacks : what is not there: `price`, `recent price`, `factor betas`, `volatility`, ...; several with commas.
    """

    symbol: str | None
    lacks: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.symbol or 'portfolio'} lacks {self.lacks}: {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class Remark:
    """The last that a price source said of a symbol that it could not serve; see `price_gaps.reason`."""

    reason: str
    detail: str
    source: str
    next_try: date | None


@dataclass(frozen=True)
class HeldLot:
    """An open lot on the portfolio's last session.

    Attributes
    ----------
    risk_symbol : the symbol whose prices it lives on: its own, the underlying of an option; None of a private lot.
    sessions_old : age of its price in sessions; None where it never had one.
    risk_weight : |risk value| / sum of them; 0 where it has none.
    """

    symbol: str
    risk_symbol: str | None
    sessions_old: int | None
    risk_weight: float


@dataclass(frozen=True)
class StoredPortfolio:
    """What is stored of a portfolio on its last session.

    Attributes
    ----------
    unpriced, without_factors, without_metrics, with_volatility : symbols.
    observations : symbol -> prices stored up to the session, of those without factors or volatility.
    recent : symbol -> how many of the last `WINDOW` sessions have a price, of the same symbols.
    has_volatility : whether the portfolio has one; None where its asset was not computed, so that nobody knows.
    correlated, public : symbols in its correlation matrix, and those that could be; None where nothing public is held.
    """

    session: date
    lots: tuple[HeldLot, ...]
    unpriced: frozenset[str] = frozenset()
    without_factors: frozenset[str] = frozenset()
    without_metrics: frozenset[str] = frozenset()
    with_volatility: frozenset[str] = frozenset()
    has_volatility: bool | None = None
    correlated: int | None = None
    public: int | None = None
    equity: float = 1.0
    observations: Mapping[str, int] = field(default_factory=dict)
    recent: Mapping[str, int] = field(default_factory=dict)
    remarks: Mapping[str, Remark] = field(default_factory=dict)


def gaps_of(stored: StoredPortfolio) -> list[Gap]:
    """Return what is not known of a portfolio on its last session: by symbol, then of the portfolio as a whole."""
    held = {lot.risk_symbol for lot in stored.lots if lot.risk_symbol is not None}
    lost = outdated(stored)
    no_volatility = held - stored.with_volatility if stored.has_volatility is not None else set()
    lacking: set[str] = (
        set(stored.unpriced) | lost.keys() | stored.without_factors | stored.without_metrics | no_volatility
    )
    lacking -= without_quotes(stored)
    found = [_of_symbol(symbol, stored, lost, no_volatility) for symbol in sorted(lacking)]
    return found + _of_portfolio(stored, held, no_volatility)


def holdings_changed(first: date) -> Gap:
    """Return what is to be known of numbers that were computed before a change of lots or cash flows.

    Parameters
    ----------
    first : the first session that the change touches.
    """
    reason = f"its lots or cash flows were changed after the numbers from {first} on had been computed"
    remedy = "they come with the next run: `sigma-assets run`, or the daemon's"
    return Gap(None, "numbers of its present holdings", reason, remedy)


def prices_corrected() -> Gap:
    """Return what is to be known of numbers that may have been computed from prices that were corrected since."""
    reason = "prices that it depends on were corrected after its numbers had been computed, and may change them"
    remedy = "they are looked at with the next run: `sigma-assets run`, or by the daemon"
    return Gap(None, "numbers of the present prices", reason, remedy)


def no_longer_computed(what: str, first: date, start: date) -> Gap:
    """Return what is to be known of numbers that are out of date, and of sessions before the date dimension.

    Parameters
    ----------
    what : why they are out of date.
    first, start : the first such session; the first session that is computed.
    """
    reason = f"{what}, and sessions before {start}, the first one that is computed, keep what they had from {first} on"
    return Gap(None, "numbers that are true", reason, f"set SIGMA_FIRST_SESSION to {first} and run `sigma-assets run`")


def unknown_symbol(symbol: str, remark: Remark) -> Gap:
    """Return what is to be known of a symbol that the price source does not know, before anything is computed."""
    return Gap(symbol, "price", *_why_unpriced(remark))


def without_factor_prices(symbols: Collection[str], needed: Collection[str], session: date) -> Gap:
    """Return what is to be known where factor ETFs or the benchmark have no recent price, or none.

    Parameters
    ----------
    symbols, needed : those among them that a calculation uses, at least one, are named first.
    """
    named = [*sorted(needed), *sorted(set(symbols) - set(needed))]
    use = "betas, factor exposures, stress tests or the comparison with the benchmark need them"
    reason = f"{_names(named)} without a recent price up to {session}; {use}"
    remedy = OTHER_SOURCE.replace("has it", "has them")
    return Gap(None, "prices of factor ETFs or the benchmark", reason, f"{remedy}, then `sigma-assets run`")


def partly_simulated(last: Mapping[str, date]) -> Gap:
    """Return what is to be known of numbers that simulated prices went into, besides those of real sources.

    Parameters
    ----------
    last : symbol -> the last session with a simulated price, at least one.
    """
    reason = f"prices of {_few(sorted(last))} up to {max(last.values())} are simulated, so what rests on them is"
    remedy = "`sigma-assets prices reload` replaces what the sources in SIGMA_PRICES have, then `sigma-assets run`"
    return Gap(None, "real prices", reason, remedy)


def sessions_lost(first: date, last: date) -> Gap:
    """Return what is to be known of sessions that were computed, but that the tables do not have any more.

    Parameters
    ----------
    first, last : the ends of them.
    """
    lacks = f"the session {first}" if first == last else f"the sessions {first} to {last}"
    reason = "computed before, but not in the tables: these are older, as from a backup"
    return Gap(None, lacks, reason, "they come with the next run: `sigma-assets run`, or the daemon's")


def outdated(stored: StoredPortfolio) -> dict[str, int]:
    """Return the symbols whose newest price is too old to be carried on, with its age in sessions."""
    ages = {lot.risk_symbol: lot.sessions_old for lot in stored.lots if lot.risk_symbol is not None}
    return {
        symbol: age
        for symbol, age in ages.items()
        if age is not None and age > RECENT and symbol not in stored.unpriced
    }


def without_quotes(stored: StoredPortfolio) -> set[str]:
    """Return the cash equivalents among the symbols: worth 1.00 without a price, their return and betas known to be 0."""
    held = {lot.risk_symbol for lot in stored.lots}
    return {lot.symbol for lot in stored.lots if lot.risk_symbol is None} - held


def lots_without_price(stored: StoredPortfolio) -> int:
    """Return how many open lots live on a symbol without a price, or with one that is too old."""
    lost = outdated(stored).keys() | stored.unpriced
    return sum(lot.risk_symbol in lost for lot in stored.lots)


def entry_price_gaps(entries: Iterable[tuple[str, date, float, float | None]]) -> list[Gap]:
    """Return the lots whose entry price and close of the entry session are apart by a factor of three.

    Parameters
    ----------
    entries : symbol, session of entry, price per share at entry, close of that session as traded (USD; None where it is
        not known). For shares and funds: a contract or a bond is quoted otherwise. A price of 0 (gift, spin-off) is fine.
    """
    found: dict[str, Gap] = {}
    for symbol, session, entered, close in entries:
        if not entered or not close or 1 / FAR_APART <= entered / close <= FAR_APART:
            continue
        reason = f"entered at {entered:,.2f}, but closed at {close:,.2f} on {session}"
        remedy = "check the symbol, whether the cost is adjusted for a later split, and the price source"
        found.setdefault(symbol, Gap(symbol, "a plausible entry price", reason, remedy))
    return list(found.values())


def _of_symbol(symbol: str, stored: StoredPortfolio, lost: Mapping[str, int], no_volatility: Collection[str]) -> Gap:
    later = [
        name
        for name, symbols in (
            ("factor betas", stored.without_factors),
            ("metrics", stored.without_metrics),
            ("volatility", no_volatility),
        )
        if symbol in symbols
    ]
    if symbol in stored.unpriced:
        return Gap(symbol, ", ".join(["price", *later]), *_why_unpriced(stored.remarks.get(symbol)))
    if symbol in lost:
        reason, remedy = _why_unpriced(stored.remarks.get(symbol))
        return Gap(
            symbol,
            ", ".join(["recent price", *later]),
            f"its last price is {lost[symbol]} sessions old; {reason}",
            remedy,
        )
    count, recent = stored.observations.get(symbol, 0), stored.recent.get(symbol, WINDOW)
    if count > WINDOW and recent < WINDOW:
        reason = f"no price on {WINDOW - recent} of the last {WINDOW} sessions up to {stored.session}, all are needed"
        return Gap(symbol, ", ".join(later), reason, f"complete its prices, or {OTHER_SOURCE}, then `sigma-assets run`")
    reason = f"only {count} prices are stored up to {stored.session}; more are needed"
    return Gap(symbol, ", ".join(later), reason, "wait: it becomes known with the prices of the next sessions")


def _why_unpriced(remark: Remark | None) -> tuple[str, str]:
    if remark is None:
        return "the price source has not been asked for it yet", "run `sigma-assets run`"
    known = f"{remark.source}: {remark.detail}" if remark.detail else remark.source
    other = OTHER_SOURCE
    again = (
        f"it is requested again from {remark.next_try} on"
        if remark.next_try
        else "it is not requested again automatically"
    )
    reasons = {
        "unknown_symbol": (
            "the source does not know the symbol",
            f"correct the symbol in the file (`sigma-assets sync`), or {other}",
        ),
        "not_yet_listed": ("it was not listed yet", "check symbol and entry date; prices come once it is listed"),
        "delisted": ("it was delisted", f"close the lot (`sigma-assets close`), or {other}"),
        "late": ("the source does not have it yet", again),
        "no_bar": ("the source has no trade of it", f"{again}; or {other}"),
        "rejected": ("the source's price is not credible", f"check it, and {other}"),
        "not_covered": ("the source does not cover it, or the plan does not", f"change the plan, or {other}"),
    }
    reason, remedy = reasons.get(remark.reason, (remark.reason, other))
    return f"{reason} ({known})", remedy


def _of_portfolio(stored: StoredPortfolio, held: Collection[str], no_volatility: Collection[str]) -> list[Gap]:
    if not held:
        return []
    if stored.equity <= 0:
        reason = f"equity is {stored.equity:,.2f} USD on {stored.session}: weights are undefined"
        return [
            Gap(
                None,
                "betas, exposures, volatility",
                reason,
                "check lots and initial equity; `sigma-assets flow` adds cash",
            )
        ]
    found = []
    weights: dict[str, float] = {}
    for lot in stored.lots:
        if lot.risk_symbol is not None and lot.risk_symbol in no_volatility:
            weights[lot.risk_symbol] = weights.get(lot.risk_symbol, 0.0) + lot.risk_weight
    costly = sorted(weights, key=lambda symbol: (-weights[symbol], symbol))
    if stored.has_volatility is False:
        least = VolatilityModel().min_coverage
        reason = (
            f"{_names(costly)} without returns; {100 * least:.0f} % of the weight needs them"
            if costly
            else ("fewer returns than it takes, or weights that net to nothing")
        )
        found.append(Gap(costly[0] if costly else None, "volatility of the portfolio", reason, "see its symbols"))
    if stored.correlated is not None and stored.public is not None and stored.correlated < 2 <= stored.public:
        are, have = ("is", "has") if stored.correlated == 1 else ("are", "have")
        counts = f"{stored.correlated} of {stored.public} symbols"
        reason = f"{counts} {are} large enough and {have} enough returns; it takes two"
        sizes = (
            "see its symbols; SIGMA_CORRELATION_MIN_VALUE_USD and SIGMA_CORRELATION_MIN_WEIGHT say what is large enough"
        )
        found.append(Gap(costly[0] if costly else None, "correlations of the portfolio", reason, sizes))
    return found


def _names(symbols: Sequence[str]) -> str:
    return f"{_few(symbols)} {'is' if len(symbols) == 1 else 'are'}"


def _few(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - 3} more" if len(symbols) > 3 else ""
    return ", ".join(symbols[:3]) + more
