"""Symbols and option contracts: the notations of brokers become one symbol each (SPEC 2.2)."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sigma_assets.base.numerals import MONTH_FIRST, NOTHING, written_date

MAX_SYMBOL_LENGTH = 100
_SYMBOL = re.compile(r"[A-Za-z0-9._-]*")
_NO_SYMBOL = frozenset({"N.A", *map(str.upper, NOTHING)})

_ROOT_OF_CODE = r"[A-Z.]{1,6}[0-9]?"
_SIDE = r"C|P|CALL|PUT"
_DIGITS = r"[0-9]{1,5}(?:\.[0-9]{1,3})?"
_OCC = re.compile(r"((?:[A-Z0-9.\-]{0,5}[A-Z0-9])(?<!20))([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})")
_CODE = re.compile(
    rf"(?:O[:.]|[-.])?({_ROOT_OF_CODE})[ -]*((?:20)?[0-9]{{6}})[ -]*({_SIDE})[ -]*\$?([0-9]{{8}}|{_DIGITS})"
)
_MONTH_FIRST_CODE = re.compile(rf"\.?({_ROOT_OF_CODE})_([0-9]{{6}})([CP])({_DIGITS})")
_ROOT = r"(?P<root>[A-Z./]{1,6}[0-9]?)"
_DAY = (
    r"(?P<day>[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{1,2} ?[A-Z]{3} ?'?[0-9]{2,4}|[A-Z]{3} [0-9]{1,2},? '?[0-9]{2,4})"
)
_STRIKE = r"\$?(?P<price>[0-9]{1,5}(?:\.[0-9]{1,4})?|(?<=\$)[0-9]{1,2},[0-9]{3}(?:\.[0-9]{1,4})?)"
_WORDS = (
    rf"{_ROOT} +{_DAY} +{_STRIKE} *(?P<side>{_SIDE})",
    rf"{_ROOT} +{_DAY} +(?P<side>{_SIDE}) +{_STRIKE}",
    rf"(?P<side>CALL|PUT) +{_ROOT} +{_DAY} +{_STRIKE}",
)
_WORDED = [re.compile(rf"(?<!\S){words}(?!\S)") for words in _WORDS]
_DASHED = [re.compile(words.replace(" ", "[ -]")) for words in _WORDS]

_ANY_MONTH = r"(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
_ANY_DAY = (
    r"(?:[0-9]{6}|[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    rf"|[0-9]{{1,2}}[ ._-]?{_ANY_MONTH}[ ._-]?(?:[0-9]{{4}}|[0-9]{{2}}))"
)
_ANY_SIDE, _ANY_STRIKE = rf"(?:{_SIDE})", r"\$?[0-9]+(?:\.[0-9]+)?"
_LOOKS_LIKE_CONTRACT = re.compile(
    r"[-.:_A-Z]*[A-Z][0-9]?[ ._-]*"
    rf"(?:{_ANY_DAY}[ ._-]*{_ANY_SIDE}[ ._-]*{_ANY_STRIKE}|{_ANY_DAY}[ ._-]+{_ANY_STRIKE}[ ._-]*{_ANY_SIDE}"
    rf"|(?<=[ ._-]){_ANY_SIDE}[ ._-]+{_ANY_DAY}[ ._-]+{_ANY_STRIKE})"
    r"|.* (?:CALL|PUT|[0-9.]+ ?[CP])|(?:CALL|PUT) .*"
    r"|(?![A-Z]{2}[0-9][A-Z0-9]{9}$)[A-Z]{2,6}[0-9]{4}[A-X][0-9]{1,5}(?:\.[0-9]+)?"  # AAPL2517A200: A is January, a call
)
_SHARE_CLASS = re.compile(r"([A-Z]{1,5})[./ -]([A-Z])")
_PREFERRED = re.compile(r"([A-Z]{1,5})(?:[./-]PR?[./-]?| PR ?|p)([A-Z])")
_AMERICAN_PREFIX = re.compile(
    r"^(?:NASDAQ|NYSE|NYSEARCA|NYSEAMERICAN|NYSEMKT|AMEX|ARCA|BATS|CBOE|OTC|OTCMKTS|MUTF) ?: ?(?=[A-Z0-9])",
    re.IGNORECASE,
)
"""Exchanges of the United States as Google Finance and TradingView put them before a symbol."""
_MONEY_MARKET = re.compile(r"[A-Z]{3}XX")
_ROOTS = {"BRKB": "BRK.B", "BFB": "BF.B", "SPXW": "SPX", "NDXP": "NDX", "RUTW": "RUT", "VIXW": "VIX"}
"""Roots of option codes that are not spelled like their underlying."""
INDICES = frozenset(
    {"SPX", "XSP", "NDX", "XND", "NQX", "RUT", "MRUT", "VIX", "DJX", "OEX", "XEO", "SPESG", "RUI", "RLG", "RLV"}
    | {"SOX", "BKX", "OSX", "XAU", "HGX", "UTY"}
)
"""Underlyings that nobody can deliver: options on them are settled in cash (contract specifications of Cboe and Nasdaq)."""


@dataclass(frozen=True)
class Contract:
    """What an option code says.

    Attributes
    ----------
    underlying : the underlying's symbol, which is the root unless that ends in a digit: such a root marks a contract
        adjusted for a corporate action and names no listed symbol; None then.
    """

    root: str
    underlying: str | None
    expiration: date
    option_type: str
    strike: Decimal

    @property
    def code(self) -> str:
        """The OCC code without padding, as `AAPL240119C00150000`."""
        root = "".join(character for character in self.root if character.isalnum())
        return f"{root}{self.expiration:%y%m%d}{self.option_type[0]}{int(self.strike * 1000):08d}"

    @property
    def is_adjusted(self) -> bool:
        """Whether the root marks a contract whose deliverable was adjusted for a corporate action."""
        return self.root[-1].isdigit()

    def may_be_on(self, underlying: str) -> bool:
        """Return whether the root can stand for this underlying: BRKB for BRK.B, SPXW for SPX, AAPL1 for AAPL."""
        plain = "".join(character for character in underlying if character.isalnum())
        root = "".join(character for character in self.root if character.isalnum())
        return plain in (root, root[:-1])


@dataclass(frozen=True)
class Instrument:
    """What a symbol stands for; `symbol` is the spelling under which it is stored.

    Attributes
    ----------
    contract : the option contract, None for anything else.
    is_core_cash : the notation marks a core cash position, such as `SPAXX**`.
    is_money_market : a fund ticker of the form that is reserved for money-market funds: five letters, `XX` at the end.
    """

    symbol: str
    contract: Contract | None = None
    is_core_cash: bool = False
    is_money_market: bool = False


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
    return _contract(root, f"20{year}-{month}-{day}", side, Decimal(thousandths) / 1000)


def contract_of(name: str, underlying: str, expiration: date, option_type: str, strike: Decimal) -> Contract | None:
    """Return the contract of some terms, None if no OCC code can say them.

    Parameters
    ----------
    name : the symbol that it was given; the root of its code if that is one on the underlying, such as SPXW on SPX.

    Examples
    --------
    >>> contract_of("BRK.B", "BRK.B", date(2024, 8, 16), "CALL", Decimal("95")).code
    'BRKB240816C00095000'
    >>> contract_of("SPXW", "SPX", date(2024, 8, 16), "PUT", Decimal("5400.5")).code
    'SPXW240816P05400500'
    >>> contract_of("UND", "UND", date(2024, 8, 16), "CALL", Decimal("95.0625")) is None
    True
    """
    root = name if _ROOTS.get(name) == underlying else underlying
    contract = Contract(root, underlying, expiration, option_type, strike)
    is_exact = strike * 1000 % 1 == 0 and strike < 100_000
    return contract if is_exact and occ_contract(contract.code) is not None else None


def names_underlying(symbol: str, underlying: str) -> bool:
    """Return whether a symbol is that of an option's underlying, or a root of codes on it: no contract has it.

    Examples
    --------
    >>> [names_underlying(symbol, "BRK.B") for symbol in ("BRK.B", "BRKB", "MYCALL")]
    [True, True, False]
    """
    return symbol == underlying or _ROOTS.get(symbol) == underlying


def stored_symbol(text: str) -> str:
    """Return the spelling under which a symbol is stored; what looks like a contract and is none stays as it is.

    Examples
    --------
    >>> [stored_symbol(text) for text in (" brk-b", "BACpB", "O:SPY240621C00060000", "aapl call", "^GSPC", "BTC-USD")]
    ['BRK.B', 'BAC.PB', 'SPY240621C00060000', 'AAPL CALL', '^GSPC', 'BTC-USD']
    """
    found = read_symbol(text.strip())
    return text.strip().upper() if found is None else found.symbol


def read_symbol(text: str) -> Instrument | None:
    """Return what a symbol in any of the usual notations stands for; None if it looks like a contract that is none.

    Examples
    --------
    >>> [read_symbol(text).symbol for text in ("brk/b", "BRK B", "NYSE:BRK-B", "BACpB", "BAC-PRB", "BTC-USD", "LON:VOD")]
    ['BRK.B', 'BRK.B', 'BRK.B', 'BAC.PB', 'BAC.PB', 'BTC-USD', 'LON:VOD']
    >>> notations = ("-AAPL250117C200", ".AAPL250117C200", "AAPL_011725C200", "AAPL 01/17/2025 200.00 C",
    ...              "AAPL  250117C00200000", "O:AAPL250117C00200000", "AAPL 17JAN25 200 C", "AAPL Jan 17 '25 $200 Call",
    ...              "AAPL--250117C00200000", "AAPL-250117-C-200", "AAPL20250117CALL200", "AAPL-17JAN25-200-C")
    >>> {read_symbol(text).symbol for text in notations}
    {'AAPL250117C00200000'}
    >>> [read_symbol(text) for text in ("AAPL261319C00150000", "AAPL2517A200")]
    [None, None]
    >>> read_symbol("SPAXX**")
    Instrument(symbol='SPAXX', contract=None, is_core_cash=True, is_money_market=True)
    """
    if text.isalpha() and text.isascii() and len(text) < 5:
        return Instrument(text.upper() if "p" not in text else _preferred(text))
    if not text.isascii() or not text.isprintable():
        return Instrument(text)  # no symbol: upper() would make one of some letters
    text = _AMERICAN_PREFIX.sub("", " ".join(text.split()), count=1)
    upper = text.upper()
    contract = occ_contract(upper) or _notation(upper)
    if contract is not None:
        return Instrument(contract.code, contract)
    if _LOOKS_LIKE_CONTRACT.fullmatch(upper):
        return None
    is_core_cash = upper.endswith("**")
    plain = upper.removesuffix("**") if is_core_cash else upper
    if match := _SHARE_CLASS.fullmatch(plain):
        return Instrument(".".join(match.groups()))
    return Instrument(
        _preferred(text) if plain == upper else plain, None, is_core_cash, bool(_MONEY_MARKET.fullmatch(plain))
    )


def instrument_of(text: str) -> tuple[Instrument | None, tuple[str, str, str] | None]:
    """Return what a symbol stands for, or None and what is wrong: code, what is expected, and a message.

    Examples
    --------
    >>> instrument_of("BRK-B")[0].symbol
    'BRK.B'
    >>> instrument_of("--")
    (None, ('ERR_POS_001', 'a symbol such as AAPL', 'empty'))
    >>> instrument_of("^GSPC")
    (None, ('ERR_POS_003', 'only the characters A-Z a-z 0-9 . _ -', 'other characters'))
    """
    if text.upper() in _NO_SYMBOL or not text.strip(" ._-"):
        return None, ("ERR_POS_001", "a symbol such as AAPL", "empty")
    if len(text) > MAX_SYMBOL_LENGTH:
        return None, ("ERR_POS_002", f"at most {MAX_SYMBOL_LENGTH} characters", f"{len(text):,} characters")
    instrument = read_symbol(text)
    if instrument is None:
        expected = "an option contract as AAPL250117C00200000 or AAPL 01/17/2025 200.00 C, or a symbol"
        return None, ("ERR_POS_025", expected, "looks like an option contract, but is none")
    if not is_symbol(instrument.symbol):
        return None, ("ERR_POS_003", "only the characters A-Z a-z 0-9 . _ -", "other characters")
    return instrument, None


def contract_in(text: str) -> Contract | None:
    """Return the one contract that a broker's description names in words, alone or among others; None if it names none.

    Examples
    --------
    >>> descriptions = ("AAPL 1/17/2025 Call $200.00", "Option Expiration for AAPL 1/17/2025 Call $200.00",
    ...                 "PUT  IWM    06/21/24   200.000 EXPIRED", "NVDA 1/17/2025 Put $1,000.00")
    >>> [contract_in(text).code for text in descriptions]
    ['AAPL250117C00200000', 'AAPL250117C00200000', 'IWM240621P00200000', 'NVDA250117P01000000']
    >>> contract_in("AAPL 1/17/2025 Call $200.00 to AAPL 1/17/2025 Call $210.00") is None
    True
    """
    if not text.isascii():
        return None
    upper = " ".join(text.upper().split())
    found = {_worded(match) for pattern in _WORDED for match in pattern.finditer(upper)}
    return found.pop() if len(found) == 1 else None


def preferred_share(symbol: str) -> tuple[str, str] | None:
    """Return root and series of a preferred share, such as BAC and B of BAC.PB; None of anything else."""
    match = _PREFERRED.fullmatch(symbol)
    return (match[1], match[2]) if match else None


def _preferred(text: str) -> str:
    """Return the one spelling of a preferred share: BACpB, BAC-PB and BAC.PRB are BAC.PB; others only in upper case."""
    share = preferred_share(text) or preferred_share(text.upper())
    return ".P".join(share) if share else text.upper()


def is_symbol(text: str) -> bool:
    """Return whether a text has only the characters that symbols have."""
    return _SYMBOL.fullmatch(text) is not None


def _notation(text: str) -> Contract | None:
    if match := _CODE.fullmatch(text):
        root, day, side, digits = match.groups()
        day, side = day[-6:], side[0]
        if len(digits) > 1 and digits.startswith("0") and len(digits) < 8 and "." not in digits:
            return None  # 00200: dollars or thousandths?
        strike = Decimal(digits) / 1000 if len(digits) == 8 and "." not in digits else Decimal(digits)
        return _contract(root, f"20{day[:2]}-{day[2:4]}-{day[4:]}", side, strike)
    if match := _MONTH_FIRST_CODE.fullmatch(text):
        root, day, side, digits = match.groups()
        return _contract(root, f"20{day[4:]}-{day[:2]}-{day[2:4]}", side, Decimal(digits))
    match = next(filter(None, (pattern.fullmatch(text) for pattern in _DASHED)), None)
    return _worded(match) if match else None


def _worded(match: re.Match[str]) -> Contract | None:
    root, day, side, price = match.group("root", "day", "side", "price")
    return _contract(root.replace("/", ""), _long_year(day), side[0], Decimal(price.replace(",", "")))


def _long_year(day: str) -> str:
    """Return a day in words with four digits for the year: JAN 17 '25 is JAN 17 2025."""
    head, apostrophe, year = day.rpartition("'")
    return f"{head}20{year}" if apostrophe and len(year) == 2 else day


def _contract(root: str, day: str, side: str, strike: Decimal) -> Contract | None:
    expiration = written_date(day, MONTH_FIRST)
    if expiration is None or not strike or strike * 1000 % 1 or strike >= 100_000:
        return None
    root = root.strip(".-")
    if not root:
        return None
    underlying = None if root[-1].isdigit() else _ROOTS.get(root, root)
    return Contract(root, underlying, expiration, "CALL" if side == "C" else "PUT", strike)
