"""OCC option codes: `AAPL240119C00150000` is the call on AAPL at 150.00 that expires on 2024-01-19."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sigma_assets.holdings.numerals import iso_date

_OCC = re.compile(r"([A-Z0-9.\-]{1,6})([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})")


@dataclass(frozen=True)
class Contract:
    """What an OCC code says.

    Attributes
    ----------
    underlying : the root, which is the underlying's symbol unless it ends in a digit: such a root marks a contract
        adjusted for a corporate action and names no listed symbol; None then.
    """

    root: str
    underlying: str | None
    expiration: date
    option_type: str
    strike: Decimal

    def may_be_on(self, underlying: str) -> bool:
        """Return whether the root can stand for this underlying: BRKB for BRK.B, SPXW for SPX, AAPL1 for AAPL."""
        plain = "".join(character for character in underlying if character.isalnum())
        root = "".join(character for character in self.root if character.isalnum())
        return plain in (root, root[:-1])


def occ_contract(symbol: str) -> Contract | None:
    """Return the contract that an OCC code stands for, None for any other symbol.

    Examples
    --------
    >>> occ_contract("AAPL240119C00150000").strike
    Decimal('150')
    >>> occ_contract("AAPL") is None
    True
    """
    match = _OCC.fullmatch(symbol)
    if match is None:
        return None
    root, year, month, day, side, thousandths = match.groups()
    expiration = iso_date(f"20{year}-{month}-{day}")
    strike = Decimal(thousandths) / 1000
    if expiration is None or not strike:
        return None
    underlying = None if root[-1].isdigit() else root
    return Contract(root, underlying, expiration, "CALL" if side == "C" else "PUT", strike)
