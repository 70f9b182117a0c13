"""The pages in a real browser, beside real runs: every state, keyboard, phone, dark mode, screen readers."""

from collections.abc import Iterator
from contextlib import ExitStack

import dagster as dg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from sigma_assets.status.app import create_app
from sigma_assets.status.phases import PHASES
from sigma_assets_tests.status.browser import free_port, open_browser, served
from sigma_assets_tests.status.conftest import World
from sigma_assets_tests.status.pipeline import SESSIONS, TROUBLE, begin, complete

PHONE = {"width": 375, "height": 740}
NAME = "<b>Growth</b> <script>alert('name')</script>"
ROW = {phase.asset: position for position, phase in enumerate(PHASES)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return the browser of these tests."""
    with open_browser() as opened:
        yield opened


class Site:
    """A served installation and what a page did on it."""

    def __init__(self, world: World, browser: Browser, base: str) -> None:
        self.world, self.browser, self.base = world, browser, base
        self.problems: list[str] = []
        self.asked: list[str] = []

    def open(self, path: str, **options) -> Page:
        """Open a page in a fresh profile, whose clock stands until it is moved."""
        page = self.browser.new_context(**options).new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        page.on("console", self._console)
        page.on("request", lambda request: self.asked.append(request.url))
        page.clock.install()
        page.goto(self.base + path)
        return page

    def _console(self, message) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)


@pytest.fixture
def site(embedded: World, browser: Browser) -> Iterator[Site]:
    """Return a served installation; whatever a test does, no script fails and nobody else's server is asked."""
    app = create_app(embedded.settings, embedded.instance, cache_seconds=0.0)
    with served(app, free_port()) as base:
        opened = Site(embedded, browser, base)
        yield opened
        for context in browser.contexts:
            context.close()
    assert opened.problems == []
    assert [url for url in opened.asked if not url.startswith((base, "blob:"))] == []


def next_poll(page: Page) -> None:
    """Let two seconds pass on the page's clock and wait for the answer that it asks for."""
    with page.expect_response("**/api/v1/onboarding/status/**"):
        page.clock.run_for(2_000)


def states(page: Page) -> list[str]:
    """Return the states of the nine phases as they stand on the page."""
    rows = page.locator("#phases li")
    expect(rows).to_have_count(9)
    return [row.get_attribute("data-state") for row in rows.all()]


def test_a_run_is_watched_from_its_start_to_its_end(site):
    """All nine phases stay, each gets its spinner and its check mark, the bar only grows, nothing jumps."""
    site.world.add_portfolio("P1")
    page = site.open("/onboarding/P1")
    expect(page.locator("#status")).to_have_text("Pending")
    page.evaluate(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => {"
        " window.shift += entry.value; })).observe({type: 'layout-shift'})"
    )
    percents = []

    _, events = begin(site.world.instance, ["P1"])
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_START:
            next_poll(page)
            expect(page.locator("#status")).to_have_text("Running")
            row = page.locator("#phases li").nth(ROW[event.step_key])
            expect(row).to_have_attribute("data-state", "running")
            expect(row).to_have_attribute("aria-current", "step")
            percents.append(float(page.locator("#percent-bar").get_attribute("value")))
    next_poll(page)

    expect(page.locator("#status")).to_have_text("Completed")
    assert states(page) == ["completed"] * 9
    assert percents == sorted(percents)
    assert percents[-1] > 50
    expect(page.locator("#percent")).to_have_text("100 %")
    expect(page.locator("#sessions")).to_have_text(f"{SESSIONS} / {SESSIONS}")
    expect(page.locator("#announcement")).to_contain_text(f"{SESSIONS} sessions and 2 positions in ")
    expect(page.locator("#phases li").first).to_contain_text("3 symbols")
    assert page.evaluate("window.shift") < 0.01


def test_polling_stops_when_the_onboarding_is_finished(site):
    """A minute later nothing more has been asked."""
    site.world.add_portfolio("P1")
    complete(site.world.instance, ["P1"])
    page = site.open("/onboarding/P1")
    expect(page.locator("#status")).to_have_text("Completed")
    asked = len(site.asked)

    page.clock.run_for(60_000)

    assert len(site.asked) == asked


def test_details_show_the_log_and_are_remembered(site):
    """On: symbols, lines, the newest in sight. After a reload still on; off again, and still off."""
    site.world.add_portfolio("P1")
    complete(site.world.instance, ["P1"])
    page = site.open("/onboarding/P1")
    switch, log = page.get_by_role("switch", name="Details"), page.get_by_role("log")
    expect(switch).not_to_be_checked()
    expect(log).to_be_hidden()
    assert not any("debug" in url for url in site.asked)

    switch.click()

    expect(log).to_contain_text("price_coverage: AAPL: 20 sessions in 0.3 s")
    assert log.evaluate("log => log.scrollTop + log.clientHeight >= log.scrollHeight - 2")
    page.reload()
    expect(switch).to_be_checked()
    expect(log).to_contain_text("AAPL: 20 sessions")
    switch.click()
    page.reload()
    expect(switch).not_to_be_checked()
    expect(log).to_be_hidden()


def test_the_log_of_a_running_step_grows_and_keeps_the_readers_place(site):
    """Who has scrolled up stays there."""
    site.world.add_portfolio("P1")
    _, events = begin(site.world.instance, ["P1"])
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_START and event.step_key == "betas":
            break
    page = site.open("/onboarding/P1")
    page.get_by_role("switch").click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("position_values: SPY: 20 sessions")
    log.evaluate("log => { log.scrollTop = 40; log.firstChild.id = 'first-line'; }")
    for _ in events:
        pass

    next_poll(page)

    expect(log).to_contain_text("volatility: SPY: 20 sessions")
    assert log.evaluate("log => log.scrollTop") == 40
    assert page.locator("#first-line").count() == 1


@pytest.mark.parametrize(
    ("fail", "word", "marks"),
    [
        ("betas", "Partly completed", ["completed"] * 5 + ["failed"] + ["completed"] * 3),
        ("price_coverage", "Failed", ["failed"] + ["skipped"] * 8),
    ],
)
def test_a_failure_is_shown_with_its_reason_as_text(site, fail, word, marks):
    """Neither the name of the portfolio nor the message of the error is ever a script."""
    site.world.add_portfolio("P1", name=NAME)
    complete(site.world.instance, ["P1"], fail=fail)

    page = site.open("/onboarding/P1")

    expect(page.locator("#status")).to_have_text(word)
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.locator("#error-list")).to_contain_text(TROUBLE)
    assert states(page) == marks
    assert "100" not in page.locator("#percent").inner_text()


def test_an_unknown_portfolio_is_not_found(site):
    """And the page does not ask again and again."""
    page = site.open("/onboarding/nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("Portfolio not found")
    asked = len(site.asked)

    page.clock.run_for(60_000)

    expect(page.locator("#announcement")).to_contain_text("nobody")
    assert len(site.asked) == asked


def test_a_server_that_is_gone_is_said_and_what_was_shown_stays(embedded, browser):
    """It comes back on the same port, and the page goes on by itself."""
    embedded.add_portfolio("P1")
    _, events = begin(embedded.instance, ["P1"])
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            break
    app, port = create_app(embedded.settings, embedded.instance, cache_seconds=0.0), free_port()
    with ExitStack() as first:
        page = Site(embedded, browser, first.enter_context(served(app, port))).open("/onboarding/P1")
        expect(page.locator("#status")).to_have_text("Running")
    before = [page.locator(part).inner_text() for part in ("#percent", "#sessions", "#phases")]

    with page.expect_event("requestfailed"):
        page.clock.run_for(2_000)

    toast = page.locator("#connection")
    expect(toast).to_contain_text("cannot be reached")
    page.clock.run_for(1_000)
    assert [page.locator(part).inner_text() for part in ("#percent", "#sessions", "#phases")] == before
    for _ in events:
        pass
    with served(app, port):
        next_poll(page)
        expect(toast).to_be_hidden()
        expect(page.locator("#status")).to_have_text("Completed")
        page.context.close()


def test_everything_can_be_done_with_the_keyboard(site):
    """Tab reaches each control in reading order, with a visible focus; space turns the switch; arrows scroll the log."""
    site.world.add_portfolio("P1")
    complete(site.world.instance, ["P1"])
    page = site.open("/onboarding/P1")
    expect(page.locator("#status")).to_have_text("Completed")
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["All portfolios", "Details", "Download log", "Run in Dagster"]

    page.get_by_role("switch").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("switch")).to_be_checked()
    expect(page.get_by_role("log")).to_contain_text("AAPL")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "log"
    page.keyboard.press("Home")
    expect(page.get_by_role("log")).to_have_js_property("scrollTop", 0)


def test_the_log_is_downloaded(site):
    """The whole of it, under the name of the portfolio."""
    site.world.add_portfolio("P1")
    complete(site.world.instance, ["P1"])
    page = site.open("/onboarding/P1")

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download log").click()

    assert downloading.value.suggested_filename == "onboarding-P1.txt"
    assert "price_coverage: AAPL: loaded" in downloading.value.path().read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1100, "height": 800}], ids=["phone", "desktop"])
def test_every_state_is_accessible_and_fits(site, scheme, viewport):
    """No serious finding of axe-core; nothing is wider than the screen; dark is dark."""
    stories = {"done": "", "part": "betas", "lost": "price_coverage"}
    for portfolio_id, fail in stories.items():
        site.world.add_portfolio(portfolio_id, name=f"{portfolio_id} with a name of some length, as owners give them")
        complete(site.world.instance, [portfolio_id], fail=fail)
    site.world.add_portfolio("wait", name="waiting")
    site.world.add_portfolio("busy", name="busy")
    _, events = begin(site.world.instance, ["busy"])
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_START and event.step_key == "volatility":
            break

    for path in ["/", *(f"/onboarding/{name}" for name in (*stories, "wait", "busy", "nobody"))]:
        page = site.open(path, viewport=viewport, color_scheme=scheme)
        ready = page.locator("#rows tr" if path == "/" else "#status").first
        expect(ready).to_be_visible()
        if path.startswith("/onboarding") and "nobody" not in path:
            page.get_by_role("switch").click()
            expect(page.get_by_role("log")).not_to_be_empty()
        findings = Axe().run(page).response["violations"]
        assert [f"{path}: {item['id']}" for item in findings if item["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        red = int(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]"))
        assert (red < 60) == (scheme == "dark")
    for _ in events:
        pass


def test_the_list_leads_to_the_pages_and_to_dagster(site):
    """Names are text there too."""
    site.world.add_portfolio("P1", name=NAME)
    run_id = complete(site.world.instance, ["P1"], fail="betas")
    page = site.open("/")

    row = page.locator("#rows tr")
    expect(row).to_contain_text(NAME)
    expect(row).to_contain_text("Failed")
    expect(page.locator("#health-list")).to_contain_text("daemon")
    assert row.get_by_role("link", name=run_id[:8]).get_attribute("href") == f"http://127.0.0.1:3000/runs/{run_id}"
    row.get_by_role("link", name=NAME).click()

    expect(page.locator("#status")).to_have_text("Partly completed")


def test_a_server_with_a_token_asks_for_it_and_the_tab_keeps_it(embedded, browser):
    """A wrong one is refused; the right one is never stored beyond the tab, nor shown in the address."""
    embedded.add_portfolio("P1")
    app = embedded.client(status_token="s3cret").app
    with served(app, free_port()) as base:
        page = Site(embedded, browser, base).open("/onboarding/P1")
        for token in ("wrong", "s3cret"):
            page.get_by_label("access token").fill(token)
            page.keyboard.press("Enter")
            if token == "wrong":
                expect(page.locator("#token-problem")).to_have_text("That token was not accepted.")
        expect(page.locator("#status")).to_have_text("Pending")
        page.reload()
        expect(page.locator("#status")).to_have_text("Pending")
        assert page.evaluate("Object.values(localStorage)") == []

        linked = Site(embedded, browser, base).open("/#token=s3cret")
        expect(linked.locator("#rows tr")).to_have_count(1)
        assert linked.url == f"{base}/"
        page.context.close()
        linked.context.close()
