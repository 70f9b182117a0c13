"""What a report says about time, classes and correlations: stored rows, picked as it says."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sigma_assets.reports.charts.report import equity_ranges
from sigma_assets.reports.charts.scales import named_days
from sigma_assets.reports.histories import evenly_spaced, month_ends
from sigma_assets.reports.words import histories
from sigma_assets.reports.words.tables import tables
from sigma_assets.settings import read_settings
from sigma_assets.storage import schema
from sigma_assets.storage.classifications import replace_classes
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.reports.books import DAYS, Book, blank, write_everything
from sigma_assets_tests.templates import migrated_sqlite


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    settings = read_settings({"DAGSTER_HOME": str(tmp_path)})
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    fresh = Book(Database(settings.database), settings)
    fresh.portfolio()
    yield fresh
    fresh.database.dispose()


def prices(book: Book, closes: dict[date, float], symbol: str = "SPY") -> None:
    """Store closes of a benchmark."""
    with book.database.begin() as connection:
        now = datetime(2025, 1, 31, tzinfo=UTC)
        connection.execute(sa.insert(schema.price_loads), {"source": "files", "loaded_at": now, "rows": 1})
    for day, close in closes.items():
        book.write(schema.market_prices, session=day, symbol=symbol, close=close, split_factor=1.0, source="files",
                   revision=1, loaded_at=now)  # fmt: skip


def long_history(book: Book, first: date, count: int, equity: float = 100.0) -> list[date]:
    """Store snapshots, returns and exposures of many sessions, whose numbers are their place."""
    sessions = [day.item() for day in book.settings.calendar.between(first, first + timedelta(days=2 * count))][:count]
    key = {"portfolio_id": "P1"}
    of_each: dict[sa.Table, Callable[[int], dict[str, object]]] = {
        schema.portfolio_snapshots: lambda at: {"equity": equity + at},
        schema.performance: lambda at: {"benchmark": "SPY", "return_mtd": at / 1000, "return_ytd": at / 100},
        schema.volatility_by_portfolio: lambda at: {"realized_21d": at / 1000},
        schema.factor_exposures_by_portfolio: lambda at: {"value_exposure": float(at)},
    }
    for table, values in of_each.items():
        rows = [blank(table) | key | {"session": day} | values(at) for at, day in enumerate(sessions)]
        book.write_all(table, rows)
    book.write(schema.price_coverage, **key, session=sessions[-1])
    return sessions


def test_the_benchmark_stands_beside_every_session(book):
    """The same money: 1,000 at the close of the first session, 10 % more, then 10 % less."""
    book.equities((1000.0, 900.0, 1100.0))
    prices(book, dict(zip(DAYS, (50.0, 55.0, 49.5), strict=True)))

    report = book.report()

    assert [point.benchmark_equity for point in report.series] == pytest.approx([1000.0, 1100.0, 990.0])
    assert [point.benchmark_drawdown for point in report.series] == pytest.approx([0.0, 0.0, -0.1])
    assert report.benchmark_returns["return_since_inception"] == pytest.approx(-0.01)
    assert report.benchmark_returns["return_1y"] is None
    assert histories.readings(report)[-1] == ("2025-01-31", "1,100", "990", "-", "-10.0 %")


def test_a_benchmark_without_prices_is_not_known_and_said_so(book):
    book.equities((1000.0, 900.0, 1100.0))
    report = book.report()

    assert {point.benchmark_equity for point in report.series} == {None}
    assert set(report.benchmark_returns.values()) == {None}
    assert "SPY has no prices here" in histories_of(report, "returns").note


def histories_of(report, key):
    """Return a table of a report."""
    return next(table for table in tables(report) if table.key == key)


def test_each_month_is_its_last_stored_row(book):
    """Not a second computation: what `performance` says on the last session of the month, and the year's on its last."""
    sessions = long_history(book, date(2024, 11, 20), 50)
    report = book.report()

    ends = {(day.year, day.month): (at, day) for at, day in enumerate(sessions)}
    assert [(each.session, each.return_mtd) for each in report.months] == [
        (day, at / 1000) for at, day in ends.values()
    ]
    table = histories.months(report)
    assert [row[0] for row in table.rows] == ["2025", "2024"]
    at = ends[(2024, 12)][0]
    assert table.rows[1][11:] == (f"{ends[(2024, 11)][0] / 10:+.1f}", f"{at / 10:+.1f}", f"{at:+.1f}")
    assert table.rows[0][13] == f"{len(sessions) - 1:+.1f}"


def test_long_histories_are_thinned_and_end_today(book):
    """At most 260 sessions, evenly spaced; the table of equity lists the last 260, and ends of months before."""
    sessions = long_history(book, date(2023, 1, 3), 400)
    report = book.report()

    for history, column in ((report.volatility_history, "realized_21d"), (report.exposure_history, "value_exposure")):
        assert len(history) == 200
        assert history[-1]["session"] == sessions[-1]
        assert history[-1][column] == pytest.approx(399 / (1000 if column == "realized_21d" else 1))
        assert {sessions.index(row["session"]) % 2 for row in history} == {1}
    table = histories.equity(report, histories.readings(report))
    assert len(report.series) == 400
    assert len(table.rows) == 260 + len(month_ends(sessions[:140]))
    assert (table.rows[0][0], table.rows[-1][0]) == (str(sessions[-1]), "2023-01-31")


def test_evenly_spaced_and_month_ends():
    assert evenly_spaced([], 3) == []
    assert evenly_spaced(DAYS, 3) == list(DAYS)
    assert evenly_spaced(DAYS, 2) == [DAYS[0], DAYS[2]]
    assert month_ends([date(2024, 1, 2), date(2024, 1, 31), date(2025, 1, 2)]) == [date(2024, 1, 31), date(2025, 1, 2)]


def test_ranges_begin_at_the_close_that_they_are_measured_from(book):
    """The last session is 2025-05-30: a month earlier is 30 April, year to date the last close of 2024."""
    sessions = long_history(book, date(2024, 10, 1), 166)
    assert sessions[-1] == date(2025, 5, 30)

    ranges = equity_ranges(book.report())

    assert list(ranges) == ["1M", "3M", "YTD", "All"], "there is no year to show"
    assert [str(chart.first) for chart in ranges.values()] == ["2025-04-30", "2025-02-28", "2024-12-31", "2024-10-01"]
    assert {chart.last for chart in ranges.values()} == {sessions[-1]}
    assert "Equity went from 244 USD on 2025-04-30 to 265 USD" in ranges["1M"].words


def test_days_below_a_chart_are_few_and_distinct():
    days = [date(2024, 1, 2) + timedelta(days=at) for at in range(3000)]

    for count in (2, 30, 100, 400, 1000, 3000):
        labels = [label for _, label in named_days(days[:count])]
        assert 1 <= len(labels) <= 7
        assert len(set(labels)) == len(labels)


def test_allocation_adds_up_by_kind_and_by_class(book):
    """Look-through: QQQ is 60 % technology, 40 % nobody knows; the option has the class of its underlying."""
    write_everything(book)
    book.lot(
        "AAA", "l7", market_value=200.0, investment_class="PRIVATE"
    )  # under lock-up: not all lots of AAA are listed
    replace_classes(book.database, [("AAA", "sector", "technology", 0.6), ("AAA", "sector", "health", 0.4)])

    rows = {(row["scheme"], row["class"]): row for row in book.report().allocation}

    kinds = {key[1]: row for key, row in rows.items() if key[0] == "kind of holding"}
    assert kinds["OPTIONS"]["net_exposure"] == 300.0
    assert kinds["PRIVATE"]["net_exposure"] == 200.0
    assert kinds["PUBLIC"]["long_value"] == pytest.approx(502.5 + 276.375)
    assert kinds["PUBLIC"]["short_value"] == -16.0
    sectors = {key[1]: row for key, row in rows.items() if key[0] == "sector"}
    assert sectors["technology"]["net_exposure"] == pytest.approx(0.6 * (502.5 + 276.375 + 300 + 200))
    assert sectors["unclassified"]["net_exposure"] == -16.0
    for scheme in (kinds, sectors):
        assert sum(row["net_exposure"] for row in scheme.values()) == pytest.approx(502.5 + 276.375 + 300 - 16 + 200)
        assert sum(row["share_of_gross"] for row in scheme.values()) == pytest.approx(1.0)


def test_the_heat_map_is_what_is_stored_clusters_side_by_side(book):
    write_everything(book)
    key = {"portfolio_id": "P1", "session": DAYS[-1]}
    book.lot("AAX", "l5", market_value=600.0, weight=0.2, risk_weight=0.2)
    numbers = {("AAA", "AAX"): -0.25, ("AAA", "BBB"): 0.81, ("AAX", "BBB"): 0.125}
    book.write_all(
        schema.correlations_by_pair,
        [
            {**key, "symbol": first, "other_symbol": second, "correlation": number, "observations": 90}
            for (first, second), number in numbers.items()
        ],
    )

    found = book.report().heat_map

    assert found.symbols == ("AAA", "BBB", "AAX"), "AAA and BBB are a cluster, though AAX is larger than BBB"
    assert found.matrix == ((1.0, 0.81, -0.25), (0.81, 1.0, 0.125), (-0.25, 0.125, 1.0))
    table = histories.correlations(book.report())
    assert table.rows[0] == ("AAA", "100", "81", "-25")
    assert table.rows[1] == ("BBB", "81", "100", "12")


def test_no_heat_map_has_a_reason(book):
    book.equities((1.0, 2.0, 3.0))
    assert "Nothing is held" in histories.correlations(book.report()).note

    book.lot("AAA", "l1", market_value=1.0)
    assert "it takes two holdings" in histories.correlations(book.report()).note
