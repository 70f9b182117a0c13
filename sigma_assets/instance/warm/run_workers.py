"""Run workers start warm: each is forked from a process that has imported our code, instead of importing it again.

Dagster's code server starts them by `spawn`: 1.9 s of imports for each run. multiprocessing's fork server is a process of
its own that imports, and does nothing else: no engine, no connection, no thread of ours can cross a fork.
"""

import importlib
import logging
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext, ForkServerProcess, SpawnProcess
from multiprocessing.forkserver import ensure_running
from typing import Any

import dagster as dg
from dagster._grpc.types import ExecuteExternalJobArgs
from dagster._serdes import deserialize_value

from sigma_assets.instance.health.worker_process import process_identity

logger = logging.getLogger(__name__)

PRELOADED = "sigma_assets.instance.warm.preloaded"
"""What the fork server imports after the code location. Nothing else may import it at its own start: it comes last."""
UNKNOWN_EXIT = 255
"""Exit code of a worker that nobody saw end, because the fork server, its parent, ended before it."""


class ForkedWorker(ForkServerProcess):
    """A worker that was forked; it may outlive the fork server, whose end says nothing about it."""

    born: str | None = None

    def start(self) -> None:
        """Start it, and remember which process it is."""
        super().start()
        self.born = process_identity(self.pid) if self.pid else None

    def is_alive(self) -> bool:
        """Return whether it still works."""
        if super().is_alive():
            return True
        return self.exitcode == UNKNOWN_EXIT and self.born is not None and process_identity(self.pid or 0) == self.born


class RunWorkers:
    """What a code server asks of multiprocessing: queues, events, and processes that execute runs.

    Parameters
    ----------
    module : the code location, which the fork server imports.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        self._context: BaseContext = multiprocessing.get_context("forkserver")
        self._kind: type[ForkServerProcess | SpawnProcess] = ForkedWorker
        self._context.set_forkserver_preload([module, PRELOADED])
        ensure_running()  # it imports while the code server does

    def settle(self, log: logging.Logger) -> None:
        """Fork once, to see whether it works. If not, say so, and start workers cold from now on; each run says it, too."""
        reason = self._why_not()
        if reason is None:
            log.info("run workers start warm: forked from a process that has imported %s", self.module)
            return
        log.error("run workers start cold, each imports everything, which takes seconds: %s", reason)
        self._context, self._kind = multiprocessing.get_context("spawn"), SpawnProcess

    def Queue(self) -> Any:  # noqa: N802  (multiprocessing's name, as the next two)
        """Return a queue that a worker can be given."""
        return self._context.Queue()

    def Event(self) -> Any:  # noqa: N802
        """Return an event that a worker can be given."""
        return self._context.Event()

    def Process(  # noqa: N802
        self, *, target: Callable[..., None], args: Sequence[Any]
    ) -> ForkServerProcess | SpawnProcess:
        """Return a worker, not yet started, that says in the run if it started cold."""
        return self._kind(target=_work, args=(self.module, target, tuple(args)))

    def _why_not(self) -> str | None:
        ours, theirs = self._context.Pipe(duplex=False)
        first = ForkedWorker(target=_tell, args=(self.module, theirs))
        try:
            first.start()
            theirs.close()
            reason: str | None = ours.recv()
        except (EOFError, OSError) as error:
            return (
                f"the fork server ended while it imported {self.module} ({error!r}); standard error has its traceback"
            )
        first.join()
        return reason


def _tell(module: str, answer: Connection) -> None:
    """Tell the code server whether this process was forked from one that has our code."""
    reason = _reason_for_cold_start(module)
    if reason is not None:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  (whatever the location raises is the reason)
            reason = f"{reason}: {type(error).__name__}: {error}"
    answer.send(reason)
    answer.close()


def _work(module: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Execute a run: `arguments` are what Dagster gives to `target`, the serialised run first."""
    reason = _reason_for_cold_start(module)
    if reason is not None:
        _say_in_the_run(arguments[0], f"run worker started cold, which takes seconds more: {reason}")
    target(*arguments)


def _reason_for_cold_start(module: str) -> str | None:
    preloaded = importlib.import_module(PRELOADED)
    return preloaded.reason_for_cold_start(module)


def _say_in_the_run(serialized: str, message: str) -> None:
    logger.warning(message)
    execution = deserialize_value(serialized, ExecuteExternalJobArgs)
    if execution.instance_ref is None:
        return
    with dg.DagsterInstance.from_ref(execution.instance_ref) as instance:
        run = instance.get_run_by_id(execution.run_id)
        if run is not None:
            instance.report_engine_event(message, run)
