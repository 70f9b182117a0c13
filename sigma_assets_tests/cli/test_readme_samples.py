"""What the README shows as printed is what the commands print: the same lines, with other numbers."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets_tests.cli.files import BAD_HOLDINGS, HOLDINGS

BLOCKS = re.findall(r"```\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), flags=re.S)
LAST = date.fromisoformat(re.findall(r"close of (\d{4}-\d\d-\d\d), simulated prices", "".join(BLOCKS))[0])
"""The session on which the README's sample was printed: symbols and signs are those of that day."""
COMPUTED = 5
"""Sessions to compute: the reports are of the last one, and each row is a closed form of lots and prices."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "growth.csv").write_text(HOLDINGS)
    (folder / "bad.csv").write_text(BAD_HOLDINGS)
    return folder


@pytest.fixture(scope="module")
def variables(folder: Path) -> dict[str, str]:
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "SIGMA_PRICES": f"simulated:last={LAST}",
        "SIGMA_FIRST_SESSION": str(nyse_calendar().shift(LAST, 1 - COMPUTED)),
        "SIGMA_DAGSTER_URL": "http://127.0.0.1:9",
        "COLUMNS": "110",
    }


@pytest.fixture(scope="module")
def demo(sigma: Callable[..., Result]) -> str:
    """Return what `make demo` prints."""
    answer = sigma("demo")
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def shapes(printed: str) -> list[str]:
    """Return the lines that are not blank, with values (known or not), days, ids, rulers and blanks alike."""
    shaped = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", printed)
    shaped = re.sub(r"\d{4}-\d\d-\d\d|\b\d+:\d\d:\d\d\b", "DAY", shaped)
    shaped = re.sub(r"(?<![A-Z\d])[-+]?\d[\d,]*(\.\d+)?( %)?(?![A-Z])|(?<= )-(?=\s)", "0", shaped)
    shaped = re.sub(r"([─━])+", r"\1", shaped)
    lines = (" ".join(line.split()) for line in shaped.splitlines())
    return [line for line in lines if line]


def passages(shown: str) -> list[list[str]]:
    """Return the runs of lines between the lines `...`, which stand for lines left out."""
    return [shapes(part) for part in re.split(r"(?m)^ *\.\.\.$", shown) if part.strip()]


def assert_shown_is_printed(shown: str, printed: str) -> None:
    lines, start = shapes(printed), 0
    for passage in passages(shown):
        found = [at for at in range(start, len(lines)) if lines[at : at + len(passage)] == passage]
        assert found, "the README shows\n" + "\n".join(passage) + "\nbut printed was\n" + "\n".join(lines[start:])
        start = found[0] + len(passage)


def block_with(words: str) -> str:
    (block,) = (each for each in BLOCKS if words in each)
    return block


@pytest.mark.parametrize("words", ["imported Balanced", "close of "])
def test_the_demo_prints_what_the_readme_shows(demo, words):
    assert_shown_is_printed(block_with(words), demo)


def answers(block: str) -> list[tuple[list[str], str]]:
    """Return the commands of a block, as words, with the lines shown below each."""
    parts = re.split(r"(?m)^\$ ", block)[1:]
    return [(head.split()[1:], shown) for head, _, shown in (part.partition("\n") for part in parts)]


@pytest.mark.parametrize("file", ["growth.csv", "bad.csv"])
def test_an_import_prints_what_the_readme_shows(sigma, file):
    words, shown = next(each for block in BLOCKS for each in answers(block) if each[0][:2] == ["import", file])

    answer = sigma(*words)

    assert shown.strip()
    assert_shown_is_printed(shown, answer.output)


def test_a_sample_that_is_out_of_date_is_noticed():
    printed = "Total  1,234.50 %\nfirst 2026-01-02\nsecond\n"

    assert_shown_is_printed("Total   -7 %\n...\nsecond\n", printed)
    for stale in ("Sum 7 %\n", "Total\n", "Total 7 %\nsecond\n", "second\n...\nTotal 7 %\n", "first 7\n"):
        with pytest.raises(AssertionError, match="the README shows"):
            assert_shown_is_printed(stale, printed)
