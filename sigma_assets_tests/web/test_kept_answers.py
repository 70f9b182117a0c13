"""Answers are made once and kept as long as nothing is written: never longer, never more than there is room for."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from sigma_assets.base.errors import StorageError
from sigma_assets.instance.changes import DagsterChanges
from sigma_assets.instance.health.worker_process import PID_TAG, STARTED_TAG, process_identity, this_worker_tags
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import portfolio_snapshots, portfolios
from sigma_assets.web.app import create_app
from sigma_assets.web.cache import Answer, ShortCache
from sigma_assets_tests.reports.computed import computed_world, disposed
from sigma_assets_tests.verification.world import World
from sigma_assets_tests.web.conftest import EMBEDDED
from sigma_assets_tests.web.pipeline import begin, complete
from sigma_assets_tests.web.test_costs import counted


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Iterator[tuple[World, str]]:
    yield from disposed(computed_world(tmp_path_factory.mktemp("computed")))


@pytest.fixture(scope="module")
def client(computed, tmp_path_factory) -> Iterator[TestClient]:
    """Return a client of a server beside a Dagster of its own: that of the computed world is in memory."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text(EMBEDDED % home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        app = create_app(computed[0].settings, instance, cache_seconds=0.0)
        yield TestClient(app, base_url="http://127.0.0.1:3001", raise_server_exceptions=False)
        app.state.queries.close()


ASKED = [
    "/api/v1/portfolios/KEY/report",
    "/portfolio/KEY",
    "/api/v1/portfolios/KEY/portfolio_snapshots?limit=100",
    "/api/v1/portfolios/KEY/position_values",
    "/api/v1/portfolios/KEY/explain/portfolio_snapshots/equity",
]


@pytest.mark.parametrize("path", ASKED)
def test_what_has_not_changed_is_neither_read_nor_sent_again(computed, client, path):
    """A few queries ask whether anything was written, and none reads the answer; a reader's own copy is enough."""
    path = path.replace("KEY", computed[1])
    first = client.get(path)

    with counted() as queries:
        second = client.get(path)
        named = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.status_code == 200
    assert second.content == first.content
    assert (named.status_code, named.content) == (304, b"")
    assert len(queries) <= 2, "whether there is such a portfolio, once for each request"


@pytest.mark.parametrize("path", ASKED)
def test_a_change_is_seen_at_once(computed, client, path):
    """By the next request, whoever wrote it: here another connection, as another process has one."""
    world, key = computed
    path = path.replace("KEY", key)
    before = client.get(path)
    renamed = f"Renamed for {path}" if "limit" not in path and "values" not in path else None
    writer = Database(world.settings.database)
    table = portfolios if renamed else portfolio_snapshots if "limit" in path else None

    with writer.begin() as connection:
        if renamed:
            connection.execute(sa.update(portfolios).values(name=renamed))
        elif table is not None:
            connection.execute(sa.update(table).values(cash=table.c.cash + 1.0))
        else:
            connection.execute(sa.text("UPDATE position_values SET cost_basis = cost_basis + 1.0"))
    writer.dispose()
    after = client.get(path)

    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": before.headers["ETag"]}).status_code == 200


def test_a_status_that_counts_seconds_is_not_kept(embedded):
    embedded.add_portfolio("P1")
    client = embedded.client()
    path = "/api/v1/onboarding/status/P1"
    pending = client.get(path)
    complete(embedded.instance, ["P1"])

    done = client.get(path)
    with counted() as queries:
        again = client.get(path)

    assert (pending.json()["status"], done.json()["status"]) == ("pending", "completed")
    assert again.content == done.content
    assert queries == []


def test_a_version_is_equal_only_while_nothing_is_written(world):
    """Of our tables and of Dagster's storage, on both databases; reading leaves it as it is."""
    watching = DagsterChanges(world.instance)
    tables, dagster = world.database.version(), watching.version()
    with world.database.read() as connection:
        connection.execute(sa.select(portfolios)).all()
    assert (world.database.version(), watching.version()) == (tables, dagster)

    other = Database(world.settings.database)
    with other.begin() as connection:
        connection.execute(sa.text("DELETE FROM classifications"))
        inside = world.database.version()
        connection.execute(sa.text("INSERT INTO classifications VALUES ('AAA', 's', 'c', 1.0, '2024-01-02 00:00:00')"))
    other.dispose()
    written = world.database.version()
    world.add_portfolio("P1")
    complete(world.instance, ["P1"])

    assert written != tables
    assert written != inside
    assert watching.version() != dagster
    watching.close()


def test_fifty_who_ask_at_once_cost_one_look():
    cache, begun, looks = ShortCache(), threading.Event(), []

    def look() -> Answer:
        begun.wait(60)
        looks.append(1)
        return Answer(b"the same for all")

    found: list[Answer] = []
    readers = [threading.Thread(target=lambda: found.append(cache.get("report", look, lambda: 1))) for _ in range(50)]
    for reader in readers:
        reader.start()
    begun.set()
    for reader in readers:
        reader.join(60)

    assert len(looks) == 1
    assert len(found) == 50
    assert len({id(answer) for answer in found}) == 1


def test_who_waits_for_a_slow_answer_shares_it():
    """Readers who came while it was being made look no more than once again, all together, however long it takes."""
    cache, looks = ShortCache(0.05), []
    versions = iter(range(1000))

    def look() -> Answer:
        looks.append(1)
        time.sleep(0.2)
        return Answer(b"while a run is on, each look finds something new")

    readers = [threading.Thread(target=cache.get, args=("report", look, lambda: next(versions))) for _ in range(20)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    cache.close()

    assert len(looks) <= 2


def test_what_is_kept_has_bounds():
    """Bytes and keys; what was asked for longest ago goes first."""
    cache = ShortCache(0.0, most_bytes=1000, max_keys=3)
    looks: list[str] = []

    def get(key: str, size: int = 300) -> None:
        cache.get(key, lambda: looks.append(key) or Answer(b"x" * size), lambda: 1)  # type: ignore[func-returns-value]

    for key in ("a", "b", "c", "a", "d", "a", "c", "b"):
        get(key)
    assert looks == ["a", "b", "c", "d", "b"], "b was asked for longest ago when d came"

    get("large", 900)
    get("a")
    assert looks[-2:] == ["large", "a"], "the large one left no room for the others"


def test_keys_are_bounded_while_a_database_is_away():
    cache = ShortCache(1.0, max_keys=3)

    def away() -> int:
        raise StorageError("away")

    for key in range(10):
        with pytest.raises(StorageError):
            cache.get(key, lambda: Answer(b""), away)

    assert len(cache._slots) == 3


def test_an_error_is_shared_for_a_second_and_not_kept():
    now = [0.0]
    cache = ShortCache(1.0, lambda: now[0])
    answers: list[object] = [StorageError("away"), Answer(b"back")]

    def look() -> Answer:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return replace(answer)  # type: ignore[type-var]

    for moment in (0.0, 0.9):
        now[0] = moment
        with pytest.raises(StorageError):
            cache.get("status", look, lambda: 1)
    now[0] = 1.1

    assert cache.get("status", look, lambda: 1).body == b"back"
    assert answers == []


def test_readers_do_not_wait_for_the_next_answer_while_the_last_one_is_young():
    """It is given for two seconds at most; then all wait."""
    now, made = [0.0], threading.Event()
    cache = ShortCache(1.0, lambda: now[0])
    numbers = iter(range(10))

    def slowly() -> Answer:
        number = next(numbers)
        if number:
            assert made.wait(60)
        return Answer(b"%d" % number)

    def get() -> bytes:
        return cache.get("report", slowly).body

    assert get() == b"0"
    for now[0] in (0.9, 1.0, 1.9):
        assert get() == b"0", "the next one is being made"
    now[0] = 2.0
    late = threading.Thread(target=lambda: seen.append(get()))
    seen: list[bytes] = []
    late.start()
    late.join(0.2)
    assert seen == [], "nothing may be given that is older than two seconds"
    made.set()
    late.join(60)
    cache.close()

    assert seen == [b"2"], "what was begun a second ago is no longer young, either"


def test_a_quick_answer_is_given_at_once():
    now = [0.0]
    cache = ShortCache(1.0, lambda: now[0])

    assert [cache.get("report", lambda: Answer(b"%.1f" % now[0])).body for now[0] in (0.0, 1.5)] == [b"0.0", b"1.5"]


def test_what_is_made_of_an_older_part_is_not_kept():
    """A part may be a second old: a change since then is in the version of the whole, and not in the whole."""
    now, written = [0.0], ["old"]
    cache = ShortCache(1.0, lambda: now[0])
    looks: list[str] = []

    def part() -> str:
        return cache.get("part", lambda: looks.append(written[0]) or written[0])  # type: ignore[func-returns-value]

    def whole(key: str) -> str:
        return cache.get(key, part, lambda: written[0])

    assert whole("first") == "old"
    assert whole("second") == "old"
    written[0] = "new"
    now[0] = 0.5
    assert whole("third") == "old", "a part that was read half a second ago serves"
    for now[0] in (1.5, 3.0, 4.5):
        assert (whole("first"), whole("third")) == ("new", "new")

    assert looks == ["old", "new"]


def test_a_part_that_is_made_of_an_older_part_is_not_kept_either():
    """It looks like one of the present version, and so would all that is made of it."""
    now, written = [0.0], ["old"]
    cache = ShortCache(1.0, lambda: now[0])

    def roster() -> str:
        return cache.get("roster", lambda: written[0])

    def runs() -> str:
        of = roster()
        return cache.get("runs", lambda: f"runs of the {of} roster")

    def whole(key: str) -> str:
        return cache.get(key, runs, lambda: written[0])

    cache.get("other", roster, lambda: written[0])
    written[0], now[0] = "new", 0.5
    assert whole("first") == "runs of the old roster", "half a second old"
    for now[0] in (1.6, 3.0, 4.5):
        assert (whole("first"), whole("second")) == ("runs of the new roster",) * 2


def test_a_portfolio_that_came_while_the_roster_was_remembered_is_not_missing_for_good(embedded):
    now = [0.0]
    embedded.add_portfolio("P1")
    complete(embedded.instance, ["P1"])
    client = embedded.client()
    queries = client.app.state.queries  # type: ignore[attr-defined]
    queries.cache._seconds, queries.cache._clock = 1.0, lambda: now[0]
    queries.roster()
    embedded.add_portfolio("P2", name="Second")
    complete(embedded.instance, ["P2"])

    client.get("/api/v1/portfolios")
    now[0] = 2.0
    later = client.get("/api/v1/portfolios").json()["portfolios"]

    assert later == embedded.client().get("/api/v1/portfolios").json()["portfolios"]
    assert later[1]["run_id"] is not None


def test_a_run_whose_process_dies_is_seen_although_nothing_is_written(embedded):
    """Without a daemon nobody writes it down: the list and the status said `running` for ever."""
    now = [0.0]
    embedded.add_portfolio("P1")
    run_id, events = begin(embedded.instance, ["P1"])
    next(events)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        worker = {PID_TAG: str(process.pid), STARTED_TAG: str(process_identity(process.pid))}
        embedded.instance.add_run_tags(run_id, {**this_worker_tags(), **worker})
        client = embedded.client()
        queries = client.app.state.queries  # type: ignore[attr-defined]
        queries.cache._seconds, queries.cache._clock = 1.0, lambda: now[0]

        def states() -> tuple[str, str]:
            now[0] += 5.0
            (line,) = client.get("/api/v1/portfolios").json()["portfolios"]
            return line["state"], client.get("/api/v1/onboarding/status/P1").json()["status"]

        assert states() == states() == ("running", "running")
        process.kill()
        process.wait()

        assert states() == ("failed", "failed")
