"""Holdings files that the tests type in."""

HOLDINGS = """\
# ten sessions before 2024-03-15
Symbol,Quantity,Entry Price Per Share,Entry Date
AAPL,100,180.5,2024-03-04
msft,50,410,2024-03-04
SPY,40,500.25,2024-03-06
VFIAX,60,450,2024-03-04
"""

BAD_HOLDINGS = """\
Symbol,Quantity,Entry Price Per Share,Entry Date
AAPL,ten,180.5,2024-03-04
,50,410,04.03.2024
"""
