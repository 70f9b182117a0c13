"""Dagster's code server with another source of processes."""

from typing import Any

from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import DagsterApiServer

from sigma_assets.instance.warm.run_workers import RunWorkers


class WarmApiServer(DagsterApiServer):
    """Dagster's code server, which asks our `RunWorkers` for processes where the original asks multiprocessing."""

    def __init__(self, *, loadable_target_origin: LoadableTargetOrigin | None = None, **options: Any) -> None:
        if loadable_target_origin is None or loadable_target_origin.module_name is None:
            raise ValueError("a code server with warm run workers needs --module-name: what they are to have imported")
        workers = RunWorkers(loadable_target_origin.module_name)
        super().__init__(loadable_target_origin=loadable_target_origin, **options)
        workers.settle(options["logger"])
        self._mp_ctx = workers  # type: ignore[assignment]  # of a context, it asks for no more than they offer

    def _check_for_orphaned_runs(self) -> None:
        """Fail the runs whose workers have died. What hinders it, such as a full disk, is logged, and a second later it is
        tried again: an exception would end Dagster's thread, and the server would wait for ever when it is told to stop.
        """
        try:
            super()._check_for_orphaned_runs()
        except Exception:  # whatever it is, the thread must live; it is logged with its traceback
            self._logger.exception("cannot tell which run workers have died; tried again in a second")
