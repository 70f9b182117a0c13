"""Signs of life of runs, in PostgreSQL, from the process that executes each: the one sign that holds across hosts.

The process ids of another host cannot be looked at. What Celery knows is wrong: its result backend forgets running
tasks when it restarts, and a worker that is about to stop does not answer `inspect` although its runs go on.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread, current_thread, main_thread
from time import monotonic, time

import dagster as dg
import sqlalchemy as sa
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from sqlalchemy.dialects.postgresql import insert

from sigma_assets.base.errors import StorageError
from sigma_assets.instance.health.worker_process import process_identity
from sigma_assets.storage.connection.failures import DATABASE_ERRORS

logger = logging.getLogger("run_heartbeats")
"""Outside `sigma_assets`, whose lines go into the log of the run: into the database that may be away."""

BEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 60.0
"""Silence after which a run's work is given away: longer than the server keeps a lost connection (`SILENT_SECONDS`)."""

_metadata = sa.MetaData()
TABLE = sa.Table(
    "sigma_run_heartbeats",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("process_started", sa.Text, nullable=False, comment="as worker_process.process_identity"),
    sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False, comment="by the server's clock"),
    comment="Who executes each run in flight, and when it last showed signs of life",
)
"""Beside Dagster's runs, not in our schema: it is about runs, and the daemon, which reads it, may know nothing of ours."""
_BEAT = sa.text(
    f"UPDATE {TABLE.name} SET beat_at = clock_timestamp() WHERE run_id = :run_id"
    " RETURNING (SELECT status FROM runs WHERE runs.run_id = :run_id)"
)


@dataclass(frozen=True)
class Heartbeat:
    """The last sign of life of a run: from which process, and how many seconds ago."""

    host: str
    pid: int
    age: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Heartbeats:
    """The table of signs of life.

    Parameters
    ----------
    engine : of Dagster's runs, on PostgreSQL.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self) -> None:
        """Make the table unless it is there: who may only read finds it."""
        _metadata.create_all(self._engine)

    def begin(self, run_id: str) -> None:
        """Note that this process executes a run from now on."""
        pid = os.getpid()
        process = {"host": socket.gethostname(), "pid": pid, "process_started": process_identity(pid) or ""}
        row = {**process, "beat_at": sa.func.clock_timestamp()}
        statement = insert(TABLE).values(run_id=run_id, **row)
        self._execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=row))

    def beat(self, run_id: str) -> bool:
        """Show a sign of life; return whether the run is still wanted: neither ended nor being canceled."""
        with self._engine.connect() as connection:
            status = connection.execute(_BEAT, {"run_id": run_id}).scalar()
        return status in (dg.DagsterRunStatus.STARTING.value, dg.DagsterRunStatus.STARTED.value)

    def end(self, run_id: str) -> None:
        """Forget a run that has ended, whoever ended it."""
        self._execute(sa.delete(TABLE).where(TABLE.c.run_id == run_id))

    def last(self, run_id: str) -> Heartbeat | None:
        """Return the last sign of life of a run; None if no process has begun with it, or it has ended."""
        age = sa.extract("epoch", sa.func.clock_timestamp() - TABLE.c.beat_at)
        query = sa.select(TABLE.c.host, TABLE.c.pid, age).where(TABLE.c.run_id == run_id)
        with self._engine.connect() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else Heartbeat(found[0], found[1], float(found[2]))

    def _execute(self, statement: sa.Executable) -> None:
        with self._engine.connect() as connection:
            connection.execute(statement)


class SilenceWatch:
    """Tells a worker that is silent from a database that was away: only silence that was listened to counts.

    Parameters
    ----------
    dead_after : seconds of silence after which a worker is dead. Half of it without a look (the database was away, or
        the daemon) makes the count begin anew.
    """

    def __init__(self, dead_after: float, clock: Callable[[], float] = monotonic) -> None:
        self.dead_after = dead_after
        self._clock = clock
        self._since = self._last = -float("inf")

    def is_dead(self, silent: float) -> bool:
        """Return whether a worker is dead that has been silent for so many seconds; call it after each look."""
        now = self._clock()
        if now - self._last > self.dead_after / 2:
            self._since = now
        self._last = now
        return min(silent, now - self._since) > self.dead_after


def health(
    run: dg.DagsterRun, instance: dg.DagsterInstance, heartbeats: Heartbeats, watch: SilenceWatch
) -> CheckRunHealthResult:
    """Judge a started run by how long ago the process that executes it showed a sign of life."""
    return judged(*silence(run, instance, heartbeats), watch)


def silence(run: dg.DagsterRun, instance: dg.DagsterInstance, heartbeats: Heartbeats) -> tuple[Heartbeat | None, float]:
    """Return the last sign of life of a started run, if there is one, and the seconds of silence since it or the start."""
    beat = heartbeats.last(run.run_id)
    return beat, beat.age if beat is not None else _seconds_since_start(run, instance)


def judged(beat: Heartbeat | None, silent: float, watch: SilenceWatch) -> CheckRunHealthResult:
    """Judge a run by its silence; to be called at each look, since only silence that was listened to counts."""
    if not watch.is_dead(silent):
        return CheckRunHealthResult(WorkerStatus.RUNNING, f"{beat or 'its worker'} was heard of {silent:.0f} s ago")
    what = f"{beat} has" if beat is not None else "its worker began, but has"
    return CheckRunHealthResult(
        WorkerStatus.FAILED, f"the run's worker is lost: {what} not been heard of for {silent:.0f} s"
    )


def _seconds_since_start(run: dg.DagsterRun, instance: dg.DagsterInstance) -> float:
    record = instance.get_run_record_by_id(run.run_id)
    started = record.start_time if record is not None else None
    return 0.0 if started is None else time() - started


@contextmanager
def beating(heartbeats: Heartbeats | None, run_id: str) -> Iterator[None]:
    """Show signs of life while a run is executed, and interrupt this process once the run was ended or canceled.

    What is noted of the run stays until its last event is stored: see `instance.postgres`.

    Parameters
    ----------
    heartbeats : None where all processes are on one host, whose process ids tell as much.
    """
    if heartbeats is None:
        yield
        return
    heartbeats.begin(run_id)
    done = Event()
    interrupt = _interrupt if current_thread() is main_thread() else (lambda: None)  # a thread meets its fence instead
    Thread(target=_beat, args=(heartbeats, run_id, done, interrupt), name=f"heartbeat of {run_id}", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _beat(heartbeats: Heartbeats, run_id: str, done: Event, interrupt: Callable[[], None]) -> None:
    interrupted = False
    while not done.wait(BEAT_SECONDS):
        try:
            is_wanted = heartbeats.beat(run_id)
        except (*DATABASE_ERRORS, StorageError) as error:
            logger.warning(
                "run %s: no sign of life could be stored, next try in %.0f s: %s", run_id, BEAT_SECONDS, error
            )
            continue
        if not is_wanted and not interrupted and not done.is_set():
            logger.warning(
                "run %s was ended or canceled by somebody else: interrupting process %d", run_id, os.getpid()
            )
            interrupted = True
            interrupt()


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
