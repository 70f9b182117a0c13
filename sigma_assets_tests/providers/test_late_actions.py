"""A split or dividend that a source publishes after its session was stored is noticed by the nights that follow."""

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from sigma_assets.prices.changes import changed_prices
from sigma_assets.prices.gaps import missing_prices
from sigma_assets.prices.late_actions import late_actions
from sigma_assets.prices.storing import reload, store_bars, stored_bars
from sigma_assets.prices.tables import latest_revision
from sigma_assets.providers.actions import Action, Statement
from sigma_assets.providers.base import BAR_COLUMNS, PriceProvider
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.providers.loopback import Loopback
from sigma_assets_tests.providers.massive.fake_massive import CALENDAR, dividend, provider_at, sessions_between, split
from sigma_assets_tests.providers.yahoo import test_yahoo as yahoo_tests
from sigma_assets_tests.providers.yahoo.fake_yahoo import CHART, FakeYahoo, Listing
from sigma_assets_tests.templates import migrated_sqlite

fresh_yfinance = yahoo_tests.fresh_yfinance
DAYS = sessions_between("2025-02-24", "2025-03-14")
NIGHTS = DAYS[-5:]
CLOSES = dict(zip(DAYS, [100.0 + at for at in range(12)] + [56.0, 57.0, 58.0], strict=True))


class Source:
    """A live source that publishes an action on a night of the test's choice, and a database that follows it."""

    def __init__(self, database: Database, at: Callable[[date], PriceProvider], calls: Callable[[], int]) -> None:
        self.database, self.at, self.calls = database, at, calls

    def night(self, last: date, database: Database | None = None) -> int:
        """Load what is missing up to a session, as its nightly run does; return the rows corrected."""
        target = database or self.database
        days = [day for day in DAYS if day <= last]
        wanted = missing_prices(target, ["AAA", "BBB"], days, last)
        return sum(store_bars(target, bars) for bars in self.at(last).daily_bars(wanted))

    def rows(self, database: Database | None = None) -> pd.DataFrame:
        """Return what is stored of AAA."""
        return stored_bars(database or self.database, ["AAA"], DAYS[0], DAYS[-1])


def database_at(path: Path) -> Database:
    """Return an empty database."""
    shutil.copy(migrated_sqlite(), path)
    return Database(f"sqlite:///{path}")


class OnMassive(Source):
    """Massive; BBB pays on each Monday, so that an answer about the last weeks is never empty."""

    def __init__(self, database: Database, server: Loopback, market, clock) -> None:
        super().__init__(
            database,
            lambda last: provider_at(server, clock, current_session=last),
            lambda: len(server.requests),
        )
        self.market = market
        market.prices("AAA", dict(CLOSES))
        market.prices("BBB", dict.fromkeys(DAYS, 10.0))
        market.dividends = [dividend("BBB", day, 0.1) for day in ("2025-02-24", "2025-03-03", "2025-03-10")]

    def pays(self, day: date, amount: float) -> None:
        """Publish a dividend of AAA."""
        self.market.dividends.append(dividend("AAA", str(day), amount))

    def splits(self, day: date, ratio: int) -> None:
        """Publish a split of AAA."""
        self.market.splits.append(split("AAA", str(day), 1, ratio))

    def withdraws(self) -> None:
        """Take back what was published of AAA."""
        self.market.dividends = [each for each in self.market.dividends if each["ticker"] != "AAA"]


class OnYahoo(Source):
    """Yahoo; its prices are divided by every split that it knows of."""

    def __init__(self, database: Database, server: Loopback, market: FakeYahoo, clock) -> None:
        def at(last: date) -> PriceProvider:
            market.now = last
            return yahoo_tests.provider_at(server, clock, market)

        super().__init__(database, at, lambda: len(server.paths(CHART)))
        self.listing = market.listings["AAA"] = Listing(dict(CLOSES))
        market.listings["BBB"] = Listing(dict.fromkeys(DAYS, 10.0))

    def pays(self, day: date, amount: float) -> None:
        """Publish a dividend of AAA."""
        self.listing.dividends[day] = amount

    def splits(self, day: date, ratio: int) -> None:
        """Publish a split of AAA."""
        self.listing.splits[day] = (ratio, 1)

    def withdraws(self) -> None:
        """Take back what was published of AAA."""
        self.listing.dividends.clear()


@pytest.fixture(params=["massive", "yahoo"])
def source(request, tmp_path, massive, market, clock) -> Iterator[Source]:
    """Return each source, with everything stored up to the Monday."""
    database = database_at(tmp_path / "nights.sqlite")
    if request.param == "massive":
        made: Source = OnMassive(database, massive, market, clock)
        made.night(NIGHTS[0])
        yield made
        return
    charts = FakeYahoo(now=NIGHTS[0])
    with Loopback(charts.answer).running() as server:
        made = OnYahoo(database, server, charts, clock)
        made.night(NIGHTS[0])
        yield made


def changed_since(source: Source, revision: int) -> list[tuple[str, date]]:
    """Return the rows that later loads wrote."""
    rows = changed_prices(source.database, revision)
    return [(row.symbol, row.session.date()) for row in rows.itertuples()]


def test_a_dividend_that_is_published_late_is_found_by_the_next_night_and_once(source, caplog):
    source.night(NIGHTS[1])
    before, revision, calls = source.rows(), latest_revision(source.database), source.calls()
    source.pays(DAYS[4], 0.25)

    corrected = source.night(NIGHTS[2])

    after = source.rows()
    assert corrected == 1
    assert f"AAA: dividend 0.25 on {DAYS[4]} became known late" in caplog.text
    assert [row for row in changed_since(source, revision) if row[1] != NIGHTS[2]] == [("AAA", DAYS[4])]
    assert after["dividend"].tolist() == [0.25 if day == DAYS[4] else 0.0 for day in DAYS[:13]]
    prices = ["session", "open", "high", "low", "close", "volume", "split_factor"]
    pd.testing.assert_frame_equal(after[prices].iloc[:-1], before[prices])
    assert source.calls() - calls == {OnMassive: 3, OnYahoo: 2}[type(source)]
    assert source.night(NIGHTS[3]) == 0


def test_nothing_is_asked_a_second_time_on_one_night(source):
    source.night(NIGHTS[1])
    calls = source.calls()

    assert source.night(NIGHTS[1]) == 0
    assert source.calls() == calls


def test_a_split_that_is_published_late_leaves_the_closes_as_traded(source, caplog):
    for night in NIGHTS[1:4]:
        source.night(night)
    source.splits(NIGHTS[2], 2)

    source.night(NIGHTS[4])

    rows = source.rows()
    assert rows["close"].tolist() == list(CLOSES.values())
    assert rows["split_factor"].tolist() == [2.0 if day == NIGHTS[2] else 1.0 for day in DAYS]
    assert f"AAA: split 2 on {NIGHTS[2]} became known late" in caplog.text


def test_a_dividend_that_is_withdrawn_or_corrected_follows_the_source(source, caplog):
    source.pays(NIGHTS[1], 0.25)
    source.night(NIGHTS[1])
    source.withdraws()
    source.pays(NIGHTS[1], 0.27)
    source.night(NIGHTS[2])
    assert source.rows()["dividend"].sum() == 0.27
    assert f"AAA: dividend on {NIGHTS[1]} was corrected from 0.25 to 0.27" in caplog.text
    source.withdraws()

    source.night(NIGHTS[3])

    assert source.rows()["dividend"].sum() == 0.0
    assert f"AAA: dividend 0.27 on {NIGHTS[1]} was withdrawn" in caplog.text


def test_after_late_news_the_nights_have_the_rows_of_an_onboarding(source, tmp_path):
    source.night(NIGHTS[1])
    source.pays(DAYS[4], 0.25)
    source.night(NIGHTS[2])
    source.splits(NIGHTS[2], 2)
    source.pays(NIGHTS[3], 0.5)
    source.night(NIGHTS[3])
    source.night(NIGHTS[4])

    onboarded = database_at(tmp_path / "onboarded.sqlite")
    source.night(NIGHTS[4], onboarded)

    assert source.rows()["split_factor"].prod() == 2.0
    assert source.rows()["dividend"].sum() == 0.75
    pd.testing.assert_frame_equal(source.rows(), source.rows(onboarded))


def test_a_source_looks_back_four_weeks(source):
    source.pays(DAYS[4], 0.25)
    statements = [each for bars in source.at(DAYS[-1]).daily_bars({"AAA": DAYS[-1:]}) for each in bars.statements]

    assert {(DAYS[-1] - each.after).days for each in statements} <= {28, 18}, "18: the fake Yahoo has no older bar"
    assert len(statements) == 1


def test_an_empty_answer_about_everybody_withdraws_nothing(tmp_path, massive, market, clock):
    source = OnMassive(database_at(tmp_path / "s.sqlite"), massive, market, clock)
    source.pays(DAYS[4], 0.25)
    source.night(NIGHTS[1])
    market.dividends.clear()

    assert source.night(NIGHTS[2]) == 0
    assert source.rows()["dividend"].sum() == 0.25


def test_a_late_dividend_on_a_session_without_a_bar_stands_in_the_next_row_and_stays_there(
    tmp_path, massive, market, clock
):
    """The row carries the cash across a day without a price, as it does when the dividend is known in time."""
    source = OnMassive(database_at(tmp_path / "s.sqlite"), massive, market, clock)
    del market.bars["AAA"][11]
    source.night(NIGHTS[3])
    source.pays(DAYS[11], 0.25)

    assert [source.night(NIGHTS[4]), source.night(NIGHTS[4])] == [1, 0]

    rows = source.rows().set_index("session")["dividend"]
    assert rows[rows > 0].to_dict() == {pd.Timestamp(DAYS[12]): 0.25}
    onboarded = database_at(tmp_path / "onboarded.sqlite")
    source.night(NIGHTS[4], onboarded)
    pd.testing.assert_frame_equal(source.rows(), source.rows(onboarded))
    for some in (source.rows(), source.rows().iloc[-3:]):
        assert reload(source.database, CALENDAR, source.at(NIGHTS[4]), some).corrections == ()


def stored_rows(*dividends: float, source: str = "massive") -> pd.DataFrame:
    """Return rows of AAA on the last sessions."""
    days = DAYS[-len(dividends) :]
    rows = pd.DataFrame({"symbol": "AAA", "session": pd.to_datetime(days).astype("datetime64[s]"), "source": source})
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 10.0)
    return rows.assign(**prices, split_factor=1.0, dividend=dividends)[[*BAR_COLUMNS, "source"]]


def says(**actions: Action) -> Statement:
    """Return a statement about the last four sessions; `d1` is the first of them."""
    return Statement("AAA", DAYS[-5], DAYS[-1], {DAYS[-5 + int(name[1:])]: each for name, each in actions.items()})


def test_rows_from_another_source_are_not_judged():
    rows = stored_rows(0.0, 0.0, 0.0, 0.0, 0.0, source="yahoo")

    assert late_actions(rows, [says(d2=Action(dividend=1.0))], "massive").empty


def test_a_row_whose_predecessor_is_before_the_statement_is_not_judged():
    """Its dividend may have been carried from a day that nothing is said of."""
    rows = stored_rows(0.0, 0.0, 0.5, 0.0, 0.0, 0.0)

    assert late_actions(rows.drop(1), [says()], "massive").empty
    assert late_actions(rows, [says()], "massive")["session"].tolist() == [pd.Timestamp(DAYS[-4])]


def test_a_split_that_cannot_be_read_says_nothing_of_its_symbol():
    rows = stored_rows(0.0, 0.0, 0.0, 0.0, 0.0)

    assert late_actions(rows, [says(d1=Action(float("nan")), d3=Action(dividend=1.0))], "massive").empty


def test_a_renamed_symbol_gains_what_is_stated_and_loses_nothing_that_is_not():
    rows = stored_rows(0.0, 0.5, 0.0, 0.0, 0.0)

    found = late_actions(rows, [says(d3=Action(2.0))], "massive", {"AAA"})

    assert found[["dividend", "split_factor"]].to_numpy().tolist() == [[0.0, 2.0]]
    assert len(late_actions(rows, [says(d3=Action(2.0))], "massive")) == 2


def test_what_rounding_makes_of_a_dividend_after_a_later_split_is_no_correction():
    """Yahoo's 0.47 is 0.156667 after a 3-for-1 split, and 0.470001 multiplied back."""
    rows = stored_rows(0.0, 0.47, 0.0, 0.0, 0.0)

    assert late_actions(rows, [says(d1=Action(dividend=0.470001))], "massive").empty


def test_a_correction_keeps_a_symbol_that_its_source_calls_delisted_so(tmp_path, massive, market, clock):
    source = OnMassive(database_at(tmp_path / "s.sqlite"), massive, market, clock)
    source.night(NIGHTS[1])
    market.bars["AAA"] = [bar for bar in market.bars["AAA"] if bar["c"] != CLOSES[NIGHTS[3]] and bar["c"] != 58.0]
    del market.details["AAA"]
    market.delisted["AAA"] = {"ticker": "AAA", "active": False, "delisted_utc": f"{NIGHTS[3]}T00:00:00Z"}
    source.pays(DAYS[4], 0.25)

    assert source.night(NIGHTS[3]) == 1

    with source.database.read() as connection:
        status = connection.execute(sa.text("SELECT status FROM symbols WHERE symbol = 'AAA'")).scalar_one()
    assert status == "delisted"
    assert source.rows()["session"].max() == pd.Timestamp(NIGHTS[2])
