"""The sample books are sound on any day."""

from datetime import date

import pandas as pd
import pytest

from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.base.errors import CalendarError
from sigma_assets.holdings.portfolio import check_portfolio
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.holdings.samples import sample_books


def flat_close(symbol: str, session: date) -> float:
    return 100.0


def read_books(last: date) -> tuple[list[date], pd.DataFrame, pd.DataFrame]:
    sessions = as_dates(nyse_calendar().between(date(2018, 1, 2), last))
    balanced, long_short = [
        read_holdings(book.csv.encode(), book.file_name, last) for book in sample_books(sessions, flat_close)
    ]
    return sessions, balanced, long_short


@pytest.mark.parametrize("last", [date(2019, 12, 31), date(2024, 2, 29), date(2026, 1, 8), date(2026, 7, 2)])
def test_the_balanced_book_has_13_holdings_3_of_them_factor_etfs_entered_254_sessions_back(last):
    sessions, balanced, _ = read_books(last)

    assert len(balanced) == 13
    assert len(set(balanced["symbol"]) & set(FACTOR_ETFS)) == 3
    assert len(set(balanced["symbol"]) | set(FACTOR_ETFS)) == 27
    assert set(balanced["entry_date"]) == {pd.Timestamp(sessions[-254])}


@pytest.mark.parametrize("last", [date(2019, 12, 31), date(2024, 2, 29), date(2026, 1, 8), date(2026, 7, 2)])
def test_the_long_short_book_has_shorts_closed_lots_an_option_and_a_private_lot(last):
    _, _, lots = read_books(last)

    assert (lots["quantity"] < 0).sum() >= 3
    assert lots["exit_date"].notna().sum() == 2
    assert lots["entry_date"].nunique() == 4
    assert sorted(set(lots["investment_class"])) == ["OPTIONS", "PRIVATE", "PUBLIC"]
    assert (lots["expiration_date"].dropna() > pd.Timestamp(last)).all()
    assert lots["expiration_date"].dropna().dt.day_name().to_list() == ["Friday"]


def test_the_sample_portfolios_pass_the_checks_of_a_portfolio():
    sessions = as_dates(nyse_calendar().between(date(2024, 1, 2), date(2026, 1, 8)))

    for book in sample_books(sessions, flat_close):
        assert check_portfolio(book.name, f"{book.initial_equity_usd:.2f}", book.account_type, []) == []


def test_a_calendar_too_short_for_the_samples_is_refused():
    with pytest.raises(CalendarError, match="need 254 sessions; found 10"):
        sample_books([date(2024, 1, day) for day in range(1, 11)], flat_close)
