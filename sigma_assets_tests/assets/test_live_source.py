"""The whole pipeline on a source that answers like Massive: a split, a dividend, a refusal and its healing."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import Outcome, UpdateRequest, bring_up_to_date
from sigma_assets.base.calendar import as_dates
from sigma_assets.base.conventions import FACTOR_ETFS
from sigma_assets.definitions import definitions_for
from sigma_assets.holdings.reader import read_holdings
from sigma_assets.prices import completeness
from sigma_assets.prices.source import PriceSource
from sigma_assets.runs.history import stories
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import Settings, read_settings
from sigma_assets.storage.portfolios import NewPortfolio, add_portfolio
from sigma_assets_tests.providers.loopback import Loopback, Reply, Request, as_json
from sigma_assets_tests.providers.massive.fake_massive import KEY, FakeMassive, dividend, split
from sigma_assets_tests.templates import fresh_instance, migrated_sqlite

SESSIONS, LOOKBACK = 6, 330


class FallibleMassive(FakeMassive):
    """A Massive that can be told to refuse the key."""

    refuses = False

    def answer(self, request: Request) -> Reply:
        """Answer as documented, or refuse."""
        refusal = {"status": "ERROR", "request_id": "r", "error": "Unknown API Key"}
        return as_json(refusal, 401) if self.refuses else super().answer(request)


class World:
    """One portfolio of 10 AAPL, entered at 400 six sessions ago; two sessions later each share became four."""

    def __init__(self, home: Path, server: Loopback, massive: FallibleMassive) -> None:
        variables = {"SIGMA_PRICES": "massive", "MASSIVE_API_KEY": KEY, "SIGMA_MASSIVE_URL": server.url}
        self.settings: Settings = read_settings(
            {**variables, "DAGSTER_HOME": str(home), "SIGMA_MASSIVE_CALLS_PER_MINUTE": "0"}
        )
        calendar = self.settings.calendar
        self.last = self.settings.current_session()
        self.days: list[date] = as_dates(calendar.between(calendar.shift(self.last, -LOOKBACK), self.last))
        self.sessions = self.days[-SESSIONS:]
        self.fill(massive)
        shutil.copy(migrated_sqlite(), home / "sigma.sqlite")
        self.tables = Tables(self.settings)
        self.source = PriceSource(self.settings, self.tables.opened)
        lots = read_holdings(
            f"Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,10,400,{self.sessions[0]}\n".encode(),
            "holdings.csv",
            self.last,
        )
        new = NewPortfolio("Live", "taxable", 10_000.0, self.sessions[0])
        self.portfolio_id = add_portfolio(self.tables.database, new, lots)

    def fill(self, massive: FallibleMassive) -> None:
        """Give every factor ETF a random walk, and AAPL 400 before the split and 100 after it."""
        for number, symbol in enumerate(FACTOR_ETFS):
            walk = 100 * np.exp(np.random.default_rng(number).normal(0, 0.01, len(self.days)).cumsum())
            massive.prices(symbol, dict(zip(self.days, walk.round(2).tolist(), strict=True)))
        massive.prices("AAPL", {day: 400.0 if day < self.sessions[2] else 100.0 for day in self.days})
        massive.splits.append(split("AAPL", str(self.sessions[2]), 1, 4))
        massive.dividends.append(dividend("AAPL", str(self.sessions[4]), 0.25))

    def run(self, instance: dg.DagsterInstance) -> list[Outcome]:
        """Bring the portfolio up to date."""
        return bring_up_to_date(
            definitions_for(self.settings), instance, self.tables, self.source, UpdateRequest((self.portfolio_id,)),
            on_event=lambda planned, event: None, on_wait=lambda busy: None,
        )  # fmt: skip

    def rows(self, table: str) -> pd.DataFrame:
        """Return the rows of a table for the portfolio's sessions."""
        days = np.array(self.sessions, dtype="datetime64[D]")
        return self.tables.rows(table, Scope(days, (self.portfolio_id,)))


@pytest.fixture
def massive() -> FallibleMassive:
    return FallibleMassive()


@pytest.fixture
def world(tmp_path: Path, massive: FallibleMassive) -> Iterator[World]:
    with Loopback(massive.answer).running() as server:
        yield World(tmp_path, server, massive)


def test_a_split_and_a_dividend_pass_through_to_quantities_and_equity(world: World):
    """10 x 400 = 40 x 100: the split makes no profit; the dividend pays 40 x 0.25."""
    with fresh_instance(world.settings.home) as instance:
        (outcome,) = world.run(instance)

    positions, snapshots = world.rows("position_values"), world.rows("portfolio_snapshots")
    assert outcome.succeeded
    assert positions["quantity"].tolist() == [10.0, 10.0, 40.0, 40.0, 40.0, 40.0]
    assert positions["price"].tolist() == [400.0, 400.0, 100.0, 100.0, 100.0, 100.0]
    assert snapshots["equity"].tolist() == [10_000.0] * 4 + [10_010.0] * 2
    assert snapshots["dividend_income"].tolist() == [0.0] * 4 + [10.0, 0.0]
    assert len(world.rows("factor_exposures_by_portfolio")) == SESSIONS


def test_a_refusal_fails_the_run_with_its_reason_stores_nothing_and_the_next_run_heals(
    world: World, massive: FallibleMassive
):
    with fresh_instance(world.settings.home) as instance:
        world.source.target_session()
        massive.refuses = True
        (refused,) = world.run(instance)
        (story,) = stories(instance, world.tables.roster(), world.settings.calendar)
        stored = len(world.rows("portfolio_snapshots"))
        massive.refuses = False
        (healed,) = world.run(instance)

    assert not refused.succeeded
    assert [(asset, kind) for asset, kind, _ in story.failures] == [("price_coverage", "ProviderAccessError")]
    assert KEY not in str(story)
    assert stored == 0
    assert healed.succeeded
    assert len(world.rows("portfolio_snapshots")) == SESSIONS


def test_a_session_with_prices_for_a_few_symbols_only_is_not_taken_as_complete(
    world: World, massive: FallibleMassive, monkeypatch: pytest.MonkeyPatch
):
    """SPY and AAPL are ahead of the sixteen other ETFs: nothing is computed of the session until half of them have it."""
    whole = dict(massive.bars)
    for symbol in FACTOR_ETFS[1:]:
        massive.bars[symbol] = whole[symbol][:-1]
    assert FACTOR_ETFS[0] == "SPY"

    with fresh_instance(world.settings.home) as instance:
        (unfinished,) = world.run(instance)
        (story,) = stories(instance, world.tables.roster(), world.settings.calendar)
        assert not unfinished.succeeded
        ((asset, kind, message),) = story.failures
        assert (asset, kind) == ("price_coverage", "ProviderUnavailableError")
        assert f"{world.last}: 2 of 18 symbols that had prices lately have one" in message
        assert "SIGMA_COMPLETE_SHARE" in message

        monkeypatch.setattr(completeness, "FIRST_PAUSE", timedelta(days=3650))
        assert world.source.target_session() == world.days[-2]
        assert "asked for again from" in str(world.source.unfinished())
        (before,) = world.run(instance)
        assert before.succeeded
        assert before.planned.last == world.days[-2]

        massive.bars.update(whole)
        monkeypatch.setattr(completeness, "FIRST_PAUSE", timedelta(0))
        monkeypatch.setattr(completeness.Answers, "waits_until", lambda self, due: due)
        assert world.source.target_session() == world.last
        (healed,) = world.run(instance)

    assert healed.succeeded
    assert world.rows("portfolio_snapshots")["session"].iloc[-1].date() == world.last


@pytest.mark.parametrize(("priced", "lacking", "complete"), [(0, 0, True), (1, 1, True), (1, 2, False), (9, 9, True)])
def test_half_of_the_symbols_priced_lately_are_enough(priced, lacking, complete):
    """Asked for nothing, a session is what the source says that it is."""
    answers = completeness.Answers(date(2026, 1, 8), priced, lacking, None)

    assert answers.is_complete(0.5) is complete


def test_a_session_is_asked_for_again_less_and_less_often():
    """Due at 16:30: asked at 16:40, again at 17:40; asked then, 70 minutes later; asked at 20:30, at half past midnight."""
    due = datetime(2026, 1, 8, 21, 30, tzinfo=UTC)

    def again(after: timedelta) -> timedelta:
        return completeness.Answers(due.date(), 1, 9, due + after).waits_until(due) - due

    assert again(timedelta(minutes=10)) == timedelta(minutes=70)
    assert again(timedelta(minutes=70)) == timedelta(minutes=140)
    assert again(timedelta(hours=4)) == timedelta(hours=8)
