"""Waiting for a database that is away: how long, who, and what is not worth waiting for."""

import psycopg2
import pytest

from sigma_assets.storage.connection import patience as module
from sigma_assets.storage.connection.patience import BRIEF_SECONDS, Patience, patience, persistently

AWAY = psycopg2.OperationalError("could not connect to server: Connection refused")
REFUSED = psycopg2.OperationalError('password authentication failed for user "sigma"')


def failing(times: int, error: Exception, tries: list[int]) -> str:
    tries.append(len(tries))
    if len(tries) <= times:
        raise error
    return "done"


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note pauses rather than make them."""
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    return pauses


def test_an_outage_is_waited_out_with_growing_pauses(no_pauses: list[float]) -> None:
    tries: list[int] = []

    assert persistently(lambda: failing(7, AWAY, tries), "here") == "done"

    assert len(tries) == 8
    for pause, usual in zip(no_pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], strict=True):
        assert 0.5 * usual <= pause <= 1.5 * usual
    assert patience.away_since is None


def test_what_another_try_cannot_mend_fails_at_once(no_pauses: list[float]) -> None:
    tries: list[int] = []

    with pytest.raises(psycopg2.OperationalError, match="password"):
        persistently(lambda: failing(99, REFUSED, tries), "here")

    assert (len(tries), no_pauses) == (1, [])


def test_an_impatient_process_gives_each_request_its_few_seconds() -> None:
    commands = Patience()

    assert commands.left(began=0.0, now=1.0) == BRIEF_SECONDS - 1
    assert commands.left(began=100.0, now=100.5) == BRIEF_SECONDS - 0.5


def test_a_worker_waits_once_for_an_outage_not_once_for_each_request() -> None:
    """A step that gave up is followed by a dozen events to store: each would wait anew, for a quarter of an hour."""
    worker = Patience(seconds=75.0)

    assert worker.left(began=10.0, now=10.0) == 75.0
    assert worker.left(began=70.0, now=80.0) == 5.0
    assert worker.left(began=86.0, now=86.0) < 0
    worker.away_since = None
    assert worker.left(began=90.0, now=90.0) == 75.0


def test_whoever_must_not_fail_waits_for_ever(no_pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr(patience, "seconds", -1.0)

    with pytest.raises(psycopg2.OperationalError):
        persistently(lambda: failing(99, AWAY, tries), "here")
    assert persistently(lambda: failing(99, AWAY, tries), "here", forever=True) == "done"


def test_a_command_that_has_run_a_run_is_as_impatient_as_before() -> None:
    with patience.restored():
        patience.seconds = 75.0

    assert patience.seconds == BRIEF_SECONDS
