"""What the pages say, and to whom: the list, a wait without end, removed portfolios, long names."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from sigma_assets.storage.schema import portfolios
from sigma_assets_tests.web.browser import next_poll
from sigma_assets_tests.web.pipeline import complete

NAME = "<b>Growth</b> <script>alert('name')</script>"


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


def test_a_list_that_is_not_shown_to_its_end_counts_only_what_it_shows(site):
    """53 portfolios wait: 50 are shown, and 50 is said of them only."""
    for number in range(53):
        site.world.add_portfolio(f"P{number:02d}", name=f"P{number:02d}")
    page = site.open("/")
    lead = page.locator("#lead")
    expect(lead).to_contain_text("53 portfolios · 50 of the 50 shown not up to date")

    page.get_by_role("button", name="Show more").click()

    expect(lead).to_contain_text("53 portfolios · 53 not up to date")
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_a_wait_that_cannot_end_by_itself_says_what_needs_attention(site):
    """Nothing starts the portfolio, so no run fails: the health check knows that no daemon lives."""
    site.world.add_portfolio("P1")
    page = site.open("/onboarding/P1")
    said = page.locator("#announcement")
    expect(said).to_have_text("Waiting to be picked up")

    page.clock.fast_forward(31_000)
    next_poll(page)

    expect(said).to_contain_text("Something needs attention – daemon: no heartbeat")
    complete(site.world.instance, ["P1"])
    next_poll(page)
    expect(page.locator("#status")).to_have_text("Completed")
    expect(said).not_to_contain_text("attention")


@pytest.mark.parametrize(
    ("fail", "promise"), [("betas", "the rest is tried again"), ("price_coverage", "it is tried again")]
)
def test_nothing_is_promised_to_a_removed_portfolio(site, fail, promise):
    """What failed is tried again, unless the owner has removed the portfolio."""
    site.world.add_portfolio("P1")
    complete(site.world.instance, ["P1"], fail=fail)
    page = site.open("/onboarding/P1")
    expect(page.locator("#announcement")).to_contain_text(promise)

    with site.world.database.begin() as connection:
        connection.execute(sa.update(portfolios).values(deleted_at=datetime.now(UTC)))
    page.reload()

    expect(page.locator("#announcement")).to_contain_text("Removed with ")
    expect(page.locator("#announcement")).not_to_contain_text("tried again")


def test_a_long_name_has_the_width_of_a_phone(site):
    """The state stands below it, not beside it."""
    site.world.add_portfolio("P1", name="The Honourable Aurelia Montgomery-Featherstonehaugh Irrevocable Unitrust")
    page = site.open("/onboarding/P1", viewport={"width": 360, "height": 740})
    expect(page.locator("#status")).to_have_text("Pending")

    name, pill = page.locator("#name").bounding_box(), page.locator("#status").bounding_box()

    assert name["width"] > 300
    assert pill["y"] >= name["y"] + name["height"]
