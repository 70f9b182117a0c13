"""The report's page in a real browser, of portfolios that real runs computed: one server and one browser for all."""

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from sigma_assets.reports.explain import explanation
from sigma_assets.reports.explain.derived import DERIVED
from sigma_assets.reports.page import report_page
from sigma_assets.reports.reading import portfolio_report
from sigma_assets.storage import schema
from sigma_assets.web.app import create_app
from sigma_assets_tests.reports.explain.once import recomputed_once
from sigma_assets_tests.web.browser import Site, axe_findings, free_port, served
from sigma_assets_tests.web.conftest import embedded_world
from sigma_assets_tests.web.real_portfolios import (
    DECADE,
    FIRST,
    HOLDINGS,
    LAST,
    NASTY,
    RealWorld,
    computed_world,
    number,
)  # fmt: skip

SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
  .observe({type: 'layout-shift', buffered: true});
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorld]:
    """Return the portfolios after their runs."""
    with embedded_world(tmp_path_factory.mktemp("real")) as world:
        yield computed_world(world)


@pytest.fixture(scope="module")
def base(real: RealWorld) -> Iterator[str]:
    """Return the address of the one server of these tests."""
    with served(create_app(real.world.settings, real.world.instance), free_port()) as address:
        yield address


@pytest.fixture
def site(real: RealWorld, base: str, browser: Browser) -> Iterator[Site]:
    """Return the served portfolios; whatever a test does, no script fails, the CSP refuses nothing, all stays here."""
    opened = Site(real.world, browser, base)
    yield opened
    for context in browser.contexts:
        context.close()
    assert opened.problems == []
    assert [url for url in opened.asked if not url.startswith(base)] == []


def open_report(site: Site, real: RealWorld, name: str, width: int = 1100, **options) -> Page:
    """Open a portfolio's page."""
    return site.open(f"/portfolio/{real.ids[name]}", viewport={"width": width, "height": 900}, **options)


def cells(page: Page, table: str) -> list[list[str]]:
    """Return the texts of a table's body."""
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    return page.locator(f"#{table}-table tbody tr").evaluate_all(script)


@pytest.mark.parametrize("at", range(len(HOLDINGS)), ids=[*[name for name in HOLDINGS if name != NASTY], "HTML"])
def test_every_page_is_accessible_fits_and_does_not_jump(site, real, at):
    """No finding of axe-core, whatever its weight; dark on a phone and light on a desk take turns."""
    name = list(HOLDINGS)[at]
    width, scheme = ((390, "dark"), (1100, "light"))[at % 2]

    page = open_report(site, real, name, width, color_scheme=scheme)

    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.evaluate(SHIFTS)
    found = axe_findings(page)
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shift") < 0.01
    assert page.title() != "1"


@pytest.mark.parametrize("name", ["Gaps", "One lot", "Two hundred", "Under water"])
def test_numbers_on_the_page_equal_the_database(site, real, name):
    """Equity, day and returns; every holding summed over its rows; every scenario; every contribution."""
    page = open_report(site, real, name)
    (snapshot,) = real.rows(schema.portfolio_snapshots, name)
    (performance,) = real.rows(schema.performance, name)

    shown = page.locator(".headline dd").all_inner_texts()
    assert shown[:3] == [
        number(snapshot["equity"], ",.0f"),
        number(snapshot["daily_pnl"], "+,.0f" if abs(snapshot["daily_pnl"]) >= 100 else "+,.2f"),
        number(snapshot["daily_return"], "+.2%"),
    ]
    returns = {row[0]: row[1] for row in cells(page, "returns")}
    assert returns["Month to date"] == number(performance["return_mtd"], "+.2%")
    assert returns["Since inception"] == number(performance["return_since_inception"], "+.2%")
    values = {row["symbol"]: row for row in real.rows(schema.position_values, name)}
    holdings = {row[0]: row for row in cells(page, "holdings")}
    assert holdings.keys() == values.keys()
    for symbol, row in holdings.items():
        assert row[4] == number(values[symbol]["market_value"], ",.0f")
        assert row[5] == number(values[symbol]["weight"], ".1%")
    stress = {row[0]: row[2] for row in cells(page, "stress")}
    stored = {row["scenario"]: row["pnl_usd"] for row in real.rows(schema.stress_tests_by_portfolio, name)}
    assert stress == {key: number(pnl, "+,.0f" if abs(pnl) >= 100 else "+,.2f") for key, pnl in stored.items()}
    risk = {row["symbol"]: row for row in real.rows(schema.risk_by_position, name)}
    shares = {row[0]: row[5] for row in cells(page, "contributions") if row[0] in risk}
    assert shares == {key: number(risk[key]["share"], ".1%") for key in shares}


def test_the_benchmarks_returns_are_those_of_its_metrics(site, real):
    """`symbol_metrics` computes them another way; the month began after the portfolio did."""
    page = open_report(site, real, "Gaps")
    metrics = schema.symbol_metrics
    with real.world.database.read() as connection:
        query = sa.select(metrics.c.return_mtd).where(metrics.c.symbol == "SPY", metrics.c.session == LAST)
        return_mtd = connection.execute(query).scalar_one()

    assert cells(page, "returns")[0] == ["Month to date", cells(page, "returns")[0][1], number(return_mtd, "+.2%")]
    assert page.locator("#returns-table thead th").all_inner_texts() == ["Period", "Portfolio", "SPY"]


def test_a_cursor_reads_each_session_by_key_and_by_pointer(site, real):
    """One step to the left is the session before; the left end of the plot is the first one."""
    page = open_report(site, real, "Gaps")
    slider = page.get_by_role("slider", name="equity and drawdown")
    reading = page.locator(".readable").first.locator("dd")
    expect(reading.first).to_have_text(str(LAST))

    slider.focus()
    page.keyboard.press("ArrowLeft")

    before = date(2024, 3, 14)
    (snapshot,) = real.rows(schema.portfolio_snapshots, "Gaps", before)
    expect(reading.first).to_have_text(str(before))
    expect(reading.nth(1)).to_have_text(number(snapshot["equity"], ",.0f"))
    assert slider.get_attribute("aria-valuetext").startswith(f"{before}, {snapshot['equity']:,.0f}, ")
    plot = page.locator("#chart-all .plot").first
    plot.hover(position={"x": 2, "y": 20})
    (first,) = real.rows(schema.portfolio_snapshots, "Gaps", FIRST)
    expect(reading.first).to_have_text(str(FIRST))
    expect(reading.nth(1)).to_have_text(number(first["equity"], ",.0f"))


def test_ranges_are_chosen_by_key_and_bound_the_cursor(site, real):
    page = open_report(site, real, "Gaps")
    expect(page.locator("#chart-all")).to_be_visible()

    page.get_by_role("radio", name="All").focus()
    page.keyboard.press("ArrowLeft")

    expect(page.get_by_role("radio", name="1M")).to_be_checked()
    expect(page.locator("#chart-1m")).to_be_visible()
    expect(page.locator("#chart-all")).to_be_hidden()
    page.get_by_role("slider", name="equity and drawdown").press("Home")
    expect(page.locator(".reading dd").first).to_have_text("2024-02-15")


def test_holdings_sort_by_click_and_by_key(site, real):
    """Numbers by size, not by letters; what is not known comes last either way; the state is told."""
    page = open_report(site, real, "Two hundred")
    value = page.get_by_role("columnheader", name="Value")
    stored = sorted(row["market_value"] for row in real.rows(schema.position_values, "Two hundred"))

    value.get_by_role("button").click()
    expect(value).to_have_attribute("aria-sort", "descending")
    assert [row[4] for row in cells(page, "holdings")] == [number(each, ",.0f") for each in stored[::-1]]
    value.get_by_role("button").focus()
    page.keyboard.press("Enter")

    expect(value).to_have_attribute("aria-sort", "ascending")
    assert [row[4] for row in cells(page, "holdings")] == [number(each, ",.0f") for each in stored]
    page.locator("#holdings-table").get_by_role("columnheader", name="Symbol").get_by_role("button").press("Enter")
    expect(value).not_to_have_attribute("aria-sort", "ascending")
    assert [row[0] for row in cells(page, "holdings")] == sorted(row[0] for row in cells(page, "holdings"))


def test_the_page_is_complete_without_a_script(site, real):
    """Charts, ranges and tables are there; what only a script can do is not offered."""
    page = site.browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{site.base}/portfolio/{real.ids['Gaps']}")

    expect(page.get_by_role("slider")).to_have_count(0)
    page.get_by_text("1M", exact=True).click()
    expect(page.locator("#chart-1m .plot").first).to_be_visible()
    page.get_by_text("Equity and drawdown by session, as a table").click()
    expect(page.locator("#equity-table")).to_contain_text(str(FIRST))
    expect(page.locator("#correlations-table")).to_be_visible()


def test_two_hundred_lots_and_ten_years_stay_readable(site, real):
    """A line of ten years, years below it, a matrix of the largest, a table of days that ends in months."""
    page = open_report(site, real, "Two hundred")

    expect(page.locator("#chart-all")).to_have_count(1)
    assert page.locator("#chart-all .chart").get_attribute("data-first") == str(DECADE)
    assert page.locator("#chart-all .days text").all_text_contents()[0] in ("2015", "2016")
    (correlations,) = real.rows(schema.correlations_by_portfolio, "Two hundred")
    assert correlations["symbols_included"] > 24
    assert page.locator("#correlations-table tbody tr").count() == 24
    expect(page.get_by_text(f"The 24 largest of {correlations['symbols_included']}; ")).to_be_visible()
    assert page.locator("#months-table tbody tr").count() == 11
    assert page.locator("#equity-table tbody tr").count() < 400


def test_what_is_not_there_has_a_reason(site, real):
    """A symbol without prices, an empty portfolio, one without equity: each says why."""
    gaps = open_report(site, real, "Gaps")
    expect(gaps.locator(".warning")).to_contain_text("ZZZZ lacks price")
    expect(gaps.locator(".warning")).to_contain_text("simulated")

    empty = open_report(site, real, "Empty")
    assert empty.get_by_text("Nothing is held on this session.").count() >= 7

    under_water = open_report(site, real, "Under water")
    expect(under_water.locator(".warning")).to_contain_text("weights are undefined")
    assert under_water.locator(".headline dd").first.inner_text().startswith("−")


def test_each_asset_names_the_run_that_computed_it(site, real):
    page = open_report(site, real, "Gaps")
    links = page.get_by_role("link", name="in Dagster: performance")
    runs = {run.run_id for run in real.world.instance.get_runs()}

    address = links.get_attribute("href")

    assert address.startswith("http://127.0.0.1:3000/runs/")
    assert address.rpartition("/")[2] in runs
    assert page.get_by_role("link", name="in Dagster").count() == 12


def test_the_page_prints_on_a4(site, real):
    page = open_report(site, real, "Gaps")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})  # 182 mm: A4 less its margins

    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    expect(page.get_by_text("1M", exact=True)).to_be_hidden()
    assert page.locator("#holdings-table").evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")
    document = page.pdf(prefer_css_page_size=True)
    assert document.startswith(b"%PDF")
    assert b"/MediaBox [0 0 594.95996 841.91998]" in document


def test_the_file_to_mail_reads_and_asks_for_nothing(real, browser, tmp_path):
    """Its own policy lets its script run and refuses every request, even one that it would make itself."""
    found = portfolio_report(real.world.database, real.world.settings, real.ids[NASTY])
    file = tmp_path / "report.html"
    file.write_text(report_page(found, is_alone=True), encoding="utf-8")
    page = browser.new_context().new_page()
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: problems.append(message.text))

    page.goto(file.as_uri())
    page.get_by_role("slider", name="equity").press("Home")

    expect(page.locator(".reading dd").first).to_have_text(str(FIRST))
    assert (asked, problems) == ([file.as_uri()], [])
    blocked = page.evaluate("fetch('http://127.0.0.1:9/').then(() => '', (error) => error.message)")
    assert blocked
    assert "Content Security Policy" in "".join(problems)
    page.context.close()


def test_the_list_tells_each_portfolio_in_a_line(site, real):
    page = site.open("/")
    row = page.get_by_role("row", name="Gaps")
    (snapshot,) = real.rows(schema.portfolio_snapshots, "Gaps")
    (performance,) = real.rows(schema.performance, "Gaps")

    expect(row.get_by_role("cell").nth(1)).to_have_text(number(snapshot["equity"], ",.0f"))
    expect(row.get_by_role("cell").nth(2)).to_have_text(number(snapshot["daily_return"], "+.2%"))
    expect(row.get_by_role("cell").nth(3)).to_have_text(number(performance["return_ytd"], "+.2%"))
    assert int(row.get_by_role("cell").nth(5).inner_text()) > 0


IN_HUNDREDTHS = ("/performance/return_", "/correlations_by_pair/")
"""Numbers of the tables of months and of correlations, whose titles say so."""


@pytest.mark.parametrize("name", ["Gaps", "Under water"])
def test_every_linked_number_has_an_explanation_that_gives_that_number(site, real, name, monkeypatch):
    """By the API behind the links: the value's leading digits are those that the page shows."""
    page = open_report(site, real, name)
    links = page.locator("a.number-link").evaluate_all(
        "all => all.map(each => [each.pathname + each.search, each.textContent])"
    )
    client = real.world.client()
    monkeypatch.setattr(explanation, "recomputed", recomputed_once())  # twenty numbers are of one table

    assert len(links) > 60
    for address, text in links:
        answer = client.get(f"/api/v1{address.replace('/portfolio/', '/portfolios/', 1)}")
        assert answer.status_code == 200, (address, answer.text)
        found = answer.json()
        assert found["is_equal"] is (None if found["table"] in DERIVED else True), address
        shown = float(text.replace("−", "-").replace("+", "").replace(",", "").replace("%", "").strip())
        in_hundredths = "%" in text or any(part in address for part in IN_HUNDREDTHS)
        value = found["value"] * (100 if in_hundredths else 1)
        decimals = len(text.replace("%", "").strip().partition(".")[2])
        assert shown == pytest.approx(value, abs=0.51 * 10.0**-decimals), address


def test_a_click_on_a_number_explains_it_and_the_keyboard_does_too(site, real):
    page = open_report(site, real, "Gaps")
    (snapshot,) = real.rows(schema.portfolio_snapshots, "Gaps")

    page.locator(".headline a.number-link").first.focus()
    page.keyboard.press("Enter")

    page.wait_for_url("**/explain/portfolio_snapshots/equity?session=*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("equity")
    assert repr(snapshot["equity"]) in page.content()
    assert "equal to the last bit" in page.content()
