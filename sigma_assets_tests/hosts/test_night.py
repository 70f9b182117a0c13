"""A night of 1,000 portfolios on three hosts: one is killed, one is cut off the network, the broker restarts.

Nothing is lost, stuck or doubled.

Afterwards, on the same hosts: a cancellation, a broker that is away, a host that is drained, a host with other code.
"""

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from sigma_assets.runs.covers import RunCover
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.roster import read_roster
from sigma_assets.storage.schema import metadata
from sigma_assets_tests.conftest import fresh_database
from sigma_assets_tests.hosts.deployment import HostsDeployment
from sigma_assets_tests.processes.deployment import CHECKOUT, LAST, Deployment, until

SUCCESS, FAILURE, CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
PORTFOLIOS, RUNS = 1000, 4
"""The planner divides them among the slots that it is told of, besides the universe's run."""
EVE, NIGHT = date(2026, 1, 7), LAST
NAMES = ("host-a", "host-b", "host-c")

pytestmark = [pytest.mark.waits, pytest.mark.timeout(1500)]


@dataclass
class Night:
    """What was seen.

    Attributes
    ----------
    portfolios : one of each run; the first run's host is killed, the second one's is cut off.
    killed, cut : the hosts that were, and left : the one that was left alone.
    stale_rows : rows that the cut-off worker's step had left when its run was over and nobody else had written any.
    one_host : what one host computes from the same holdings.
    """

    hosts: HostsDeployment
    portfolios: list[str]
    killed: str = ""
    cut: str = ""
    left: str = ""
    stale_rows: int = -1
    one_host: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)

    def runs(self, number: int) -> list[RunCover]:
        """Return the night's runs of a portfolio, oldest first."""
        return [run for run in self.hosts.runs(self.portfolios[number]) if run.first == str(NIGHT)]


@pytest.fixture(scope="module")
def night(hosts: HostsDeployment) -> Night:
    """Let the night happen."""
    portfolios = hosts.add_books(PORTFOLIOS, EVE, lots=4)
    _run(hosts, prices=f"simulated:last={EVE}")
    hosts.database.dispose()
    same_eve = fresh_database(hosts.server, f"TEMPLATE {sa.make_url(hosts.environment['SIGMA_DATABASE_URL']).database}")
    order = read_roster(hosts.database).portfolio_ids
    in_a_run = PORTFOLIOS // RUNS
    found = Night(hosts, [min(order[first : first + in_a_run]) for first in range(0, PORTFOLIOS, in_a_run)])
    reached = [_shut(hosts, portfolio_id) for portfolio_id in found.portfolios[:2]]
    hosts.configure(concurrency={"runs": {**_limits(hosts), "max_concurrent_runs": len(NAMES)}})
    with ThreadPoolExecutor(1) as aside:
        hosts.start_workers(*NAMES)
        hosts.start("code server", "daemon")
        (_, found.killed), (stale, found.cut) = hosts.arrived(reached[0]), hosts.arrived(reached[1])
        (found.left,) = set(NAMES) - {found.killed, found.cut}
        hosts.network.host(found.killed).kill()
        hosts.network.host(found.cut).cut()
        alone = aside.submit(_one_host, hosts, same_eve)
        hosts.broker.stop()
        time.sleep(1.0)  # away for so long, not waited for: runs at work must not notice
        hosts.broker.start()
        until(lambda: found.runs(0)[0].status is FAILURE, "the killed host's run is given away", seconds=120)
        hosts.open(reached[0])
        until(lambda: found.runs(1)[0].status is FAILURE, "the cut host's run is given away", seconds=120)
        _gate(reached[1]).write_text(str(stale))  # it alone may go on, to its write
        hosts.network.host(found.cut).mend()
        until(lambda: _is_refused(hosts, found.runs(1)[0].run_id), "the stale worker is refused", seconds=240)
        found.stale_rows = _count(hosts.database, "betas_by_portfolio", found.portfolios[1], NIGHT)
        hosts.open(reached[1])
        hosts.start_workers(found.killed)
        hosts.wait_until_done(*portfolios, seconds=400)
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
    assert _rows(night.hosts.database) == night.one_host
    assert all(
        night.one_host[table]
        for table in ("position_values", "betas_by_position", "volatility_by_symbol", "performance")
    )


def test_every_portfolio_has_the_night_once(night: Night) -> None:
    query = sa.text(
        "SELECT portfolio_id, count(*) AS number FROM portfolio_snapshots WHERE session = :night GROUP BY portfolio_id"
    )
    with night.hosts.database.read() as connection:
        rows = {row.portfolio_id: row.number for row in connection.execute(query, {"night": NIGHT})}

    assert len(rows) == PORTFOLIOS
    assert set(rows.values()) == {1}


def test_cancelling_reaches_the_host_of_the_run(night: Night) -> None:
    hosts = night.hosts
    portfolio_id = hosts.add("to be canceled")
    reached = _shut(hosts, portfolio_id)
    hosts.arrived(reached)
    (run,) = hosts.runs(portfolio_id)

    with hosts.instance() as instance:
        assert instance.run_launcher.terminate(run.run_id)

    until(lambda: hosts.runs(portfolio_id)[0].status is CANCELED, "the run is canceled", seconds=120)
    hosts.open(reached)
    events = [kind for kind, _ in hosts.messages(run.run_id)]
    assert "STEP_FAILURE" in events, "its own process stopped it, not the time limit for cancelling"
    assert _count(hosts.database, "betas_by_portfolio", portfolio_id) == 0 or len(hosts.runs(portfolio_id)) > 1


def test_a_process_that_is_killed_on_a_host_that_lives_is_noticed_at_once(night: Night) -> None:
    """As the system does that has no memory left."""
    hosts = night.hosts
    portfolio_id = hosts.add("out of memory")
    reached = _shut(hosts, portfolio_id)
    pid, host = hosts.arrived(reached)
    hosts.open(reached)

    os.kill(pid, signal.SIGKILL)

    hosts.wait_until_done(portfolio_id, seconds=240)
    first, *later = hosts.runs(portfolio_id)
    told = [text for kind, text in hosts.messages(first.run_id) if kind == "PIPELINE_FAILURE"]
    assert f"the process that executed it on {host} was killed" in told[0]
    assert [run.status for run in later] == [SUCCESS]


def test_a_run_waits_for_a_broker_that_is_away(night: Night) -> None:
    hosts = night.hosts
    hosts.broker.stop()
    portfolio_id = hosts.add("without a broker")
    until(
        lambda: any(_tells(hosts, run, "cannot be reached") for run in hosts.runs(portfolio_id)),
        "the run could not be handed over",
        seconds=120,
    )

    hosts.broker.start()

    hosts.wait_until_done(portfolio_id, seconds=240)
    assert [run.status for run in hosts.runs(portfolio_id)] == [SUCCESS]


def test_a_worker_that_is_asked_to_stop_finishes_its_run_and_takes_no_more(night: Night) -> None:
    hosts = night.hosts
    portfolio_id = hosts.add("is finished")
    reached = _shut(hosts, portfolio_id)
    _, host = hosts.arrived(reached)
    worker = hosts.worker(host)

    worker.terminate()
    other = hosts.add("goes elsewhere")
    hosts.wait_until_done(other, seconds=240)
    assert worker.poll() is None
    hosts.open(reached)

    hosts.wait_until_done(portfolio_id, seconds=240)
    assert [run.status for run in hosts.runs(portfolio_id)] == [SUCCESS]
    assert worker.wait(120) == 0


def test_a_host_with_other_code_refuses_and_leaves_the_run_to_others(night: Night, tmp_path: Path) -> None:
    hosts = night.hosts
    shutil.copytree(CHECKOUT / "sigma_assets", tmp_path / "sigma_assets", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "sigma_assets" / "base" / "conventions.py").open("a") as file:
        file.write("\n# another version\n")
    for host in NAMES:
        for worker in hosts.network.host(host).processes:
            worker.terminate()
            worker.wait(120)
    hosts.start_workers("host-d", checkout=tmp_path)

    portfolio_id = hosts.add("of another version")
    assert hosts.worker("host-d").wait(240) == 0
    refused = [run for run in hosts.runs() if _tells(hosts, run, "the worker on host-d refuses run")]
    assert len(refused) == 1, _story(hosts, portfolio_id)  # the portfolio's, or another one that was due
    hosts.start_workers("host-a")

    hosts.wait_until_done(portfolio_id, seconds=240)
    assert [run.status for run in hosts.runs(portfolio_id)] == [SUCCESS]


def _limits(hosts: HostsDeployment) -> dict[str, object]:
    return dict(hosts._configuration()["concurrency"]["runs"])


def _shut(hosts: HostsDeployment, portfolio_id: str) -> Path:
    return hosts.shut("before_betas", portfolio_id)


def _gate(reached: Path) -> Path:
    return reached.with_name(reached.name.removesuffix(".reached"))


def _is_refused(hosts: HostsDeployment, run_id: str) -> bool:
    told = hosts.messages(run_id)
    over = [kind for kind, _ in told].index("PIPELINE_FAILURE")
    return any("nothing more is written" in text or "already in a failure state" in text for _, text in told[over:])


def _tells(hosts: HostsDeployment, run: RunCover, words: str) -> bool:
    return any(words in text for _, text in hosts.messages(run.run_id))


def _story(hosts: HostsDeployment, portfolio_id: str) -> str:
    """Return the newest runs, and what those of a portfolio have logged."""
    told = [f"{run.run_id} {run.job} {run.reason} {run.status} {run.portfolio_ids}" for run in hosts.runs()[-9:]]
    told += [text for run in hosts.runs(portfolio_id) for _, text in hosts.messages(run.run_id)]
    return "\n".join(told)


def _count(database: Database, table: str, portfolio_id: str, first: date = EVE) -> int:
    query = sa.text(f"SELECT count(*) FROM {table} WHERE portfolio_id = :portfolio_id AND session >= :first")
    with database.read() as connection:
        return connection.execute(query, {"portfolio_id": portfolio_id, "first": first}).scalar_one()


def _rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return every computed value of every portfolio, to the last bit; not which load of prices it was made after."""
    dump = {}
    with database.read() as connection:
        for table in (
            table for table in metadata.sorted_tables if {"portfolio_id", "session"} <= {*table.columns.keys()}
        ):
            columns = [column for column in table.columns if not column.name.endswith("revision")]
            dump[table.name] = sorted((tuple(row) for row in connection.execute(sa.select(*columns))), key=str)
    return dump


def _one_host(hosts: HostsDeployment, database: str) -> dict[str, list[tuple[object, ...]]]:
    """Compute the same night in one process, in a database of its own that is as it was on the eve."""
    url = hosts.server.url.set(database=database, drivername="postgresql")
    alone = Deployment(
        hosts.home.parent / "alone",
        dagster_yaml=CHECKOUT / "deploy" / "dagster.yaml",
        SIGMA_DATABASE_URL=url.render_as_string(hide_password=False),
    )
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
