"""The report: what it says is what is stored, what is not known comes first, and nothing breaks on odd portfolios."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa
from rich.console import Console

from sigma_assets.base.conventions import RISK_FACTORS
from sigma_assets.base.errors import PortfolioNotFoundError, StorageError
from sigma_assets.cli.reading.report import print_report, sparkline
from sigma_assets.reports.charts.report import bars, equity_chart
from sigma_assets.reports.charts.scales import MOST_POINTS, round_steps, thinned
from sigma_assets.reports.page import report_page
from sigma_assets.reports.portfolio import Point
from sigma_assets.settings import read_settings
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.reports.books import DAYS, EQUITIES, Book, write_everything
from sigma_assets_tests.templates import migrated_sqlite

NASTY = 'A<script>alert(1)</script> & "b"'


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    settings = read_settings({"DAGSTER_HOME": str(tmp_path)})
    shutil.copy(migrated_sqlite(), tmp_path / "sigma.sqlite")
    fresh = Book(Database(settings.database), settings)
    yield fresh
    fresh.database.dispose()


@pytest.fixture
def full(book: Book) -> Book:
    """Return a portfolio with a row in every table."""
    book.portfolio()
    write_everything(book)
    return book


def printed(report, width: int = 120) -> str:
    """Return what a terminal of this width shows."""
    paper = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_report(report, paper)
    return paper.file.getvalue()


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            self.text.append(" ".join(data.split()))


def test_the_report_holds_what_the_tables_hold(full):
    """Column by column: every row of the session that belongs to the portfolio."""
    report = full.report()

    pairs = (
        (report.snapshot, schema.portfolio_snapshots),
        (report.performance, schema.performance),
        (report.betas, schema.betas_by_portfolio),
        (report.volatility, schema.volatility_by_portfolio),
        (report.risk, schema.risk_by_portfolio),
        (report.correlations, schema.correlations_by_portfolio),
    )
    for shown, table in pairs:
        (row,) = full.stored(table)
        assert shown | {"portfolio_id": "P1", "session": DAYS[-1]} == row
    assert [row["scenario"] for row in report.stress_tests] == ["market_down_20", "market_up_10"]
    assert [(point.session, point.equity) for point in report.series] == list(zip(DAYS, EQUITIES, strict=True))
    assert [point.drawdown for point in report.series] == [None, None, -0.055]


def test_holdings_add_up_to_what_is_stored(full):
    """Two lots of a symbol are one line; an option and its underlying share their symbol's risk by risk weight."""
    stock, option, short = full.report().holdings

    assert (stock.symbol, stock.quantity, stock.price, stock.value) == ("AAA", 15.5, 50.25, 778.875)
    assert stock.weight == pytest.approx(0.3)
    assert (stock.unrealized_pnl, stock.market_beta) == (-15.25, 1.5)
    assert stock.volatility_contribution == pytest.approx(0.09)  # 0.18 x 0.3 / 0.6
    assert option.volatility_contribution == pytest.approx(0.09)
    assert option.is_modelled
    assert (short.symbol, short.price_session, short.is_stale) == ("BBB", DAYS[0], True)
    for column in ("volatility_contribution", "es_contribution"):
        total = sum(row[column] for row in full.stored(schema.risk_by_position))
        assert sum(getattr(each, column) for each in (stock, option, short)) == pytest.approx(total)


NUMBERS = (
    "1,234,568", "-3.25", "+1.23 %", "-4.56 %", "+7.89 %", "+10.11 %", "6.6 %", "0.86", "15.1 %", "17.3 %", "0.44",
    "4,321", "green", "50.25", "779", "15.5", "-15.25", "2025-01-29 old", "2025-01-31 model", "AAA260116C00050000",
    "market_down_20", "-98,765", "+54,321", "58.0 %", "0.91", "456", "AAA, BBB", "66.0 %",
)  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_terminal_and_page_show_the_numbers_of_the_database(full, number):
    report = full.report()

    assert number in printed(report)
    assert re.sub("^-", "−", number) in Page(report_page(report, is_alone=True)).text


def test_json_is_the_report(full):
    report = full.report()

    told = json.loads(report.json())

    assert told["snapshot"]["equity"] == 1234567.5
    assert told["session"] == "2025-01-31"
    assert told["performance"]["return_qtd"] is None
    assert told["holdings"] == json.loads(json.dumps([asdict(each) for each in report.holdings], default=str))


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_at_80_and_120_columns(full, width):
    text = printed(full.report(), width)

    for line in text.splitlines():
        assert len(line.rstrip()) <= width or line.startswith("warning: ")
        assert "…" not in line
    for number in ("1,234,568", "2025-01-31 model", "AAA260116C00050000", "-98,765", "2025-01-29 old"):
        assert re.search(rf"(^|\s){re.escape(number)}(\s|$)", text, flags=re.M), number


def test_what_is_not_known_comes_first(full):
    """Simulated prices, a price carried on, old prices; before any figure, with reason and remedy."""
    report = full.report()
    lacking = [(gap.symbol, gap.lacks) for gap in report.warnings]

    assert lacking[0] == (None, "real prices")
    assert ("BBB", "a price of this session") in lacking
    text = printed(report)
    assert text.index("real prices") < text.index("carried on") < text.index("1,234,568")
    page = " ".join(Page(report_page(report, is_alone=True)).text)
    assert page.index("real prices") < page.index("carried on") < page.index("1,234,568")


def test_an_earlier_session_is_shown_as_it_was_and_said_to_be_one(full):
    report = full.report(DAYS[0])

    assert (report.session, report.snapshot["equity"]) == (DAYS[0], 1000.0)
    assert len(report.series) == 1
    assert "the last session" in [gap.lacks for gap in report.warnings]
    assert "a line takes two" in report_page(report, is_alone=True)


def test_a_session_that_is_not_stored_is_refused_with_those_that_are(full):
    with pytest.raises(StorageError, match="nothing is stored for 2025-01-28; expected a session from 2025-01-29 to"):
        full.report(date(2025, 1, 28))


def test_a_portfolio_that_there_is_not_is_an_error(book):
    with pytest.raises(PortfolioNotFoundError):
        book.report()


def test_a_portfolio_without_a_session_says_what_to_do(book):
    book.portfolio()
    report = book.report()

    assert "nothing is computed yet; run `sigma-assets run`" in printed(report)
    assert "nothing is computed yet" in report_page(report, is_alone=True)
    assert json.loads(report.json())["holdings"] == []


def test_a_portfolio_that_begins_after_the_current_session_has_to_wait(book):
    """Entered on a Saturday: no run can compute anything yet."""
    begins = book.settings.current_session() + timedelta(days=1)
    book.portfolio()
    with book.database.begin() as connection:
        connection.exec_driver_sql("UPDATE portfolios SET inception = ?", (begins.isoformat(),))

    told = printed(book.report())

    assert f"it begins on {begins}, and the current session is" in told
    assert "sigma-assets run" not in told


def test_an_empty_portfolio_has_equity_and_no_holdings(book):
    book.portfolio(equities=(100.0, 100.0, 100.0))
    report = book.report()

    for text in (printed(report), report_page(report, is_alone=True)):
        assert text.count("Nothing is held on this session.") >= 7
        assert "see the warnings" not in text
    assert report.holdings == ()


def test_a_single_lot_of_one_session(book):
    book.portfolio(equities=(100.0, 101.0, 102.5))
    book.lot("AAA", "l1", quantity=0.12345678, price=1.0, market_value=0.12, weight=0.0012)

    assert "0.12345678" in printed(book.report(), 80)
    assert "0.12345678" in report_page(book.report(), is_alone=True)


def test_clusters_are_not_denied_where_correlations_are_not_known(full):
    """That there are none and that nobody knows are two things."""
    with full.database.begin() as connection:
        connection.execute(sa.delete(schema.correlations_by_cluster))
    assert "no correlation reaches 0.7" in printed(full.report())

    with full.database.begin() as connection:
        connection.execute(sa.delete(schema.correlations_by_portfolio))
    assert "it takes two holdings" in printed(full.report())


def test_a_table_that_is_empty_for_want_of_anything_but_cash_does_not_send_to_warnings_that_are_not_there(book):
    """A book of cash has no joint regression and no shock, and nothing of it lacks: "see the warnings" led nowhere."""
    book.portfolio(equities=EQUITIES)
    book.lot("CASH_USD", "L1", quantity=1000.0, market_value=1000.0, risk_symbol=None, investment_class="PRIVATE")

    assert "cash and private holdings have no part in it" in " ".join(printed(book.report()).split())


def test_factors_that_the_joint_regression_left_out_are_named(full):
    """An unexplained share beside five factors is not that beside six: whoever reads it must know which are not there."""
    alone = " ".join(printed(full.report(), width=400).split())
    for factor in RISK_FACTORS[1:]:
        full.write(schema.risk_by_factor, portfolio_id="P1", session=DAYS[-1], factor=factor, beta=0.1)
    together = " ".join(printed(full.report(), width=400).split())

    left_out = "rates, growth value spread, momentum spread, size spread, quality spread"
    assert f"Left out, for want of returns or of movement: {left_out}." in alone
    assert "on all factors" not in alone
    assert "on all factors" in together
    assert "Left out" not in together


def test_negative_equity_has_no_weights_and_a_line_below_zero(book):
    book.portfolio(equities=(100.0, 20.0, -50.0))
    book.lot("AAA", "l1", quantity=1.0, price=90.0, market_value=90.0, weight=None, risk_weight=None)
    report = book.report()
    panel = equity_chart(report.series, report.benchmark).panels[0]

    assert report.holdings[0].weight is None
    assert "-50.00" in printed(report)
    heights = [float(corner.split(",")[1]) for corner in panel.lines[0].stretches[0].split()]
    zero = next(tick.at for tick in panel.ticks if tick.label == "0")
    assert heights[0] < heights[1] < zero < heights[2]
    assert panel.base == zero


@pytest.mark.parametrize("is_alone", [True, False])
def test_names_cannot_become_markup(book, is_alone):
    book.portfolio(name=NASTY, equities=(1.0, 2.0, 3.0))
    book.lot(NASTY, "l1", quantity=1.0, price=1.0, market_value=1.0, weight=1.0)
    page = Page(report_page(book.report(), is_alone=is_alone))

    assert [tag for tag, _ in page.tags].count("script") == 1, "our own"
    assert NASTY in page.text
    assert "alert(1)" in printed(book.report())


def test_the_page_in_a_file_needs_nothing_else(full):
    """No link, no request; served, it has no style of its own either, which its CSP would refuse."""
    alone, served = (Page(report_page(full.report(), is_alone=is_alone)) for is_alone in (True, False))

    for page in (alone, served):
        assert not [tag for tag, attributes in page.tags if "style" in attributes]
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in alone.tags if tag == "link" or {"href", "src"} & attributes.keys()]
    assert "style" not in [tag for tag, _ in served.tags]
    assert [attributes["src"] for tag, attributes in served.tags if tag == "script"] == ["/static/report-page.js"]


def test_each_chart_has_its_table(full):
    """Bars and small lines stand in their table; of the others each has one that unfolds."""
    page = Page(report_page(full.report(), is_alone=True))
    charts = [attributes for tag, attributes in page.tags if attributes.get("role") == "img"]

    assert len(charts) == 1, "volatility is known on one session only"
    assert "Equity and drawdown by session, as a table" in page.text
    assert [attributes["id"] for tag, attributes in page.tags if tag == "table" and "id" in attributes] == [
        "returns-table", "equity-table", "months-table", "holdings-table", "allocation-table", "volatility-table",
        "contributions-table", "factors-table", "stress-table", "exposures-table", "exposure-history-table",
        "correlations-table", "clusters-table",
    ]  # fmt: skip


def test_a_line_is_not_drawn_over_what_is_not_known():
    points = [Point(day, 1.0, fall) for day, fall in zip(DAYS, (-0.1, None, -0.2), strict=True)]

    falls = equity_chart(points, "SPY").panels[1]

    assert [len(line.stretches) for line in falls.lines] == [2, 0]


def test_a_long_history_keeps_its_extremes():
    values = [1e9 if at == 1234 else -5.0 if at == 2345 else None if at < 10 else 100.0 for at in range(3650)]

    kept = thinned(values)

    assert len(kept) <= MOST_POINTS + 2
    assert {1234, 2345} <= set(kept)
    assert (kept[0], kept[-1]) == (0, 3649)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 17.0), (999_000.0, 1_001_000.0), (5.0, 5.0), (0.0, 0.0)])
def test_steps_are_round_and_enclose_the_range(low, high):
    steps = round_steps(low, high)

    assert steps[0] <= low
    assert steps[-1] >= high
    assert 2 <= len(steps) <= 7
    mantissa = f"{steps[1] - steps[0]:.0e}"[0]
    assert mantissa in "125"


def test_bars_are_as_long_as_their_numbers():
    up, down, unknown = bars([30.0, -10.0, None])

    assert unknown is None
    assert (up.start, up.width, up.is_negative) == (25.0, 75.0, False)
    assert (down.start, down.width, down.is_negative) == (0.0, 25.0, True)
    assert up.zero == down.zero == 25.0


def test_a_sparkline_spans_from_lowest_to_highest():
    assert sparkline([10.0, 11.0, 17.0]) == "▁▂█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert len(sparkline([float(at) for at in range(1000)])) <= 60
