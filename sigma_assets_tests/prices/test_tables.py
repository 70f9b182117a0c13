"""Prices: written once by revision, healed when late, read as matrices."""

import threading
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.errors import StorageError
from sigma_assets.prices.changes import changed_prices
from sigma_assets.prices.history import price_history
from sigma_assets.prices.tables import latest_revision, write_prices
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.storage.builders import EVENING, bars, dump
from sigma_assets_tests.storage.frames.test_rows import explain
from sigma_assets_tests.together import work_together

CALENDAR = nyse_calendar(last_day=date(2026, 12, 31))
TABLES = (schema.market_prices, schema.price_loads, schema.price_gaps, schema.symbols)


def test_the_same_load_twice_leaves_the_same_database(database: Database) -> None:
    rows = bars({"AAA": {"2026-01-02": 10.0, "2026-01-05": 0.1 + 0.2}, "BBB": {"2026-01-02": 20.0}})
    assert write_prices(database, rows, "file", EVENING) == 1
    once = dump(database, *TABLES)

    assert write_prices(database, rows, "another", EVENING + timedelta(days=1)) is None

    assert dump(database, *TABLES) == once


def test_only_what_changed_gets_the_new_revision(database: Database) -> None:
    write_prices(database, bars({"AAA": {"2026-01-02": 10.0, "2026-01-05": 11.0}}), "file", EVENING)

    later = bars({"AAA": {"2026-01-02": 10.0, "2026-01-05": 11.5}, "BBB": {"2026-01-05": 20.0}})
    revision = write_prices(database, later, "file", EVENING)

    changed = changed_prices(database, 1)
    assert revision == latest_revision(database) == 2
    assert changed.to_dict("list") == {
        "symbol": ["AAA", "BBB"], "session": [pd.Timestamp("2026-01-05")] * 2, "revision": [2, 2],
    }  # fmt: skip
    assert dump(database, schema.price_loads)["price_loads"][1][-1] == 2


@pytest.mark.parametrize("column", ["open", "volume", "split_factor", "dividend"])
def test_a_change_of_any_value_counts(database: Database, column: str) -> None:
    rows = bars({"AAA": {"2026-01-02": 10.0}})
    write_prices(database, rows, "file", EVENING)

    assert write_prices(database, rows.assign(**{column: 2.0}), "file", EVENING) == 2
    assert write_prices(database, rows, "file", EVENING) == 3


def test_nothing_is_there_before_the_first_load(database: Database) -> None:
    assert latest_revision(database) == 0
    assert changed_prices(database, 0).empty
    assert write_prices(database, bars({}), "file", EVENING) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"close": 0.0}, r"market_prices\.close: found 0\.0 for AAA on 2026-01-02.*expected > 0"),
        ({"close": np.nan}, r"market_prices\.close: found no value"),
        ({"high": np.inf}, r"market_prices\.high: found inf"),
        ({"split_factor": 0.0}, r"market_prices\.split_factor: found 0\.0"),
        ({"dividend": np.nan}, r"market_prices\.dividend: found no value"),
    ],
)
def test_what_is_no_price_is_refused_with_its_symbol(database: Database, values: dict, message: str) -> None:
    rows = pd.concat([bars({"BBB": {"2026-01-02": 5.0}}), bars({"AAA": {"2026-01-02": 5.0}}).assign(**values)])

    with pytest.raises(StorageError, match=message):
        write_prices(database, rows, "file", EVENING)

    assert dump(database, schema.market_prices) == {"market_prices": []}


def test_a_history_is_a_matrix_of_sessions_and_symbols(database: Database) -> None:
    rows = bars({"BBB": {"2025-12-30": 18.0, "2026-01-05": 20.0}, "AAA": {"2026-01-02": 10.0, "2026-01-05": 5.5}})
    is_split = (rows["symbol"] == "AAA") & (rows["close"] == 5.5)
    rows = rows.assign(split_factor=np.where(is_split, 2.0, 1.0), dividend=np.where(is_split, 0.25, 0.0), volume=1e6)
    write_prices(database, rows, "file", EVENING)

    history = price_history(database, ["BBB", "AAA", "CCC", "AAA"], date(2026, 1, 1), date(2026, 1, 6), CALENDAR)

    nan = np.nan
    assert history.symbols.tolist() == ["AAA", "BBB", "CCC"]
    assert history.sessions.astype(str).tolist() == ["2026-01-02", "2026-01-05", "2026-01-06"]
    np.testing.assert_array_equal(history.close, [[10.0, nan, nan], [5.5, 20.0, nan], [nan, nan, nan]])
    np.testing.assert_array_equal(history.volume, [[1e6, nan, nan], [1e6, 1e6, nan], [nan, nan, nan]])
    np.testing.assert_array_equal(history.split_factor, [[1, 1, 1], [2, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(history.dividend, [[0, 0, 0], [0.25, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(history.prior_close, [nan, 18.0, nan])
    assert history.prior_session.astype(str).tolist() == ["NaT", "2025-12-30", "NaT"]


def test_a_price_is_the_same_bits_whatever_is_read_with_it(database: Database) -> None:
    """Few symbols and many take different roads to the rows; both must end at the same numbers."""
    generator = np.random.default_rng(7)
    sessions = CALENDAR.between(date(2025, 11, 3), date(2026, 1, 8))
    names = [f"S{number:03d}" for number in range(60)]
    rows = pd.DataFrame(
        {
            "symbol": np.repeat(np.array(names, dtype=object), len(sessions)),
            "session": np.tile(sessions.astype("datetime64[s]"), len(names)),
            **{name: generator.lognormal(3, 1, len(names) * len(sessions)) for name in ("close", "volume")},
            **dict.fromkeys(("open", "high", "low"), np.nan),
            "split_factor": 1.0,
            "dividend": generator.choice([0.0, 0.31], len(names) * len(sessions)),
        }
    )
    write_prices(database, rows.sample(frac=0.9, random_state=1), "file", EVENING)

    everything = price_history(database, names, date(2025, 11, 3), date(2026, 1, 8), CALENDAR)
    one = price_history(database, ["S007"], date(2025, 12, 1), date(2025, 12, 1), CALENDAR)
    some = price_history(database, names[5:20], date(2025, 12, 1), date(2026, 1, 8), CALENDAR)

    start = everything.rows(some.sessions)[0]
    for name in ("close", "volume", "dividend", "split_factor"):
        whole = getattr(everything, name)
        assert getattr(some, name).tobytes() == whole[start:, 5:20].tobytes()
        assert getattr(one, name).tobytes() == whole[start : start + 1, 7:8].tobytes()
    before = pd.DataFrame(everything.close[:start]).ffill().to_numpy()[-1]
    np.testing.assert_array_equal(some.prior_close, before[5:20])


@pytest.mark.parametrize("last", [date(2026, 1, 3), date(2026, 1, 8)], ids=["that day is the last", "it is not"])
def test_a_price_on_a_day_without_a_session_is_an_error(database: Database, last: date) -> None:
    write_prices(database, bars({"AAA": {"2026-01-03": 10.0}}), "file", EVENING)

    with pytest.raises(StorageError, match="2026-01-03, which is no NYSE session"):
        price_history(database, ["AAA"], date(2025, 12, 30), last, CALENDAR)


def test_a_history_of_nothing_is_empty(database: Database) -> None:
    history = price_history(database, [], date(2026, 1, 2), date(2026, 1, 6), CALENDAR)
    weekend = price_history(database, ["AAA"], date(2026, 1, 3), date(2026, 1, 4), CALENDAR)

    assert history.close.shape == (3, 0)
    assert weekend.close.shape == (0, 1)


def test_six_processes_that_write_lose_nothing(database: Database, database_url: str) -> None:
    """Each writes ten loads of its own; revisions are one to sixty without a hole, whoever came first."""
    program = f"""
from sigma_assets.storage.connection.database import Database
from sigma_assets.prices.tables import write_prices
from sigma_assets_tests.storage.builders import EVENING, bars

def work(symbol):
    db = Database({database_url!r})
    for day in range(10):
        write_prices(db, bars({{symbol: {{f'2026-01-{{day + 10}}': 1.0 + day}}}}), 'test', EVENING)
"""

    work_together(program, *(f"S{number}" for number in range(6)))

    assert sorted(changed_prices(database, 0)["revision"]) == list(range(1, 61))


def test_a_reader_that_has_seen_a_revision_has_seen_all_before_it(database: Database) -> None:
    """Otherwise a load that commits late, with a lower number, would never be noticed."""
    done = threading.Event()
    seen: list[list[int]] = []

    def watch() -> None:
        while not done.is_set():
            seen.append(sorted(changed_prices(database, 0)["revision"]))

    def write(name: str) -> None:
        for number in range(8):
            write_prices(database, bars({f"{name}{number}": {"2026-01-02": 1.0}}), "test", EVENING)

    watcher = threading.Thread(target=watch)
    writers = [threading.Thread(target=write, args=(name,)) for name in "ABC"]
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()

    assert all(revisions == list(range(1, len(revisions) + 1)) for revisions in seen)
    assert latest_revision(database) == 24


def test_a_price_window_is_read_through_an_index(database: Database) -> None:
    sessions = [str(day) for day in CALENDAR.between(date(2025, 1, 2), date(2025, 12, 31))]
    write_prices(database, bars({f"S{n:03d}": dict.fromkeys(sessions, 1.0) for n in range(120)}), "test", EVENING)

    window = "session BETWEEN '2025-06-02' AND '2025-06-30'"
    of_one = explain(database, f"SELECT close FROM market_prices WHERE symbol = 'S007' AND {window}")
    of_all = explain(database, f"SELECT close FROM market_prices WHERE {window}")
    actions = explain(
        database,
        f"SELECT 1 FROM market_prices WHERE {window} AND symbol = 'S007' AND (split_factor <> 1 OR dividend <> 0)",
    )

    assert "ix_market_prices_symbol_session" in of_one
    assert "pk_market_prices" in of_all or "sqlite_autoindex_market_prices_1 (session>?" in of_all
    assert "ix_market_prices_actions" in actions
