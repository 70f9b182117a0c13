"""A pool's slot is never free while a step waits for it: the moment between looking for a slot and queueing up."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sigma_assets.instance.event_log.storage import LeanEventLog
from sigma_assets_tests.conftest import drop_database, fresh_database

POOL = "price source"


@pytest.fixture(params=["sqlite", "postgresql"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LeanEventLog]:
    """Return the event log of a new instance, whose pool has one slot."""
    if request.param == "sqlite":
        yield from _opened(tmp_path, "sqlite.storage", "SharedSqliteStorage", f"base_dir: '{tmp_path}'")
        return
    server = request.getfixturevalue("postgres_server")
    name = fresh_database(server)
    address = server.url.set(database=name).render_as_string(hide_password=False)
    yield from _opened(tmp_path, "postgres", "SharedPostgresStorage", f"postgres_url: '{address}'")
    drop_database(server, name)


def _opened(home: Path, module: str, storage: str, config: str) -> Iterator[LeanEventLog]:
    (home / "dagster.yaml").write_text(
        f"storage: {{custom: {{module: sigma_assets.instance.{module}, class: {storage}, config: {{{config}}}}}}}\n"
        "concurrency: {pools: {granularity: op, default_limit: 1}}\ntelemetry: {enabled: false}\n"
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        events = instance.event_log_storage
        assert isinstance(events, LeanEventLog)
        events.initialize_concurrency_limit_to_default(POOL)
        yield events


def test_a_slot_that_becomes_free_while_a_step_queues_up_is_given_to_that_step(
    queue: LeanEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Dagster's own storages the second step waits for ever, and says that the pool is full, which is empty."""
    assert queue.claim_concurrency_slot(POOL, "first run", "prices").is_claimed
    queue_up = queue.add_pending_step

    def queue_up_late(*arguments: object, **options: object) -> None:
        queue.free_concurrency_slot_for_step("first run", "prices")
        queue_up(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(queue, "add_pending_step", queue_up_late)
        looked = queue.claim_concurrency_slot(POOL, "second run", "prices")

    assert looked.is_claimed or queue.claim_concurrency_slot(POOL, "second run", "prices").is_claimed


def test_the_queue_keeps_its_order_and_its_limit(queue: LeanEventLog) -> None:
    assert queue.claim_concurrency_slot(POOL, "first run", "prices").is_claimed
    assert not queue.claim_concurrency_slot(POOL, "second run", "prices").is_claimed
    assert not queue.claim_concurrency_slot(POOL, "third run", "prices").is_claimed

    queue.free_concurrency_slot_for_step("first run", "prices")

    assert not queue.claim_concurrency_slot(POOL, "third run", "prices").is_claimed
    assert queue.claim_concurrency_slot(POOL, "second run", "prices").is_claimed
    assert not queue.claim_concurrency_slot(POOL, "third run", "prices").is_claimed
