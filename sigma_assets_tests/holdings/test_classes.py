"""Files of classes: what they mean, and every way to get one wrong."""

import pytest

from sigma_assets.base.errors import HoldingsError
from sigma_assets.holdings.classes import read_classes


def test_look_through_is_several_rows_and_a_blank_weight_is_the_whole():
    content = b"\xef\xbb\xbfClass,Symbol,Scheme,Weight\n# sectors\nTech,vti,sector,0.3\nOther,VTI,sector,0.7\n\n"
    content += b"Tech,AAPL,sector,\n"

    rows = read_classes(content, "classes.csv")

    assert [(row.symbol, row.scheme, row.class_name, row.weight) for row in rows] == [
        ("VTI", "sector", "Tech", 0.3),
        ("VTI", "sector", "Other", 0.7),
        ("AAPL", "sector", "Tech", 1.0),
    ]


def test_a_symbol_is_spelled_as_that_of_a_holding():
    """Three notations of one share and one contract; the weights of a symbol add up whatever its notation."""
    content = b"symbol,scheme,class,weight\nBRK-B,sector,Financials,0.6\nbrk/b,sector,Energy,0.4\n"
    content += b"BACpB,sector,Financials,\n.AAPL250117C200,sector,Tech,\n"

    rows = read_classes(content, "classes.csv")

    assert [row.symbol for row in rows] == ["BRK.B", "BRK.B", "BAC.PB", "AAPL250117C00200000"]
    with pytest.raises(HoldingsError, match="expected a class not yet in line 2"):
        read_classes(content.replace(b"Energy", b"Financials"), "classes.csv")


@pytest.mark.parametrize(
    ("symbol", "code", "message"),
    [
        (b"AAPL251317C00200000", "ERR_POS_025", "looks like an option contract, but is none"),
        (b"^GSPC", "ERR_POS_003", "other characters"),
        (b"A" * 101, "ERR_POS_002", "101 characters"),
        (b"", "ERR_POS_001", "empty"),
    ],
)
def test_what_cannot_be_the_symbol_of_a_holding_has_the_error_that_it_has_there(symbol: bytes, code: str, message: str):
    with pytest.raises(HoldingsError) as error:
        read_classes(b"symbol,scheme,class\n" + symbol + b",sector,Tech\n", "classes.csv")

    assert [(one.code, one.line, one.column, one.message) for one in error.value.problems] == [
        (code, 2, "symbol", message)
    ]


def test_all_problems_come_together_with_their_lines():
    content = b"symbol,scheme,class,weight\nVTI,sector,Tech,0.3\nVTI,sector,Tech,0.3\n,sector,Tech,1\n"
    content += b"AAPL,sector,Tech,2\nA,b,c,1,9\n"

    with pytest.raises(HoldingsError) as error:
        read_classes(content, "classes.csv")

    text = str(error.value)
    assert "classes.csv:3: column class: found 'Tech', expected a class not yet in line 2" in text
    assert "classes.csv:3: column weight: found '0.6', expected weights of VTI and sector that add up to 1" in text
    assert "classes.csv:4: column symbol: found ''" in text
    assert "classes.csv:5: column weight: found '2', expected a number above 0, at most 1" in text
    assert "classes.csv:6:" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no rows; expected the header"),
        (b"\xff\xfe", "not UTF-8"),
        (b"symbol,class\nA,b\n", "missing column scheme"),
        (b"symbol,scheme,class,colour\nA,b,c,d\n", "unknown column colour"),
        (b"symbol,scheme,class,weight\nA,b,c,nan\n", "expected a number above 0"),
        (b"symbol,scheme,class\n", "a header and no rows"),
        (
            b"symbol,scheme,class\nA,Kind of Holding,c\n",
            "column scheme: found 'Kind of Holding', expected another name",
        ),
        (b"symbol,scheme,class\nA,sector,unclassified\n", "column class: found 'unclassified', expected another name"),
    ],
)
def test_a_file_that_is_something_else_is_refused(content: bytes, words: str):
    with pytest.raises(HoldingsError) as error:
        read_classes(content, "classes.csv")

    assert words in str(error.value)
