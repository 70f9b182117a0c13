"""What a live source did not have is asked for again after five sessions, at the price of a few calls."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sigma_assets.base.calendar import as_dates
from sigma_assets.prices import source
from sigma_assets.prices.source import PriceSource
from sigma_assets.prices.storing import Loaded
from sigma_assets.providers.base import ASK_AGAIN_DAYS
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.migrations import upgrade
from sigma_assets.storage.schema import market_prices
from sigma_assets_tests.providers.loopback import Loopback
from sigma_assets_tests.providers.massive.fake_massive import KEY, FakeMassive, split

SYMBOLS = ["FULL", "GONE", "HALT", "HOLE", "NOPE", "SPY", "VFIAX"]


class Desk:
    """A price source on a small Massive, and forty sessions; `on` is the day of the next load, the last session at first.

    HOLE lacks the fourth session, HALT the tenth, on which each share became two; GONE was delisted before the last
    five; nobody knows NOPE, and Massive has no funds.
    """

    def __init__(self, home: Path, server: Loopback, massive: FakeMassive, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(
            home=home, prices="massive", massive_api_key=KEY, massive_url=server.url, massive_calls_per_minute=0
        )
        self.server, self.massive = server, massive
        calendar = self.settings.calendar
        self.last = self.on = calendar.shift(self.settings.current_session(), -12)
        self.days = as_dates(calendar.between(self.last - timedelta(days=90), self.last))[-40:]
        closes = dict.fromkeys(self.days, 10.0)
        for symbol, absent in (("SPY", []), ("FULL", []), ("HOLE", [3]), ("HALT", [9]), ("GONE", range(35, 40))):
            massive.prices(symbol, {day: closes[day] for at, day in enumerate(self.days) if at not in absent})
        massive.splits = [split("HALT", str(self.days[9]), 1, 2)]
        massive.delisted["GONE"] = {"ticker": "GONE", "delisted_utc": f"{self.days[35]}T00:00:00Z"}
        del massive.details["GONE"]
        self.database = Database(f"sqlite:///{home / 'prices.sqlite'}")
        upgrade(self.database)
        self.source = PriceSource(self.settings, lambda: self.database)
        monkeypatch.setattr(source, "today", lambda: self.on)
        monkeypatch.setattr(
            Settings, "current_session", lambda _: as_dates(calendar.between(self.last, self.on))[-1]
        )  # fmt: skip

    def load(self, sessions: list[date] | None = None, *, again: bool = True) -> Loaded:
        """Load what is missing on some sessions (None = on all)."""
        days = np.array(self.days if sessions is None else sessions, dtype="datetime64[D]")
        return self.source.load_missing(SYMBOLS, days, lambda *_: None, again=again)

    def asked(self) -> list[str]:
        """Return the paths asked for since the last look, less those of all splits and dividends."""
        paths = [request.path for request in self.server.requests if not request.path.startswith("/stocks/v1")]
        self.server.requests.clear()
        return paths

    def splits(self, symbol: str) -> dict[date, float]:
        """Return the stored split factors of a symbol that are not 1."""
        query = sa.select(market_prices.c.session, market_prices.c.split_factor).where(
            market_prices.c.symbol == symbol, market_prices.c.split_factor != 1
        )
        with self.database.read() as connection:
            return {row.session: row.split_factor for row in connection.execute(query)}

    def bar(self, symbol: str, day: date) -> None:
        """Let the source have a bar that it lacked."""
        known = {datetime.fromtimestamp(b["t"] / 1000, UTC).date() for b in self.massive.bars.get(symbol, [])}
        self.massive.prices(symbol, dict.fromkeys(sorted({*known, day}), 10.0))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    massive = FakeMassive()
    with Loopback(massive.answer).running() as server:
        desk = Desk(tmp_path, server, massive, monkeypatch)
        yield desk
        desk.database.dispose()


def test_gaps_cost_no_call_for_five_sessions_and_then_a_few_each(desk: Desk):
    assert desk.load().unserved == 1 + 1 + 5 + 2 * 40
    desk.asked()

    desk.on = desk.last + timedelta(days=ASK_AGAIN_DAYS - 1)
    desk.load()
    assert desk.asked() == []

    desk.on = desk.last + timedelta(days=ASK_AGAIN_DAYS)
    desk.load()
    asked = desk.asked()
    assert [path for path in asked if "GONE" in path or "VFIAX" in path or "FULL" in path] == []
    assert [sum(symbol in path for path in asked) for symbol in ("HALT", "HOLE")] == [3, 3], "docs/prices.md says so"
    assert sum("NOPE" in path or path == "/v3/reference/tickers" for path in asked) == 3
    desk.load()
    assert desk.asked() == [], "asked for a moment ago"


@pytest.mark.parametrize("window", [slice(None), slice(-5, None)])
def test_what_the_source_has_by_now_is_stored_also_before_the_sessions_of_the_night(desk: Desk, window):
    """A hole older than 90 days, and all that lay before a night's look-back, was never asked for again."""
    desk.load()
    for symbol, at in (("HOLE", 3), ("NOPE", 39)):
        desk.bar(symbol, desk.days[at])

    desk.on = desk.last + timedelta(days=ASK_AGAIN_DAYS - 1)
    assert desk.load(desk.days[window]).rows == 0
    desk.on = desk.last + timedelta(days=ASK_AGAIN_DAYS)
    loaded = desk.load(desk.days[window])

    assert loaded.rows == 2 + 1, "HOLE and NOPE, and of HALT the row with the split is looked at once more"
    assert desk.load(desk.days[window]).rows == 0


def test_the_run_of_a_portfolio_asks_for_its_own_sessions_alone(desk: Desk):
    desk.load()
    desk.bar("HOLE", desk.days[3])
    desk.on = desk.last + timedelta(days=ASK_AGAIN_DAYS)

    assert desk.load(desk.days[-5:], again=False).rows == 0
    assert desk.load(desk.days[-5:]).rows >= 1


def test_a_price_that_comes_for_the_session_of_a_split_does_not_double_the_split(desk: Desk):
    desk.load()
    assert desk.splits("HALT") == {desk.days[10]: 2.0}

    desk.bar("HALT", desk.days[9])
    desk.on = desk.last + timedelta(days=ASK_AGAIN_DAYS)
    desk.load()

    assert desk.splits("HALT") == {desk.days[9]: 2.0}


def test_a_changed_source_does_not_double_it_either(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """Seen before: the gap was open again, the row after it was not, and a share became four."""
    desk.load()
    desk.bar("HALT", desk.days[9])
    monkeypatch.setattr(desk.source, "fingerprint", lambda: "changed")

    desk.load()

    assert desk.splits("HALT") == {desk.days[9]: 2.0}


def test_only_a_source_that_follows_another_is_said_to_have_changed(desk: Desk, monkeypatch, caplog):
    """On a new database the first run said that what the source lacked before is asked for again."""
    caplog.set_level("INFO")
    desk.load()
    assert "has changed" not in caplog.text

    monkeypatch.setattr(desk.source, "fingerprint", lambda: "changed")
    desk.load()

    assert caplog.text.count("the price source has changed") == 1
