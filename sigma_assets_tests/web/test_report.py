"""The report over HTTP: the same numbers and page as on the command line, behind the same doors as everything else."""

import json

import pytest
from playwright.sync_api import expect

from sigma_assets.base.tokens import portfolio_token
from sigma_assets.reports.page import report_page
from sigma_assets.reports.reading import portfolio_report
from sigma_assets_tests.reports.books import Book, write_everything
from sigma_assets_tests.web.browser import Site, axe_findings, free_port, served
from sigma_assets_tests.web.conftest import World
from sigma_assets_tests.web.pipeline import complete

OPERATOR = "c2f1b6b0d1a84e5b9a7e3f60"
NASTY = 'A<script>alert(1)</script> & "b"'


def api(portfolio_id: str) -> str:
    return f"/api/v1/portfolios/{portfolio_id}/report"


def add_snapshots(world: World, portfolio_id: str, equity: float) -> None:
    """Store what a session of a portfolio would have been."""
    Book(world.database, world.settings).equities([equity], portfolio_id)


def test_api_and_page_are_the_report(world):
    world.add_portfolio("P1", name=NASTY)
    add_snapshots(world, "P1", 1234567.5)
    client = world.client()
    found = portfolio_report(
        world.database, world.settings, "P1", uncomputed=["volatility", "correlations"], instance=world.instance
    )

    answer, page = client.get(api("P1")), client.get("/portfolio/P1")

    assert answer.json() == json.loads(found.json())
    assert answer.json()["snapshot"]["equity"] == 1234567.5
    assert page.text == report_page(found, is_alone=False)
    assert client.get(api("P1"), params={"format": "html"}).text == page.text
    assert "1,234,568" in page.text
    assert page.text.count("<script") == 1, "our own"


def test_the_page_keeps_to_the_policy_that_it_is_served_with(embedded):
    """Styles come from a file of ours; nothing is inline."""
    embedded.add_portfolio("P1")
    add_snapshots(embedded, "P1", 1.0)
    client = embedded.client()

    page = client.get("/portfolio/P1")

    assert "style-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert 'href="/static/report.css"' in page.text
    assert client.get("/static/report.css").headers["content-type"] == "text/css; charset=utf-8"


def test_an_unknown_portfolio_is_not_found(embedded):
    client = embedded.client()

    assert client.get(api("P1")).json()["status"] == "not_found"
    assert (client.get(api("P1")).status_code, client.get("/portfolio/P1").status_code) == (404, 404)
    assert client.get(api("P1"), params={"format": "pdf"}).status_code == 422


def test_a_portfolio_before_its_first_run_says_so(embedded):
    embedded.add_portfolio("P1")
    client = embedded.client()

    assert client.get(api("P1")).json()["session"] is None
    assert "nothing is computed yet" in client.get("/portfolio/P1").text


@pytest.mark.parametrize("form", ["json", "html"])
def test_an_owners_token_opens_the_own_report_and_no_other(embedded, form):
    """Of another one an owner learns as little as of one that does not exist; nobody gets a number without a token."""
    for key, equity in (("P1", 1111.0), ("P2", 2222.0)):
        embedded.add_portfolio(key, name=key)
        add_snapshots(embedded, key, equity)
    client = embedded.client(status_token=OPERATOR)
    mine = {"Authorization": f"Bearer {portfolio_token(OPERATOR, 'P1')}"}
    form = {"format": form}

    assert client.get(api("P1"), params=form, headers=mine).status_code == 200
    others, nobodys = (client.get(api(key), params=form, headers=mine) for key in ("P2", "P3"))
    assert (others.status_code, nobodys.status_code) == (404, 404)
    assert others.json() == nobodys.json() | {"portfolio_id": "P2"}
    assert client.get(api("P1"), params=form).status_code == 401
    assert client.get(api("P2"), params=form, headers={"Authorization": f"Bearer {OPERATOR}"}).status_code == 200


def test_with_a_token_the_page_itself_holds_no_data(embedded):
    """A browser that follows a link sends no token: the answer is the same whatever there is."""
    embedded.add_portfolio("P1", name="Secret")
    add_snapshots(embedded, "P1", 1234567.5)
    client = embedded.client(status_token=OPERATOR)

    known, unknown = client.get("/portfolio/P1"), client.get("/portfolio/P9")

    assert known.status_code == unknown.status_code == 200
    assert known.text == unknown.text
    assert "Secret" not in known.text
    assert "1,234,568" not in known.text


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1100), ("dark", 375)], ids=["desktop in light", "phone in the dark"]
)
def test_the_page_is_accessible_and_fits(site, scheme, width):
    """No serious finding of axe-core, nothing that the CSP refuses, nothing wider than the screen; one request each."""
    site.world.add_portfolio("P1", name=NASTY)
    write_everything(Book(site.world.database, site.world.settings))

    page = site.open("/portfolio/P1", viewport={"width": width, "height": 800}, color_scheme=scheme)

    expect(page.get_by_role("heading", level=1)).to_have_text(NASTY)
    expect(page.get_by_role("img", name="Equity went from")).to_be_visible()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Equity and drawdown by session")).to_contain_text("1,234,568")
    findings = axe_findings(page)
    assert [item["id"] for item in findings if item["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red = int(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]"))
    assert (red < 60) == (scheme == "dark")
    assert all(asked.startswith(site.base) for asked in site.asked)
    assert site.problems == []


def test_an_owners_link_opens_the_report(embedded, browser):
    """The token comes after the `#`; another portfolio's page is not found, and says so."""
    for key in ("P1", "P2"):
        embedded.add_portfolio(key, name=f"Name of {key}")
        add_snapshots(embedded, key, 1234567.5)
    token = portfolio_token(OPERATOR, "P1")
    with served(embedded.client(status_token=OPERATOR).app, free_port()) as base:
        site = Site(embedded, browser, base)
        page = site.open(f"/portfolio/P1#token={token}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Name of P1")
        expect(page.get_by_text("1,234,568").first).to_be_visible()

        page.goto(f"{base}/portfolio/P2")

        expect(page.get_by_role("heading", level=1)).to_have_text("Portfolio not found")
        assert site.problems == []
        page.context.close()


def test_the_list_leads_to_the_report(site):
    site.world.add_portfolio("P1", name="Growth")
    add_snapshots(site.world, "P1", 1234567.5)
    page = site.open("/")

    page.get_by_role("link", name="Report of Growth").click()

    expect(page.get_by_text("1,234,568").first).to_be_visible()


def test_a_finished_onboarding_leads_to_the_report(site):
    """A waiting one has none to lead to."""
    for key in ("P1", "P2"):
        site.world.add_portfolio(key, name=key)
    complete(site.world.instance, ["P1"])

    done, waiting = site.open("/onboarding/P1"), site.open("/onboarding/P2")

    expect(done.get_by_role("link", name="Report")).to_have_attribute("href", "/portfolio/P1")
    expect(waiting.locator("#status")).to_have_text("Pending")
    expect(waiting.get_by_role("link", name="Report")).to_be_hidden()
