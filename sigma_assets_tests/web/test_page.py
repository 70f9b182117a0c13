"""The pages in a real browser, beside real runs: every state, keyboard, phone, dark mode, screen readers."""

from contextlib import ExitStack
from itertools import product

import dagster as dg
import pytest
from playwright.sync_api import Page, expect

from sigma_assets.runs.fold.phases import PHASES
from sigma_assets.web.app import create_app
from sigma_assets_tests.web.browser import Site, axe_findings, free_port, next_poll, served
from sigma_assets_tests.web.pipeline import SESSIONS, TROUBLE, begin, complete

PHONE, DESKTOP = {"width": 375, "height": 740}, {"width": 1100, "height": 800}
NAME = "<b>Growth</b> <script>alert('name')</script>"
ROW = {phase.asset: position for position, phase in enumerate(PHASES)}


def states(page: Page) -> list[str]:
    """Return the states of the twelve phases as they stand on the page."""
    rows = page.locator("#phases li")
    expect(rows).to_have_count(12)
    return [row.get_attribute("data-state") for row in rows.all()]


def test_a_run_is_watched_from_its_start_to_its_end(site):
    """All twelve phases stay, each gets its spinner and its check mark, the bar only grows, nothing jumps."""
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
    assert states(page) == ["completed"] * 12
    assert percents == sorted(percents)
    assert percents[-1] > 50
    expect(page.locator("#percent")).to_have_text("100 %")
    expect(page.locator("#sessions")).to_have_text(f"{SESSIONS} / {SESSIONS}")
    expect(page.locator("#announcement")).to_contain_text(f"{SESSIONS} sessions, 19 symbols and 2 positions in ")
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
        ("betas", "Partly completed", ["completed"] * 5 + ["failed"] + ["completed"] * 6),
        ("price_coverage", "Failed", ["failed"] + ["skipped"] * 11),
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
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["All portfolios", "Details", "Download log", "Report", "Run in Dagster"]

    page.get_by_role("switch").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("switch")).to_be_checked()
    expect(page.get_by_role("log")).to_contain_text("AAPL")
    for _ in range(4):
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


def test_every_state_is_accessible_and_fits(site):
    """On a phone and on a desktop, light and dark: no serious finding of axe-core; nothing wider than the screen.

    Axe looks at each page in light and in dark, and at each width; which of them go together takes turns.
    """
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

    for turn, path in enumerate(["/", *(f"/onboarding/{name}" for name in (*stories, "wait", "busy", "nobody"))]):
        page = site.open(path, viewport=PHONE)
        ready = page.locator("#rows tr" if path == "/" else "#status").first
        expect(ready).to_be_visible()
        if path.startswith("/onboarding") and "nobody" not in path:
            page.get_by_role("switch").click()
            expect(page.get_by_role("log")).not_to_be_empty()
        for number, (screen, scheme) in enumerate(product((PHONE, DESKTOP), ("light", "dark"))):
            page.set_viewport_size(screen)
            page.emulate_media(color_scheme=scheme)
            where = f"{path}, {screen['width']} wide, {scheme}"
            findings = axe_findings(page) if number in ((0, 3), (1, 2))[turn % 2] else []
            assert [f"{where}: {item['id']}" for item in findings if item["impact"] in ("serious", "critical")] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"], where
            red = int(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]"))
            assert (red < 60) == (scheme == "dark"), where
        page.context.close()
    for _ in events:
        pass


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
