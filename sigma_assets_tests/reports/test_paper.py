"""A report on paper hides nothing that a reader of the screen can unfold."""

from dataclasses import replace

from sigma_assets.reports.gaps.kinds import Gap
from sigma_assets.reports.page import report_page
from sigma_assets.reports.reading import portfolio_report
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.migrations import upgrade
from sigma_assets_tests.storage.builders import add
from sigma_assets_tests.web.browser import open_browser


def test_paper_shows_every_warning(tmp_path):
    """On the screen those after the first few unfold; on paper nobody can, and two of eight were gone without a trace."""
    settings = Settings(home=tmp_path)
    database = Database(settings.database)
    upgrade(database)
    found = portfolio_report(database, settings, add(database, "Gaps", {}))
    gaps = tuple(Gap(f"SYM{number}", "price", "it is not there", "find it") for number in range(12))
    file = tmp_path / "report.html"
    file.write_text(report_page(replace(found, warnings=gaps), is_alone=True), encoding="utf-8")
    with open_browser() as browser:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(file.as_uri())
        seen = page.locator(".warning li:visible")
        on_screen = seen.count()

        page.emulate_media(media="print")

        assert on_screen < len(gaps)
        assert [words.split()[0] for words in seen.all_inner_texts()] == [gap.symbol for gap in gaps]
