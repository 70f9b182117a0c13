"""An entry price that is likely of something else is told at import, before any price is stored."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa


@pytest.fixture
def book(folder: Path) -> Path:
    """Return a folder with a price file and lots: one at ten times its close, one at its close, one a gift."""
    (folder / "prices.csv").write_text(
        "date,symbol,close\n2024-03-04,AAA,20\n2024-03-04,BBB,30\n2024-03-04,CCC,40\n2024-03-05,AAA,21\n"
    )
    (folder / "book.csv").write_text(
        "Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        "AAA,10,200,2024-03-02\nBBB,10,30,2024-03-04\nCCC,10,0,2024-03-04\nDDD,10,5,2024-03-04\n"
    )
    return folder


def test_files_are_asked_at_once(sigma, book: Path) -> None:
    """2 March 2024 is a Saturday: the lot takes effect on Monday."""
    answer = sigma("import", "book.csv", "--name", "Asked", "--equity", "9000", SIGMA_PRICES=f"files:{book}/prices.csv")

    assert answer.exit_code == 0
    assert answer.stderr.count("plausible entry price") == 1
    assert "AAA lacks a plausible entry price: entered at 200.00, but closed at 20.00 on 2024-03-04" in answer.stderr


def test_a_symbol_that_the_files_do_not_know_is_named_at_once(sigma, book: Path) -> None:
    """The first run would say it; the file is here, and the typing error is fresh now."""
    answer = sigma("import", "book.csv", "--name", "Typo", "--equity", "9000", SIGMA_PRICES=f"files:{book}/prices.csv")

    assert answer.exit_code == 0
    assert "DDD lacks price: the source does not know the symbol (files: " in answer.stderr
    assert "sigma-assets sync" in answer.stderr
    assert "BBB lacks" not in answer.stderr


def test_files_that_cannot_be_read_are_said_and_lose_nothing(sigma, book: Path) -> None:
    answer = sigma("import", "book.csv", "--name", "Unread", "--equity", "9000", SIGMA_PRICES=f"files:{book}/none.csv")

    assert answer.exit_code == 0
    assert "entry prices were not compared with closes" in answer.stderr
    assert "none.csv" in answer.stderr
    assert answer.stdout.strip() in sigma("portfolios").stdout


def test_entered_lots_are_read_once(sigma, book: Path) -> None:
    """What is known of the holdings and what the files are asked for come from one look at the lots."""
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        answer = sigma(
            "import", "book.csv", "--name", "Once", "--equity", "9000", SIGMA_PRICES=f"files:{book}/prices.csv"
        )
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    assert answer.stderr.count("plausible entry price") == 1
    assert sum("lots.entry_price" in each and each.startswith("SELECT") for each in statements) == 1
