"""What Massive says of a symbol that has no bars where some were wanted: unknown, delisted, young, or renamed."""

from dataclasses import dataclass
from datetime import date

from sigma_assets.providers.bars import Absence, missing
from sigma_assets.providers.base import later
from sigma_assets.providers.massive.api import MassiveApi, NotFoundError


@dataclass(frozen=True)
class Standing:
    """Reference data of a symbol, as far as it explains missing bars.

    Attributes
    ----------
    known : the source has or had an instrument of this name.
    listed, delisted : first and last day, where the source says so.
    earlier, later : the same instrument's other symbols, before and after this one; None = none.
    """

    known: bool
    listed: date | None = None
    delisted: date | None = None
    earlier: str | None = None
    later: str | None = None

    def absence(self, session: date, as_of: date) -> Absence:
        """Return why a session has no bar."""
        if not self.known:
            said = "no such symbol in the reference data, listed or delisted"
            return Absence("unknown_symbol", said, later(as_of))
        if self.delisted is not None and session >= self.delisted:
            return Absence("delisted", f"delisted on {self.delisted}", None)
        if self.listed is not None and session < self.listed:
            return Absence("not_yet_listed", f"listed on {self.listed}", None)
        return missing(session, as_of, "no bar though listed")


def look_up(api: MassiveApi, ticker: str, *, earlier_names: bool) -> Standing:
    """Return the standing of a symbol, in one to three calls; an earlier name is asked for only if it would help."""
    try:
        details = api.details(ticker)
    except NotFoundError:
        return _of_delisted(api, ticker)
    names = _names(api, ticker) if earlier_names else []
    return Standing(
        known=True,
        listed=_day(details.get("list_date")),
        delisted=_day(details.get("delisted_utc")),
        earlier=names[names.index(ticker) - 1] if ticker in names[1:] else None,
    )


def _of_delisted(api: MassiveApi, ticker: str) -> Standing:
    former = [record for record in api.delisted(ticker) if record.get("ticker") == ticker]
    if not former:
        return Standing(known=False)
    last = max(former, key=lambda record: record.get("delisted_utc") or "")
    figi = last.get("composite_figi")
    names = _names(api, figi) if figi else []
    return Standing(
        known=True,
        delisted=_day(last.get("delisted_utc")),
        later=names[names.index(ticker) + 1] if ticker in names[:-1] else None,
    )


def _names(api: MassiveApi, identifier: str) -> list[str]:
    try:
        return [name for _, name in api.renames(identifier)]
    except NotFoundError:  # the endpoint has no entry for instruments that were never renamed
        return []


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None
