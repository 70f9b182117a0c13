"""Listings outside of the United States, whose prices are probably not in USD: asked about unless the file says so."""

import re

from sigma_assets.base.contracts import preferred_share
from sigma_assets.base.numerals import NOTHING
from sigma_assets.holdings.brokers.sources import Source
from sigma_assets.holdings.files.cells import Cells
from sigma_assets.holdings.files.columns import is_currency
from sigma_assets.holdings.files.findings import Doubt

_PLACES = """
L LSE UK LN: London, GBp; IL: London, USD or another; DE XETRA F BE DU HM HA MU SG: Germany, EUR; PA: Paris, EUR;
AS: Amsterdam, EUR; BR: Brussels, EUR; LS: Lisbon, EUR; MI: Milan, EUR; MC: Madrid, EUR; VI: Vienna, EUR; IR: Dublin, EUR;
HE: Helsinki, EUR; AT: Athens, EUR; SW VX: Switzerland, CHF; ST: Stockholm, SEK; OL: Oslo, NOK; CO: Copenhagen, DKK;
IC: Reykjavik, ISK; TO TSX V CN NE: Canada, CAD; T JP: Tokyo, JPY; HK: Hong Kong, HKD; SS SZ SHH SHZ: China, CNY;
KS KQ: Korea, KRW; TW TWO: Taiwan, TWD; SI: Singapore, SGD; AX AU: Australia, AUD; NZ: New Zealand, NZD; NS BO: India, INR;
JK: Jakarta, IDR; KL: Malaysia, MYR; BK: Bangkok, THB; VN: Vietnam, VND; SA: Brazil, BRL; MX: Mexico, MXN;
BA: Buenos Aires, ARS; SN: Santiago, CLP; TA: Tel Aviv, ILS; JO: Johannesburg, ZAc; IS: Istanbul, TRY; WA: Warsaw, PLN;
PR: Prague, CZK; BD: Budapest, HUF; ME: Moscow, RUB; SR: Saudi Arabia, SAR; QA: Qatar, QAR; CR: Caracas, VES
"""
"""Suffixes as in `VOD.L`: those of Yahoo Finance (help page `Exchanges and data providers`), and usual ones of others."""
_LISTED = {
    suffix: place.strip()
    for suffixes, place in (each.split(":") for each in _PLACES.replace("\n", " ").split(";"))
    for suffix in suffixes.split()
}
_SUFFIXED = re.compile(r"[A-Z0-9][A-Z0-9&-]*\.([A-Z]{1,5})")
_OTHERS = "EUR|GBP|GBX|CHF|CAD|JPY|AUD|NZD|HKD|SGD|SEK|NOK|DKK|PLN|INR|KRW|BRL|MXN|ZAR|ILS|CNY"
_PAIR = re.compile(rf"[A-Z0-9]+-({_OTHERS})")
_STATED = re.compile(rf"(?i:\b(?:currency|ccy|amounts|values|prices)\b(?: (?:is|are|in|code))*)[ :,=(-]*({_OTHERS})\b")
_NOT_FOREIGN = frozenset({"MKC.V"})
"""Share classes of the United States with the letter of an exchange elsewhere."""
_AMERICAN = re.compile(
    r"(?:nasdaq|nyse|otc|(?:new york|amex|arca|bats|bzx|cboe|pink|iex|island|smart|usa?|u\.s\.|united states|mutf"
    r"|mutual funds?|u[anpqrsvw]|ngs|nms|ngm|ncm|nyq|nys|pcx|ase|pnk|xnas|xnys|xngs|xncm|arcx|xase|xcbo|bato|opra)"
    r"(?![a-z])).*|n|-*|n/?a|none|unknown|private|crypto.*|coinbase|ccc",
    re.IGNORECASE,
)
"""Exchanges of the United States by name, by code (MIC, Yahoo, Bloomberg), and words that name no exchange at all."""


def foreign_listing(symbol: str) -> str | None:
    """Return where a symbol, as it is written, is listed outside of the United States, and in which currency; else None.

    Examples
    --------
    >>> [foreign_listing(symbol) for symbol in ("VOD.L", "7203.T", "BTC-EUR")]
    ['`.L` is London, GBp', '`.T` is Tokyo, JPY', '`-EUR` is a pair, EUR']
    >>> {foreign_listing(symbol) for symbol in ("BRK.B", "BF-B", "BAC.PRL", "GS-PA", "XYZ.WS", "XYZ.U", "MKC.V", "BTC-USD")}
    {None}
    """
    upper = symbol.upper()
    if match := _PAIR.fullmatch(upper):
        return f"`-{match[1]}` is a pair, {match[1]}"
    suffix = match[1] if (match := _SUFFIXED.fullmatch(upper)) and upper not in _NOT_FOREIGN else ""
    return f"`.{suffix}` is {_LISTED[suffix]}" if suffix in _LISTED else None


def ask_about_listings(cells: Cells) -> None:
    """Ask about symbols and exchanges outside of the United States, and about another currency above the table.

    Not where a column of currencies says one: if that is not USD, it is refused elsewhere. Private holdings have names of
    their owner, and our own format writes a preferred share of series A as `GS.PA`, like a share in Paris.
    """
    table = cells.table
    is_open = cells.is_empty("currency") & ~cells.texts("class").having(lambda text: text.upper() == "PRIVATE")
    for column in [column for name, column in table.unknown.items() if is_currency(table, name)]:
        is_open &= column.among(NOTHING)
    for name in ("symbol", "exchange"):
        texts = cells.texts(name)
        for text in texts.distinct:
            where, hint = _place(name, text, table.source)
            if where and (rows := is_open & texts.among([text])).any():
                _ask(cells, table.lines[int(rows.argmax())], table.label(name), text, f"{where}{hint}")
    for each in cells.findings.skipped if is_open.any() else ():
        if each.line < table.header_line and not table.source.section and (match := _STATED.search(each.text)):
            _ask(cells, each.line, None, each.text, f"this states {match[1]} for the file")


def _place(name: str, text: str, source: Source) -> tuple[str | None, str]:
    """Return where a symbol or an exchange is, None for one in the United States, and a hint to another way to write it."""
    if name == "exchange":
        return None if _AMERICAN.fullmatch(text) else "not known as an exchange of the United States", ""
    written = source.symbols.get(text.upper(), text)
    is_preferred = preferred_share(written.upper()) is not None
    where = None if is_preferred and source.is_strict else foreign_listing(written)
    return where, f" (a preferred share is written {written.replace('.', '-')})" if is_preferred else ""


def _ask(cells: Cells, line: int, column: str | None, text: str, where: str) -> None:
    remedy = f"prices in USD: {where}. If the numbers are in USD all the same: `--usd`, or USD in a column Currency"
    question = f"{where}: are the numbers in the file in USD?"
    cells.findings.doubts.append(Doubt("ERR_POS_028", line, column, text, question, remedy, "in_usd"))
