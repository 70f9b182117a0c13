"""A night of 1,000 portfolios on three hosts: one is killed, one is cut off the network, the broker restarts.

Nothing is lost, stuck or doubled.
"""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from sigma_assets.runs.covers import RunCover
from sigma_assets.storage import schema
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import metadata
from sigma_assets_tests.conftest import fresh_database
from sigma_assets_tests.hosts.deployment import HostsDeployment
from sigma_assets_tests.processes.deployment import CHECKOUT, LAST, Deployment, until

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
PORTFOLIOS, RUNS = 1000, 4
"""The planner divides them among the slots that it is told of, besides the universe's run."""
DISTINCT = 199
"""One host computes so many; the others hold the same again. A prime: twins are at different places of their runs."""
EVE, NIGHT = date(2026, 1, 7), LAST
NAMES = ("host-a", "host-b", "host-c")

pytestmark = [pytest.mark.waits, pytest.mark.timeout(1500)]

Rows = dict[str, dict[str, list[tuple[object, ...]]]]
"""Portfolio -> table -> its rows, in the order of their keys."""


@dataclass
class Night:
    """What was seen.

    Attributes
    ----------
    books : all portfolios, in the order in which they were added.
    portfolios : one of each run; the first run's host is killed, the second one's is cut off.
    killed, cut : the hosts that were, and left : the one that was left alone.
    stale_rows : rows that the cut-off worker's step had left when its run was over and nobody else had written any.
    one_host : what one host computes for the first portfolios, whose holdings are those of all.
    """

    hosts: HostsDeployment
    books: list[str]
    portfolios: list[str]
    killed: str = ""
    cut: str = ""
    left: str = ""
    stale_rows: int = -1
    one_host: Rows = field(default_factory=dict)

    def runs(self, number: int) -> list[RunCover]:
        """Return the night's runs of a portfolio, oldest first."""
        return [run for run in self.hosts.runs(self.portfolios[number]) if run.first == str(NIGHT)]


@pytest.fixture(scope="module")
def night(hosts: HostsDeployment) -> Night:
    """Let the night happen."""
    books = hosts.add_books(PORTFOLIOS, EVE, lots=4, distinct=DISTINCT)
    _run(hosts, prices=f"simulated:last={EVE}")
    hosts.database.dispose()
    same_eve = fresh_database(hosts.server, f"TEMPLATE {sa.make_url(hosts.environment['SIGMA_DATABASE_URL']).database}")
    order = read_roster(hosts.database).portfolio_ids
    in_a_run = PORTFOLIOS // RUNS
    found = Night(hosts, books, [min(order[first : first + in_a_run]) for first in range(0, PORTFOLIOS, in_a_run)])
    reached = [hosts.shut("before_betas", portfolio_id) for portfolio_id in found.portfolios[:2]]
    hosts.allow_runs(len(NAMES))
    with ThreadPoolExecutor(1) as aside:
        hosts.start_workers(*NAMES)
        hosts.start("code server", "daemon")
        (_, found.killed), (stale, found.cut) = hosts.arrived(reached[0]), hosts.arrived(reached[1])
        (found.left,) = set(NAMES) - {found.killed, found.cut}
        hosts.network.host(found.killed).kill()
        hosts.network.host(found.cut).cut()
        alone = aside.submit(_one_host, hosts, same_eve, books[:DISTINCT])
        hosts.broker.stop()
        time.sleep(1.0)  # away for so long, not waited for: runs at work must not notice
        hosts.broker.start()
        until(lambda: found.runs(0)[0].status is FAILURE, "the killed host's run is given away", seconds=120)
        hosts.open(reached[0])
        until(lambda: found.runs(1)[0].status is FAILURE, "the cut host's run is given away", seconds=120)
        _gate(reached[1]).write_text(str(stale))  # it alone may go on, to its write
        hosts.network.host(found.cut).mend()
        until(lambda: _is_refused(hosts, found.runs(1)[0].run_id), "the stale worker is refused", seconds=240)
        found.stale_rows = hosts.count("betas_by_portfolio", found.portfolios[1], NIGHT)
        hosts.open(reached[1])
        hosts.start_workers(found.killed)
        hosts.wait_until_done(*books, seconds=400)
        found.one_host = alone.result()
    return found


def test_the_night_is_divided_into_runs(night: Night) -> None:
    first_runs = [night.runs(number)[0] for number in range(RUNS)]

    assert [len(run.portfolio_ids) for run in first_runs] == [PORTFOLIOS // RUNS] * RUNS
    assert len({portfolio_id for run in first_runs for portfolio_id in run.portfolio_ids}) == PORTFOLIOS
    assert len({night.killed, night.cut, night.left}) == len(NAMES)


@pytest.mark.parametrize("number", [0, 1], ids=["killed", "cut off"])
def test_a_lost_hosts_run_is_done_by_another_one(night: Night, number: int) -> None:
    lost, *later = night.runs(number)
    host = (night.killed, night.cut)[number]

    assert lost.status is FAILURE
    told = [text for kind, text in night.hosts.messages(lost.run_id) if kind == "PIPELINE_FAILURE"]
    assert f"on {host} has not been heard of for" in told[0]
    assert [run.status for run in later] == [SUCCESS]


def test_what_no_host_lost_ran_once(night: Night) -> None:
    """The broker's restart in the middle of it is nothing to them."""
    statuses = [[run.status for run in night.runs(number)] for number in range(2, RUNS)]

    assert statuses == [[SUCCESS]] * (RUNS - 2)


def test_a_host_that_was_cut_off_wrote_nothing_after_its_work_was_given_away(night: Night) -> None:
    events = [kind for kind, _ in night.hosts.messages(night.runs(1)[0].run_id)]
    over = events.index("PIPELINE_FAILURE")

    assert night.stale_rows == 0
    assert events.count("PIPELINE_FAILURE") == 1
    assert "ASSET_MATERIALIZATION" not in events[over:]
    assert "PIPELINE_SUCCESS" not in events


def test_the_numbers_are_those_of_one_host(night: Night) -> None:
    found = _rows(night.hosts.database)

    assert len(found) == len(night.books) == PORTFOLIOS
    for number, portfolio_id in enumerate(night.books):
        assert found[portfolio_id] == night.one_host[night.books[number % DISTINCT]]
    assert {"position_values", "betas_by_position", "volatility_by_symbol", "performance"} <= found[
        night.books[0]
    ].keys()


def test_every_portfolio_has_the_night_once(night: Night) -> None:
    query = sa.text(
        "SELECT portfolio_id, count(*) AS number FROM portfolio_snapshots WHERE session = :night GROUP BY portfolio_id"
    )
    with night.hosts.database.read() as connection:
        rows = {row.portfolio_id: row.number for row in connection.execute(query, {"night": NIGHT})}

    assert len(rows) == PORTFOLIOS
    assert set(rows.values()) == {1}


def _gate(reached: Path) -> Path:
    return reached.with_name(reached.name.removesuffix(".reached"))


def _is_refused(hosts: HostsDeployment, run_id: str) -> bool:
    told = hosts.messages(run_id)
    over = [kind for kind, _ in told].index("PIPELINE_FAILURE")
    return any("nothing more is written" in text or "already in a failure state" in text for _, text in told[over:])


def _rows(database: Database) -> Rows:
    """Return every computed value, to the last bit; not which load of prices it was made after, nor who owns a lot."""
    found: Rows = defaultdict(lambda: defaultdict(list))
    with database.read() as connection:
        for table in metadata.sorted_tables:
            if {"portfolio_id", "session"} <= {*table.columns.keys()}:
                owner = table.columns["portfolio_id"]
                values = [each for each in table.columns if each is not owner and "revision" not in each.name]
                twins = [sa.func.left(each, 8) if each.name == "lot_id" else each for each in values]
                for row in connection.execute(sa.select(owner, *twins).order_by(*table.primary_key)):
                    found[row[0]][table.name].append(tuple(row[1:]))
    return found


def _one_host(hosts: HostsDeployment, database: str, portfolios: list[str]) -> Rows:
    """Compute the night of some portfolios in one process, in a database of its own that is as it was on the eve."""
    url = hosts.server.url.set(database=database, drivername="postgresql")
    alone = Deployment(
        hosts.home.parent / "alone",
        dagster_yaml=CHECKOUT / "deploy" / "dagster.yaml",
        SIGMA_DATABASE_URL=url.render_as_string(hide_password=False),
    )
    others = schema.portfolios.c.portfolio_id.not_in(portfolios)
    with alone.database.begin() as connection:
        connection.execute(sa.update(schema.portfolios).where(others).values(deleted_at=datetime.now(UTC)))
    _run(alone, prices=f"simulated:last={NIGHT}")
    try:
        return _rows(alone.database)
    finally:
        alone.stop()


def _run(deployment: Deployment, prices: str) -> None:
    """Compute everything up to the last session of some prices, in one process."""
    known = deployment.environment["SIGMA_PRICES"]
    deployment.environment["SIGMA_PRICES"] = prices
    try:
        done = deployment.command("run")
    finally:
        deployment.environment["SIGMA_PRICES"] = known
    assert done.returncode == 0, done.stdout + done.stderr
