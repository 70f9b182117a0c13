"""What tells a bond where a file does not say its class: the number under which it was issued, and its description."""

import re

_CUSIP = re.compile(r"[0-9A-Z][0-9]{2}[0-9A-Z]{3}[0-9A-Z]{2}[0-9]")
"""Six characters for the issuer, of which the second and third are digits, two for the issue, a check digit."""
_BOND_WORDS = re.compile(r"\b(?:TREAS(?:URY)?|NTS|NOTES?|BONDS?|BDS?|BILLS?|DUE|DEB|DEBENTURE)\b|[0-9]%", re.IGNORECASE)


def is_cusip(text: str) -> bool:
    """Return whether a text is a CUSIP: nine characters of which the last one is the check digit of the others.

    Source: CUSIP Global Services; every second value is doubled, letters count from 10, digits of the values are added up.

    Examples
    --------
    >>> [is_cusip(text) for text in ("912828ZT0", "037833100", "912828ZT1", "GOOGLEABC")]
    [True, True, False, False]
    """
    if _CUSIP.fullmatch(text) is None:
        return False
    values = [int(character, 36) * (1 + place % 2) for place, character in enumerate(text[:8])]
    return (10 - sum(value // 10 + value % 10 for value in values) % 10) % 10 == int(text[8])


def may_be_cusip(text: str) -> bool:
    """Return whether a text has the form of a CUSIP, whatever its check digit."""
    return _CUSIP.fullmatch(text) is not None


def describes_bond(description: str) -> bool:
    """Return whether a description has words of bonds, which those of funds and preferred shares have too."""
    return _BOND_WORDS.search(description) is not None


def is_bond(symbol: str, *, is_described: bool) -> bool:
    """Return whether a symbol is that of a bond; `is_described`: its description has words of one.

    The issue in a CUSIP has a letter for debt and two digits for shares. Words alone tell nothing of a ticker.

    Examples
    --------
    >>> is_bond("912828ZT0", is_described=False), is_bond("037833100", is_described=False)
    (True, False)
    >>> is_bond("037833100", is_described=describes_bond("APPLE INC 2.4% DUE 05/03/2033"))
    True
    >>> is_bond("TLT", is_described=describes_bond("ISHARES 20+ YEAR TREASURY BOND ETF"))
    False
    """
    return may_be_cusip(symbol) if is_described else is_cusip(symbol) and not symbol[6:8].isdigit()
