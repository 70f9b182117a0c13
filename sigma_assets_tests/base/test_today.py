"""Today is the date in New York, whatever the clock of the server says."""

import datetime as clock
from datetime import UTC, date
from pathlib import Path

import pytest
from click.testing import CliRunner

import sigma_assets
from sigma_assets.base import calendar
from sigma_assets.base.calendar import today
from sigma_assets.cli.main import cli
from sigma_assets.settings import settings

EVENING = clock.datetime(2026, 1, 9, 1, 30, tzinfo=UTC)
"""20:30 on 8 January in New York; elsewhere it is tomorrow."""


@pytest.fixture
def evening(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frozen(clock.datetime):
        @classmethod
        def now(cls, tz=None):
            return EVENING.astimezone(tz)

    monkeypatch.setattr(calendar, "datetime", Frozen)


def test_today_is_the_date_in_new_york(evening):
    assert today() == date(2026, 1, 8)
    assert today(clock.datetime(2026, 7, 1, 3, 59, tzinfo=UTC)) == date(2026, 6, 30)
    assert today(clock.datetime(2026, 7, 1, 4, 0, tzinfo=UTC)) == date(2026, 7, 1)


def test_in_the_evening_a_lot_dated_tomorrow_is_refused(evening, monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIGMA_PRICES", "simulated:last=2026-01-08")
    (tmp_path / "lots.csv").write_text("Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,1,100,2026-01-09\n")
    settings.cache_clear()

    answer = CliRunner().invoke(cli, ["import", str(tmp_path / "lots.csv"), "--name", "x", "--equity", "1000"])

    settings.cache_clear()
    assert answer.exit_code != 0
    assert "ERR_POS_014" in f"{answer.output}{answer.exception}"


def test_nothing_else_decides_what_day_it_is():
    root = Path(sigma_assets.__file__).parent
    own = {str(file.relative_to(root)) for file in root.rglob("*.py") if "now(UTC).date()" in file.read_text()}

    assert own == set()
