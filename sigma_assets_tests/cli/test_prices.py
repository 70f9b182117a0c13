"""Stored prices that somebody corrects at their source: read again by command, and by the night that follows."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigma_assets.assets.tables import Tables
from sigma_assets.base.calendar import as_dates, nyse_calendar
from sigma_assets.prices.changes import changed_prices
from sigma_assets.prices.source import PriceSource
from sigma_assets.prices.storing import stored_bars
from sigma_assets.prices.tables import latest_revision, write_prices
from sigma_assets.providers.files.provider import FilesProvider
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.frames.rows import Rows, replace_rows
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio
from sigma_assets.storage.schema import TABLES
from sigma_assets_tests.automation.world import lots
from sigma_assets_tests.storage.builders import coverage
from sigma_assets_tests.templates import migrated_sqlite

CALENDAR = nyse_calendar()
DAYS = as_dates(CALENDAR.between(datetime(2024, 1, 2).date(), datetime(2024, 3, 15).date()))
RECENT, OLD = DAYS[-3], DAYS[2]


class Desk:
    """A price file, the database that was loaded from it, and somebody who corrects lines."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.home, self.file = folder, folder / "prices.csv"
        rows = [(day, symbol, 10.0 + at, 0.0) for symbol in ("AAA", "BBB") for at, day in enumerate(DAYS)]
        self.table = pd.DataFrame(rows, columns=["date", "symbol", "close", "dividend"])
        self.table.to_csv(self.file, index=False)
        shutil.copy(migrated_sqlite(), folder / "sigma.sqlite")
        self.database = Database(f"sqlite:///{folder / 'sigma.sqlite'}")
        (bars,) = FilesProvider(self.file, CALENDAR, DAYS[-1]).daily_bars({"AAA": DAYS, "BBB": DAYS})
        write_prices(self.database, bars.rows, "files", datetime.now(UTC))
        self.revision = latest_revision(self.database)

    def correct(self, symbol: str, day, **values: float) -> None:
        """Correct a line of the file."""
        line = (self.table["symbol"] == symbol) & (self.table["date"] == day)
        self.table.loc[line, list(values)] = list(values.values())
        self.table.to_csv(self.file, index=False)

    def stored(self, symbol: str) -> pd.Series:
        """Return the stored closes per day."""
        rows = stored_bars(self.database, [symbol], DAYS[0], DAYS[-1])
        return pd.Series(rows["close"].to_numpy(), index=as_dates(rows["session"].to_numpy()))

    def rewritten(self) -> set[tuple[str, str]]:
        """Return which rows were written since the first load."""
        rows = changed_prices(self.database, self.revision)
        return {(row.symbol, f"{row.session:%Y-%m-%d}") for row in rows.itertuples()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk")


@pytest.fixture
def reload(sigma, desk):
    """Return `sigma-assets prices reload` at the desk."""
    place = {"DAGSTER_HOME": str(desk.home), "SIGMA_PRICES": f"files:{desk.file}"}

    def run(*words: str, **more: str):
        return sigma("prices", "reload", *words, **(place | more))

    return run


def test_a_corrected_line_is_taken_over_and_nothing_else_is_touched(desk, reload):
    desk.correct("AAA", OLD, close=11.5, dividend=0.25)

    answer = reload("--json")

    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == [
        {"symbol": "AAA", "session": str(OLD), "column": "close", "before": 12.0, "now": 11.5},
        {"symbol": "AAA", "session": str(OLD), "column": "dividend", "before": 0.0, "now": 0.25},
    ]
    assert f"{2 * len(DAYS)} rows requested, {2 * len(DAYS)} received, 1 corrected" in answer.stderr
    assert desk.rewritten() == {("AAA", str(OLD))}
    assert desk.stored("AAA")[OLD] == 11.5
    assert "nothing differs" in reload().stdout


def test_symbols_and_days_bound_what_is_asked_for(desk, reload):
    for symbol in ("AAA", "BBB"):
        for day in (OLD, RECENT):
            desk.correct(symbol, day, close=99.0)

    answer = reload("--symbol", "bbb", "--start", str(DAYS[-5]), "--end", str(DAYS[-1]))

    assert answer.exit_code == 0, answer.output
    assert "5 rows requested, 5 received, 1 corrected" in answer.stderr
    assert desk.rewritten() == {("BBB", str(RECENT))}


def test_a_symbol_may_be_written_in_any_notation_and_one_without_prices_is_an_error(desk, reload):
    desk.table.loc[desk.table["symbol"] == "BBB", "symbol"] = "BRK.B"
    desk.correct("BRK.B", OLD, close=99.0)
    (bars,) = FilesProvider(desk.file, CALENDAR, DAYS[-1]).daily_bars({"BRK.B": DAYS})
    write_prices(desk.database, bars.rows.assign(close=10.0), "files", datetime.now(UTC))

    answer, unknown = reload("--symbol", "brk-b"), reload("--symbol", "aaa", "--symbol", "ZZZ")
    no_contract = reload("--symbol", "AAPL251317C00200000")

    assert answer.exit_code == 0, answer.output
    assert f"{len(DAYS)} rows requested, {len(DAYS)} received" in answer.stderr
    assert desk.stored("BRK.B")[OLD] == 99.0
    assert (unknown.exit_code, no_contract.exit_code) == (1, 2)
    assert f"no price of ZZZ is stored from {DAYS[0]} to {DAYS[-1]}" in unknown.output
    assert "looks like an option contract, but is none" in no_contract.output


def test_a_line_that_is_gone_leaves_its_row(desk, reload):
    desk.table[desk.table["date"] != OLD].to_csv(desk.file, index=False)

    assert f"{2 * len(DAYS) - 2} received, 0 corrected" in reload().stderr
    assert desk.stored("AAA")[OLD] == 12.0
    assert desk.rewritten() == set()


def test_a_source_that_does_not_know_the_symbols_leaves_their_rows(desk, reload):
    answer = reload("--json", SIGMA_PRICES="simulated:last=2024-03-15")

    assert json.loads(answer.stdout) == []
    assert ", 0 received, 0 corrected" in answer.stderr


def test_without_prices_the_next_step_is_told(sigma, tmp_path):
    answer = sigma("prices", "reload", DAGSTER_HOME=str(tmp_path / "empty"))

    assert answer.exit_code == 1
    assert "no prices are stored yet: `sigma-assets run` loads them" in answer.output


def test_a_bad_file_is_refused_and_nothing_is_touched(desk, reload):
    desk.file.write_text(f"date,symbol,close\n{OLD},AAA,-1\n")

    answer = reload()

    assert answer.exit_code == 1
    assert f"{desk.file}:2: column close: found '-1'" in answer.output
    assert desk.rewritten() == set()


def night(desk: Desk, last, *, again: bool = True, symbols=("AAA", "BBB")):
    """Load what is missing up to a session, as the universe's nightly run does."""
    settings = Settings(home=desk.home, prices=f"files:{desk.file}")
    source = PriceSource(settings, Tables(settings).opened)
    days = CALENDAR.between(DAYS[0], last)
    return source.load_missing(list(symbols), days, lambda *_: None, again=again)


def test_the_next_night_notices_a_line_of_the_last_weeks_that_was_corrected(desk, caplog):
    desk.correct("AAA", RECENT, close=60.0)
    desk.correct("AAA", OLD, close=11.5)

    loaded = night(desk, DAYS[-1])

    assert (loaded.corrected, loaded.rows, loaded.metadata()["load/corrected"]) == (1, 0, 1)
    assert desk.rewritten() == {("AAA", str(RECENT))}
    assert f"AAA: close on {RECENT} was corrected from {10.0 + DAYS.index(RECENT):g} to 60" in caplog.text
    assert night(desk, DAYS[-1]).corrected == 0


def test_rows_that_came_from_another_source_are_left_to_it(desk):
    theirs = stored_bars(desk.database, ["AAA"], RECENT, RECENT).drop(columns="source").assign(close=77.0)
    write_prices(desk.database, theirs, "massive", datetime.now(UTC))
    desk.correct("AAA", RECENT, close=60.0)

    assert night(desk, DAYS[-1]).corrected == 0
    assert desk.stored("AAA")[RECENT] == 77.0


def test_a_run_for_some_portfolios_notices_the_corrected_lines_of_their_symbols_alone(desk):
    desk.correct("AAA", RECENT, close=60.0)

    assert night(desk, DAYS[-1], again=False, symbols=["BBB"]).corrected == 0
    assert np.isclose(desk.stored("AAA")[RECENT], 10.0 + DAYS.index(RECENT))
    assert night(desk, DAYS[-1], again=False).corrected == 1
    assert desk.stored("AAA")[RECENT] == 60.0


def test_only_a_load_up_to_the_last_session_has_asked_for_all_that_changed(desk):
    desk.correct("AAA", RECENT, close=60.0)
    source = PriceSource(Settings(home=desk.home, prices=f"files:{desk.file}"), lambda: desk.database)

    night(desk, OLD)
    assert not source.is_asked()
    night(desk, DAYS[-1], again=False)
    assert not source.is_asked()
    night(desk, DAYS[-1])
    assert source.is_asked()


def test_a_reload_says_how_many_portfolios_may_depend_on_what_it_corrected(desk, reload):
    """Until somebody computed them again, nothing but `status` and `missing` told that their numbers were of old prices."""
    holder, other = (
        add_portfolio(
            desk.database, NewPortfolio(symbol, "taxable", 1000.0, DAYS[0]), lots({symbol: 1.0}, DAYS[0], 10.0)
        )
        for symbol in ("AAA", "BBB")
    )
    computed = coverage([holder, other], [str(DAYS[-1])], holdings_revision=1, prices_revision=desk.revision)
    replace_rows(desk.database, {TABLES["price_coverage"]: computed}, Rows(DAYS[0], DAYS[-1]))
    desk.correct("AAA", RECENT, close=60.0)

    assert "1 portfolio(s) may depend on these prices" in reload().stderr
    assert "may depend" not in reload().stderr
