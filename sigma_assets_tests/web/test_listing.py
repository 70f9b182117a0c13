"""The list of portfolios."""

from datetime import UTC, date, datetime

import pandas as pd
import sqlalchemy as sa

from sigma_assets.prices.changes import note_price_looks
from sigma_assets.reports.summaries import summaries
from sigma_assets.settings import Settings
from sigma_assets.storage.schema import (
    holdings_changes,
    market_prices,
    performance,
    portfolio_snapshots,
    price_coverage,
    price_loads,
    volatility_by_portfolio,
)
from sigma_assets.web import listing
from sigma_assets_tests.web.pipeline import LAST, begin, complete
from sigma_assets_tests.web.test_costs import counted

PRICED = date(2025, 1, 13)


def _written(world, portfolio_id: str, last: date, without: tuple[date, ...] = ()) -> None:
    """Store snapshots up to a session, and a price of PRICED."""
    days = [day.date() for day in pd.bdate_range("2025-01-02", last) if day.date() != date(2025, 1, 9)]
    columns = [column for column in portfolio_snapshots.c if not column.nullable]
    sessions = [day for day in days if day not in without and not (day.month == 1 and day.day == 20)]
    rows = [{column.name: 0 for column in columns} | {"portfolio_id": portfolio_id, "session": day} for day in sessions]
    now = datetime.now(UTC)
    price = {"session": PRICED, "symbol": "SPY", "close": 1.0, "split_factor": 1.0, "dividend": 0.0, "source": "files"}
    with world.database.begin() as connection:
        connection.execute(sa.insert(portfolio_snapshots), rows)
        if connection.execute(sa.select(sa.func.count()).select_from(market_prices)).scalar_one() == 0:
            connection.execute(sa.insert(price_loads), {"revision": 1, "source": "files", "loaded_at": now, "rows": 1})
            connection.execute(sa.insert(market_prices), {**price, "loaded_at": now, "revision": 1})


def _list(world) -> dict[str, dict]:
    answer = world.client().get("/api/v1/portfolios").json()
    assert answer["target_session"] in (None, str(PRICED))
    return {line["name"]: line for line in answer["portfolios"]}


def test_a_run_that_failed_is_seen_behind_any_number_of_newer_ones(embedded, monkeypatch):
    """Of a thousand imports at once, eight hundred whose runs had failed were `pending`."""
    monkeypatch.setattr(listing, "RECENT_RUNS", 1)
    for name in ("old", "new", "newest", "unstarted"):
        embedded.add_portfolio(f"{name}-id", name=name)
    run_id = complete(embedded.instance, ["old-id"], assets=["price_coverage"], fail="price_coverage")
    for name in ("new", "new", "newest"):
        complete(embedded.instance, [f"{name}-id"], assets=["price_coverage"], fail="price_coverage")

    lines = _list(embedded)

    assert {name: line["state"] for name, line in lines.items()} == {
        "old": "failed",
        "new": "failed",
        "newest": "failed",
        "unstarted": "pending",
    }
    assert lines["old"]["run_id"] == run_id


def test_runs_of_a_portfolio_that_cover_nobody_do_not_hold_up_the_list(embedded, monkeypatch):
    """As many of them as a look reads: the next look would find the same ones, for ever."""
    monkeypatch.setattr(listing, "RECENT_RUNS", 1)
    monkeypatch.setattr(listing, "covers_of", lambda *_: [])
    for name in ("old", "new"):
        embedded.add_portfolio(f"{name}-id", name=name)
        complete(embedded.instance, [f"{name}-id"], assets=["price_coverage"], fail="price_coverage")

    assert {name: line["state"] for name, line in _list(embedded).items()} == {"old": "pending", "new": "failed"}


def test_each_portfolio_says_where_it_stands(world):
    """Five portfolios, five stories."""
    for name in ("current", "behind", "partial", "running", "pending"):
        world.add_portfolio(f"{name}-id", name=name)
    complete(world.instance, ["current-id"], last=PRICED)
    _written(world, "current-id", PRICED)
    complete(world.instance, ["behind-id"])
    _written(world, "behind-id", LAST, without=(date(2025, 1, 6),))
    complete(world.instance, ["partial-id"], last=PRICED, fail="betas")
    _written(world, "partial-id", PRICED)
    run_id, events = begin(world.instance, ["running-id"])
    next(events)

    lines = _list(world)

    assert {name: line["state"] for name, line in lines.items()} == {
        "current": "current",
        "behind": "behind",
        "partial": "failed",
        "running": "running",
        "pending": "pending",
    }
    assert {name: line["missing"] for name, line in lines.items()} == {
        "current": "",
        "behind": "1 session after 2025-01-10; 1 earlier session",
        "partial": "betas on 2025-01-13",
        "running": "everything",
        "pending": "everything",
    }
    assert lines["behind"]["last_session"] == "2025-01-10"
    assert lines["running"]["run_url"] == f"http://127.0.0.1:3000/runs/{run_id}"
    for _ in events:
        pass


def test_a_portfolio_whose_holdings_changed_is_behind_until_that_is_computed(world):
    world.add_portfolio("changed-id", name="changed")
    complete(world.instance, ["changed-id"], last=PRICED)
    _written(world, "changed-id", PRICED)
    assert _list(world)["changed"]["state"] == "current"

    columns = {column.name: 0 for column in price_coverage.c if not column.nullable}
    computed = columns | {
        "portfolio_id": "changed-id",
        "session": PRICED,
        "holdings_revision": 999,
        "prices_revision": 999,
    }
    with world.database.begin() as connection:
        connection.execute(sa.insert(price_coverage), computed)
    line = _list(world)["changed"]

    assert (line["state"], line["missing"]) == ("behind", "changed holdings from 2025-01-13 on")
    assert "without numbers of its present holdings" in line["gaps"]


def test_a_portfolio_whose_prices_were_corrected_is_behind_until_somebody_has_looked(world):
    """Whether they change its numbers takes a comparison, which is the daemon's, or that of `sigma-assets run`."""
    world.add_portfolio("corrected-id", name="corrected")
    complete(world.instance, ["corrected-id"], last=PRICED)
    _written(world, "corrected-id", PRICED)
    columns = {column.name: 0 for column in price_coverage.c if not column.nullable}
    with world.database.begin() as connection:
        changes = connection.execute(sa.select(sa.func.count()).select_from(holdings_changes)).scalar_one()
        row = {"portfolio_id": "corrected-id", "session": PRICED, "holdings_revision": changes}
        connection.execute(sa.insert(price_coverage), columns | row)
        revision = connection.execute(sa.select(sa.func.max(market_prices.c.revision))).scalar_one()
    line = _list(world)["corrected"]

    note_price_looks(world.database, ["corrected-id"], revision, world.settings.history_start, PRICED)

    assert (line["state"], line["missing"]) == ("behind", "a look at corrected prices")
    assert "without numbers of the present prices" in line["gaps"]
    looked = _list(world)["corrected"]
    assert (looked["state"], looked["missing"]) == ("current", "")


def test_a_portfolio_that_begins_in_the_future_lacks_nothing_yet(world, monkeypatch):
    """The list said that everything was missing, `sigma-assets missing` that nothing that can be computed was."""
    world.add_portfolio("P1", name="future", inception=date(2025, 1, 11))
    monkeypatch.setattr(Settings, "current_session", lambda _: date(2025, 1, 10))

    line = _list(world)["future"]

    assert (line["state"], line["missing"]) == ("pending", "nothing yet: it begins after the close of 2025-01-13")
    monkeypatch.setattr(Settings, "current_session", lambda _: PRICED)
    assert _list(world)["future"]["missing"] == "everything"


def test_an_installation_without_portfolios_lists_none(world):
    """The first look after installing."""
    assert _list(world) == {}


def test_long_lists_come_in_pages(embedded):
    """In the order of their creation."""
    for number in range(5):
        embedded.add_portfolio(f"P{number}", name=f"P{number}", created=datetime(2025, 1, 1 + number, tzinfo=UTC))
    client = embedded.client()

    second = client.get("/api/v1/portfolios?offset=2&limit=2").json()

    assert second["total"] == 5
    assert [line["name"] for line in second["portfolios"]] == ["P2", "P3"]


def test_numbers_of_many_portfolios_come_in_one_statement(embedded):
    """Each on its own last session; what is not computed there is not known."""
    for number in (1, 2, 3):
        embedded.add_portfolio(f"P{number}", name=f"P{number}")
    with embedded.database.begin() as connection:
        blanks = {column.name: 0 for column in portfolio_snapshots.c if not column.nullable}
        for number, last in ((1, LAST), (2, PRICED), (3, None)):
            days = [] if last is None else [date(2025, 1, 8), last]
            rows = [
                blanks | {"portfolio_id": f"P{number}", "session": day, "equity": number + at, "daily_pnl": 0.5}
                for at, day in enumerate(days)
            ]
            if rows:
                connection.execute(sa.insert(portfolio_snapshots), rows)
        key = {"portfolio_id": "P2", "session": PRICED}
        connection.execute(sa.insert(volatility_by_portfolio), key | {"realized_63d": 0.25})
        connection.execute(
            sa.insert(performance),
            key | {"benchmark": "SPY", "return_ytd": -0.5, "observations": 1, "benchmark_observations": 1},
        )

    with counted() as queries:
        found = summaries(embedded.database, ["P1", "P2", "P3"])

    assert len(queries) == 1
    assert found.keys() == {"P1", "P2"}
    assert (found["P1"].session, found["P1"].equity, found["P1"].volatility) == (LAST, 2.0, None)
    assert (found["P2"].session, found["P2"].equity) == (PRICED, 3.0)
    assert (found["P2"].volatility, found["P2"].return_ytd, found["P2"].var_99) == (0.25, -0.5, None)
