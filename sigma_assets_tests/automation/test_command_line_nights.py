"""Nights from the command line alone: no daemon runs, and `sigma-assets run` finds what changed at the price source."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa

from sigma_assets.automation.execution import execute
from sigma_assets.automation.inputs import adopt_portfolios
from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets.runs.tags import PRICES_LATE, PlannedRun
from sigma_assets_tests.automation.world import World, lots

CALENDAR = nyse_calendar()
DAYS = as_dates(CALENDAR.between(date(2024, 1, 2), date(2024, 2, 9)))
ENTRY, CORRECTED, HOLE, LAST = DAYS[-6], DAYS[-4], DAYS[-3], DAYS[-1]


class Night(World):
    """A portfolio of 1,000 FUND entered at 10, and a price file that somebody edits."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "prices.csv"
        rows = [(day, symbol, 10.0) for symbol in ("FUND", "AAA", "SPY") for day in DAYS]
        self.table = pd.DataFrame(rows, columns=["date", "symbol", "close"]).set_index(["date", "symbol"])["close"]

        def write(**changes: float) -> None:
            self.table.to_csv(self.file)

        write()
        super().__init__(folder / "home", f"files:{self.file}")
        self.portfolio_id = self.add("funds", lots({"FUND": 1000.0}, ENTRY, 10.0), ENTRY)

    def set(self, day: date, symbol: str, close: float | None) -> None:
        """Write, correct or (None) delete a line of the file."""
        if close is None:
            self.table = self.table.drop((day, symbol))
        else:
            self.table.loc[(day, symbol)] = close
        self.table.to_csv(self.file)

    def equity(self) -> dict[date, float]:
        """Return equity per session."""
        with self.database.read() as connection:
            rows = connection.execute(sa.text("SELECT session, equity FROM portfolio_snapshots ORDER BY session")).all()
        return {date.fromisoformat(str(day)[:10]): equity for day, equity in rows}

    def stored_close(self, symbol: str, day: date) -> float:
        """Return the close in symbol_metrics."""
        query = "SELECT close FROM symbol_metrics WHERE symbol = :symbol AND session = :day"
        with self.database.read() as connection:
            return connection.execute(sa.text(query), {"symbol": symbol, "day": day.isoformat()}).scalar_one()


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    night = Night(tmp_path)
    yield night
    night.close()


def test_a_price_that_came_late_is_found_and_heals_and_nothing_is_run_twice(night: Night):
    """Scenario 17; v0.1 said "nothing is missing", and equity stayed wrong."""
    night.set(LAST, "FUND", None)
    night.bring()
    assert night.equity()[LAST] == 100_000.0

    night.set(LAST, "FUND", 9.5)
    healed = night.bring()

    assert all(outcome.succeeded for outcome in healed)
    assert night.equity()[LAST] == 99_500.0
    assert {day for day, value in night.equity().items() if value != 100_000.0} == {LAST}
    assert night.bring() == []


def test_a_price_added_in_the_middle_and_a_corrected_one_heal(night: Night):
    """The symbol has prices before and after the hole: no price of it was expected any more."""
    night.set(HOLE, "FUND", None)
    night.bring()

    night.set(HOLE, "FUND", 11.0)
    night.set(CORRECTED, "FUND", 12.0)
    night.bring()

    expected = dict.fromkeys(night.equity(), 100_000.0) | {HOLE: 101_000.0, CORRECTED: 102_000.0}
    assert night.equity() == expected


def test_a_corrected_price_from_before_anybody_held_the_symbol_heals_its_metrics(night: Night):
    """AAA is held from the last day on alone, by a portfolio of its own: no row of a portfolio reads the earlier price."""
    night.add("late", lots({"AAA": 10.0}, LAST, 10.0), LAST)
    night.bring()
    assert night.stored_close("AAA", CORRECTED) == 10.0

    night.set(CORRECTED, "AAA", 12.0)
    healed = night.bring()

    assert all(outcome.succeeded for outcome in healed)
    assert night.stored_close("AAA", CORRECTED) == 12.0
    assert night.bring() == []


def test_a_corrected_price_from_before_a_portfolio_held_the_symbol_heals_its_metrics_by_that_portfolio(night: Night):
    """The universe never ran: the portfolio's own runs made the metrics of all its symbols on all its sessions."""
    later = night.add("later", pd.concat([lots({"FUND": 10.0}, ENTRY, 10.0), lots({"AAA": 1.0}, LAST, 10.0)]), ENTRY)
    night.bring(later)
    assert night.stored_close("AAA", CORRECTED) == 10.0

    night.set(CORRECTED, "AAA", 12.0)
    night.bring(later)

    assert night.stored_close("AAA", CORRECTED) == 12.0
    assert {outcome.planned.reason for outcome in night.bring(later)} <= {PRICES_LATE}, "only the source is asked again"


def test_a_late_price_is_found_when_only_one_portfolio_is_asked_for(night: Night):
    night.set(LAST, "FUND", None)
    night.bring(night.portfolio_id)

    night.set(LAST, "FUND", 9.5)
    night.bring(night.portfolio_id)

    assert night.equity()[LAST] == 99_500.0


def test_a_corrected_line_is_found_when_only_one_portfolio_is_asked_for(night: Night):
    """And what other portfolios hold is left for `run` without a portfolio, which still finds it."""
    night.bring()
    night.set(CORRECTED, "FUND", 12.0)

    night.bring(night.portfolio_id)

    assert night.equity() == dict.fromkeys(night.equity(), 100_000.0) | {CORRECTED: 102_000.0}
    assert not night.price_source.is_asked(), "the rest of the universe was not looked at"


def test_a_file_that_is_written_anew_with_the_same_rows_is_no_news(night: Night):
    """Every minute, by a cron job: the target session of the universe ran again each time. A changed line is news."""
    night.bring()
    before = night.price_source.fingerprint()
    os.utime(night.file, ns=(1, 1))
    assert night.price_source.fingerprint() == before
    night.file.write_text(night.file.read_text() + "\n")
    assert night.price_source.fingerprint() == before
    assert night.price_source.is_asked()

    night.set(CORRECTED, "FUND", 12.0)

    assert night.price_source.fingerprint() != before
    assert not night.price_source.is_asked()


def test_a_symbol_that_another_source_knows_is_asked_for_again(night: Night, tmp_path: Path):
    """v0.1 kept the gap of the first source: the setting changed, and the symbol stayed unknown."""
    for day in DAYS:
        night.set(day, "FUND", None)
    night.bring()
    assert set(night.equity().values()) == {100_000.0}

    other = tmp_path / "other.csv"
    whole = night.table.reset_index()
    fund = whole[whole["symbol"] == "SPY"].assign(symbol="FUND", close=13.0)
    pd.concat([whole, fund]).to_csv(other, index=False)
    night.prices(f"files:{other}")
    night.bring()

    assert set(night.equity().values()) == {103_000.0}


def test_a_run_over_sessions_before_the_inception_fails_and_says_why(night: Night):
    """As from a click in the UI; v0.1 succeeded with 0 rows."""
    adopt_portfolios(night.instance, night.tables, "command")
    planned = PlannedRun(("price_coverage", "portfolio_snapshots"), DAYS[0], DAYS[1], (night.portfolio_id,))
    failures = []

    def on_event(_: PlannedRun, event: dg.DagsterEvent) -> None:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            failures.append(str(event.step_failure_data.error))

    outcome = execute(night.definitions, night.instance, night.tables.roster(), planned, "admin", on_event)

    assert outcome is not None
    assert not outcome.succeeded
    assert f"every portfolio asked for begins later (funds on {ENTRY})" in failures[0]


def test_a_source_that_ends_before_a_portfolio_begins_is_no_error(night: Night):
    """v0.1 raised IndexError in `run` and at every tick, once prices had been corrected."""
    night.bring()
    night.table = night.table[[day < ENTRY for day, _ in night.table.index]]
    night.set(DAYS[0], "FUND", 8.0)

    assert all(outcome.succeeded for outcome in night.bring())
    assert night.tick("reconcile") == []


def test_portfolios_get_what_does_not_depend_on_what_failed_for_the_universe(night: Night):
    """The universe's run was planned again and again, and no portfolio while it failed."""
    with night.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON symbol_metrics BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )

    failed = night.bring()

    done = {asset for asset, _ in night.times_materialized()}
    assert [(bool(outcome.planned.portfolio_ids), outcome.succeeded) for outcome in failed] == [
        (False, False),
        (True, False),
    ]
    assert done == set(names(PORTFOLIO_ASSETS)) - {"metric_coverage"}
    assert night.equity() == dict.fromkeys(night.equity(), 100_000.0)

    with night.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    assert all(outcome.succeeded for outcome in night.bring())
    assert len(night.times_materialized()) == 12 * len(night.equity())


def test_a_split_long_before_the_first_session_is_found(tmp_path: Path):
    """A lot of 100 OLD from 2020, a history from 2024 on; the 2-for-1 of 2021 was missed, and the price file corrected.

    Its price was 10 before and after, so equity is 100,000 + 100 x (10 - 10) without the split, and 1,000 more with it.
    """
    days = as_dates(CALENDAR.between(date(2020, 1, 2), DAYS[4]))
    table = pd.DataFrame({"date": days, "symbol": "OLD", "close": 10.0, "split": 1.0})
    market = table.assign(symbol="SPY")
    file = tmp_path / "prices.csv"

    def write() -> None:
        pd.concat([table, market]).to_csv(file, index=False)

    write()
    world = World(tmp_path / "home", f"files:{file}").prices(f"files:{file}", first_session=DAYS[0])
    world.add("older", lots({"OLD": 100.0}, date(2020, 6, 1), 10.0), date(2020, 6, 1))
    assert all(outcome.succeeded for outcome in world.bring())
    equity = "SELECT DISTINCT equity FROM portfolio_snapshots"
    with world.database.read() as connection:
        assert connection.execute(sa.text(equity)).scalars().all() == [100_000.0]

    table.loc[table["date"] == date(2021, 6, 1), "split"] = 2.0
    write()
    assert world.price_source.reload(["OLD"], days[0], days[-1], lambda count: None).corrected_rows == 1
    healed = world.bring()

    assert all(outcome.succeeded for outcome in healed)
    with world.database.read() as connection:
        assert connection.execute(sa.text(equity)).scalars().all() == [101_000.0]
    assert world.bring() == []
    world.close()


CONTRACT = "AAA240419C00100000"


@pytest.mark.parametrize(
    ("day", "quote"), [(DAYS[-9], None), (DAYS[-5], 6.0)], ids=["before a modelled entry", "while it is quoted"]
)
def test_a_corrected_price_of_an_underlying_that_is_not_held_is_found(tmp_path: Path, day: date, quote: float | None):
    """A modelled contract reads the volatility of the sessions before its entry. Of a quoted one, no value in a snapshot
    changes, but its delta, on the day itself and as long as the volatility reads it, and with it all that is weighted."""
    days = as_dates(CALENDAR.between(date(2023, 9, 1), LAST))
    closes = pd.Series([100.0 + (number % 7) for number in range(len(days))], index=days)
    corrected = closes.copy()
    corrected[day] = 130.0
    contract = lots({CONTRACT: 2.0}, ENTRY, 5.0, "OPTIONS").assign(
        underlying_symbol="AAA", strike_price=100.0, expiration_date=pd.Timestamp("2024-04-19"), option_type="CALL"
    )

    def world_of(name: str, prices: pd.Series) -> World:
        quotes = {} if quote is None else {CONTRACT: pd.Series(quote, index=days)}
        of_symbol = ({"AAA": prices, "SPY": closes} | quotes).items()
        rows = [pd.DataFrame({"date": days, "symbol": symbol, "close": own}) for symbol, own in of_symbol]
        file = tmp_path / f"{name}.csv"
        pd.concat(rows).to_csv(file, index=False)
        world = World(tmp_path / name, f"files:{file}").prices(f"files:{file}", first_session=ENTRY)
        world.add("options", contract, ENTRY)
        assert all(outcome.succeeded for outcome in world.bring())
        return world

    def numbers(world: World) -> list[list[float]]:
        queries = (
            "SELECT equity FROM portfolio_snapshots ORDER BY session",
            "SELECT risk_value FROM position_values ORDER BY session",
            "SELECT value_exposure FROM factor_exposures_by_portfolio ORDER BY session",
            "SELECT realized_63d FROM volatility_by_portfolio ORDER BY session",
        )
        with world.database.read() as connection:
            return [list(connection.execute(sa.text(query)).scalars()) for query in queries]

    right, wrong = world_of("right", corrected), world_of("wrong", closes)
    assert numbers(wrong) != numbers(right)
    assert (numbers(wrong)[0] == numbers(right)[0]) == (quote is not None)
    (tmp_path / "right.csv").rename(tmp_path / "wrong.csv")
    wrong.price_source.reload(["AAA"], days[0], days[-1], lambda count: None)

    assert all(outcome.succeeded for outcome in wrong.bring())

    assert numbers(wrong) == numbers(right)
    for world in (right, wrong):
        world.close()


def test_a_portfolio_that_begins_on_a_day_without_trading_is_brought_alone_after_a_night(tmp_path: Path):
    """Its first session is the Monday after, and prices of before it are there: nothing more is asked for."""
    monday = next(day for day in DAYS[5:] if day.weekday() == 0)
    saturday, friday = (monday - timedelta(days=ago) for ago in (2, 3))
    file = tmp_path / "prices.csv"

    def write(last: date) -> None:
        rows = [(day, symbol, 10.0) for symbol in ("AAA", "BBB", "SPY") for day in DAYS if day <= last]
        pd.DataFrame(rows, columns=["date", "symbol", "close"]).to_csv(file, index=False)

    write(friday)
    world = World(tmp_path / "home", f"files:{file}")
    world.add("first", lots({"AAA": 100.0}, DAYS[1], 10.0), DAYS[1])
    assert all(outcome.succeeded for outcome in world.bring())
    write(monday)
    second = world.add("second", lots({"BBB": 100.0}, saturday, 10.0), saturday)

    brought = world.bring(second)

    assert brought
    assert all(outcome.succeeded for outcome in brought)
    world.close()


@pytest.mark.parametrize("in_parts", [False, True], ids=["planned in pieces", "asked for in two parts"])
def test_a_dividend_that_came_late_counts_on_every_later_session_however_the_runs_are_cut(
    tmp_path: Path, in_parts: bool
):
    """100 AAA at a constant 10, 0.60 paid on the tenth session: equity is 60 more from then on, to the end.

    A hole of another portfolio's symbol, filled at the same time, has other assets run on other sessions. After the first
    of these runs the later sessions were never compared again.
    """
    held = DAYS[:20]
    paid, hole = held[9], held[12]
    file = tmp_path / "prices.csv"

    def write(*, late: bool) -> None:
        rows = [
            (day, symbol, 10.0, 0.6 if (day, symbol, late) == (paid, "AAA", True) else 0.0)
            for symbol in ("AAA", "BBB", "SPY")
            for day in held
            if late or (day, symbol) != (hole, "BBB")
        ]
        pd.DataFrame(rows, columns=["date", "symbol", "close", "dividend"]).to_csv(file, index=False)

    write(late=False)
    world = World(tmp_path / "home", f"files:{file}")
    first = world.add("first", lots({"AAA": 100.0}, held[3], 10.0), held[3])
    world.add("second", lots({"BBB": 100.0}, held[3], 10.0), held[3])
    assert all(outcome.succeeded for outcome in world.bring())

    write(late=True)
    world.price_source.reload(["AAA"], held[0], held[-1], lambda count: None)
    if in_parts:
        world.bring(first, last=held[10])
    healed = world.bring()
    assert (
        len({(outcome.planned.first, outcome.planned.last) for outcome in healed if outcome.planned.portfolio_ids}) > 2
    )

    query = sa.text("SELECT session, equity FROM portfolio_snapshots WHERE portfolio_id = :first ORDER BY session")
    with world.database.read() as connection:
        equity = [row.equity for row in connection.execute(query, {"first": first})]
    assert all(outcome.succeeded for outcome in healed)
    assert equity == pytest.approx([100_000.0] * 6 + [100_060.0] * 11)
    assert world.bring() == []
    world.close()
