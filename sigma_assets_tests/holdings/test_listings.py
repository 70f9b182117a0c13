"""Shares that are listed outside of the United States are no dollars, unless somebody says so."""

from datetime import date

import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.brokers.sources import read_mapping
from sigma_assets.holdings.reader import Holdings, ReadOptions, read_file, read_holdings

TODAY = date(2026, 1, 8)
OURS = "Symbol,Quantity,Entry Price Per Share,Entry Date"
TABLE = "Ticker,Shares,Purchase Price,Purchase Date"
ROW = "10,72.5,2024-03-04"
ABROAD = ["VOD.L", "SAP.DE", "SAP.F", "7203.T", "0700.HK", "SHOP.TO", "GIGA.V", "NESN.SW", "BHP.AX", "BTC-EUR"]
AMERICAN = [
    "AAPL", "BRK.B", "BF.B", "BF-B", "BRK/A", "RDS.A", "MKC.V", "BAC.PRL", "BAC.PL", "BAC-PL", "GS-PA", "GSpA", "XYZ.WS",
    "XYZ.WS.A", "XYZ.U", "XYZ.UN", "XYZ.R", "XYZ.RT", "XYZ.WI", "BTC-USD", "AMC.OLD", "SPY270219P00902000", "SPAXX**",
]  # fmt: skip


def read(text: str, **answers: object) -> Holdings:
    return read_file(text.encode(), "book.csv", TODAY, ReadOptions(**answers))  # type: ignore[arg-type]


def asked(holdings: Holdings) -> list[tuple[int | None, str | None]]:
    return [(doubt.line, doubt.value) for doubt in holdings.doubts if doubt.answer == "in_usd"]


@pytest.mark.parametrize(("header", "symbol"), [(OURS, each) for each in ABROAD] + [(TABLE, each) for each in ABROAD])
def test_the_currency_of_a_foreign_listing_is_asked_about(header, symbol):
    holdings = read(f"{header}\nAAPL,{ROW}\n{symbol},{ROW}\n{symbol},1,60,2024-03-05\n")

    assert asked(holdings) == [(3, symbol)]
    assert not read(f"{header}\n{symbol},{ROW}\n", in_usd=True).doubts


@pytest.mark.parametrize("header", [OURS, TABLE])
@pytest.mark.parametrize("symbol", AMERICAN)
def test_a_symbol_of_the_united_states_with_a_dot_is_not_asked_about(symbol, header):
    assert not read(f"{header}\n{symbol},{ROW}\n").doubts


def test_the_refusal_names_symbol_exchange_currency_and_what_to_do():
    with pytest.raises(HoldingsError) as refused:
        read_holdings(f"{TABLE}\nVOD.L,{ROW}\n".encode(), "book.csv", TODAY)

    assert str(refused.value) == (
        "book.csv:2: column Ticker: found 'VOD.L', expected prices in USD: `.L` is London, GBp. If the numbers are in USD"
        " all the same: `--usd`, or USD in a column Currency [ERR_POS_028]"
    )


def test_a_preferred_share_that_could_be_a_share_in_paris_is_told_how_to_be_written():
    (doubt,) = read(f"{TABLE}\nGS.PA,{ROW}\n").doubts

    assert "(a preferred share is written GS-PA)" in doubt.remedy
    assert read(f"{TABLE}\nGS-PA,{ROW}\n").lots["symbol"].tolist() == ["GS.PA"]
    assert not read(f"{OURS}\nGS.PA,{ROW}\n").doubts


@pytest.mark.parametrize("header", [OURS, TABLE])
def test_a_column_of_currencies_answers_row_by_row(header):
    holdings = read(f"{header},Currency\nVOD.L,{ROW},USD\nSAP.DE,{ROW},\n")

    assert asked(holdings) == [(3, "SAP.DE")]


def test_an_exchange_that_is_not_american_is_asked_about_once():
    rows = f"AAPL,{ROW},NASDAQ\nXOM,{ROW},NYSE Arca\nF,{ROW},NasdaqGS\nT,{ROW},\nVOD,{ROW},LSE\nBP,{ROW},LSE\n"

    assert asked(read(f"{TABLE},Exchange\n{rows}")) == [(6, "LSE")]
    assert asked(read(f"{OURS},Exchange\n{rows}")) == [(6, "LSE")]
    assert not read(f"{TABLE},Exchange\n{rows}", in_usd=True).doubts
    assert not read(f"{TABLE},Exchange\n{rows}", ignore_columns=frozenset({"exchange"})).doubts


def test_sales_of_foreign_listings_are_asked_about_too():
    text = "Date,Action,Symbol,Quantity,Price\n2024-03-04,Buy,VOD.L,10,72\n2024-03-05,Sell,VOD.L,10,73\n"

    assert asked(read(text)) == [(2, "VOD.L")]


def test_a_mapping_that_names_the_adr_is_not_asked_about_what_the_file_calls_it():
    mapping = "kind: lots\ncolumns: {symbol: A, quantity: B, price: C, date: D}\nsymbols: {VOD.L: VOD}"

    holdings = read(f"A,B,C,D\nVOD.L,{ROW}\nSAP.DE,{ROW}\n", source=read_mapping(mapping, "my.yaml"))

    assert asked(holdings) == [(3, "SAP.DE")]
    assert holdings.lots["symbol"].tolist() == ["VOD", "SAP.DE"]


def test_a_private_holding_may_be_named_like_a_listing():
    assert not read(f"{OURS},Investment Class\nFLAT.L,{ROW},PRIVATE\n").doubts


@pytest.mark.parametrize("line", ["Base currency: GBP", "Report,(amounts in CAD)", "Currency,EUR"])
def test_a_currency_above_the_table_is_asked_about(line):
    assert asked(read(f"{line}\n\n{TABLE}\nVOD,{ROW}\n")) == [(1, line)]


@pytest.mark.parametrize("line", ["Base currency: USD", "Prices of the NYSE", "My currency account"])
def test_a_line_above_the_table_that_states_no_other_currency_is_just_listed(line):
    holdings = read(f"{line}\n\n{TABLE}\nVOD,{ROW}\n")

    assert not holdings.doubts
    assert [each.line for each in holdings.skipped] == [1]


@pytest.mark.parametrize("name", ["Base CCY", "Instrument Currency", "Local Currency Code"])
def test_any_column_of_currencies_counts(name):
    with pytest.raises(HoldingsError, match=f"column {name}: found 'EUR', expected USD"):
        read(f"{TABLE},{name}\nAAPL,{ROW},USD\nSAP,{ROW},EUR\n")


def test_fees_in_another_currency_are_refused_where_the_trade_is_in_usd():
    header = "Date,Action,Symbol,Quantity,Price,Currency,Brokerage,Brokerage Currency"

    with pytest.raises(HoldingsError, match="column Brokerage Currency: found 'GBP'"):
        read(f"{header}\n2024-03-04,Buy,VOD,10,72,USD,9.95,GBP\n")


def test_symbols_behind_an_american_exchange_are_read():
    holdings = read(f"{TABLE}\nNASDAQ:AAPL,{ROW}\nNYSE:BRK.B,{ROW}\nMUTF: VFIAX,{ROW}\n")

    assert holdings.lots["symbol"].tolist() == ["AAPL", "BRK.B", "VFIAX"]
    with pytest.raises(HoldingsError, match="found 'LON:VOD'"):
        read(f"{TABLE}\nLON:VOD,{ROW}\n")


@pytest.mark.parametrize(
    "exchange", ["SMART", "UW", "N", "XNAS", "NASDAQ-GS", "OPRA", "Mutual Fund", "Crypto", "None", "--"]
)
def test_an_american_exchange_or_none_is_not_asked_about(exchange):
    assert not read(f"{TABLE},Exchange\nAAPL,10,150,2024-03-14,{exchange}\n").doubts


@pytest.mark.parametrize("name", ["Currency", "Quote ccy", "Trading currency", "Base currency"])
def test_each_column_that_is_held_against_usd_answers_for_its_rows(name):
    assert not read(f"{TABLE},{name}\nVOD.L,10,150,2024-03-14,USD\n").doubts
