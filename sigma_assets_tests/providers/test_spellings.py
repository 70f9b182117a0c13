"""Each source has its own spelling of share classes and preferred shares."""

import pytest

from sigma_assets.providers.massive.quotes import to_ticker
from sigma_assets.providers.yahoo.provider import _yahoo_name


@pytest.mark.parametrize(
    ("symbol", "at_massive", "at_yahoo"),
    [
        ("AAPL", "AAPL", "AAPL"),
        ("BRK.B", "BRK.B", "BRK-B"),
        ("BRK-B", "BRK.B", "BRK-B"),
        ("BAC.PB", "BACpB", "BAC-PB"),
        ("BAC.PRB", "BACpB", "BAC-PB"),
        ("BF.P", "BF.P", "BF-P"),
    ],
)
def test_a_symbol_at_each_source(symbol, at_massive, at_yahoo):
    assert (to_ticker(symbol), _yahoo_name(symbol)) == (at_massive, at_yahoo)
