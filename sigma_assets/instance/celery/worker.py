"""The worker of a host: a process with a number of slots, each a child that has imported everything before its first run."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from billiard.exceptions import WorkerLostError
from celery import Celery
from celery.signals import task_failure, worker_process_init
from dagster._cli.api import _execute_run_command_body

from sigma_assets.base.errors import SettingsError
from sigma_assets.instance.celery.launcher import EXECUTE_RUN, HostsRunLauncher
from sigma_assets.instance.code_version import code_version

logger = logging.getLogger("sigma_worker")


def run_worker(slots: int, warm: Callable[[dg.DagsterInstance], object]) -> None:
    """Execute runs until SIGTERM; then take no more, finish those under way, and return.

    Parameters
    ----------
    slots : how many runs at a time.
    warm : called in each child before its first run.

    Raises
    ------
    SettingsError
        The instance's dagster.yaml does not launch runs through a broker.
    """
    code_version()  # of the code that is loaded now
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        if not isinstance(launcher, HostsRunLauncher):
            raise SettingsError(
                f"{instance.root_directory}/dagster.yaml: run_launcher is {type(launcher).__name__}; a worker needs"
                " HostsRunLauncher. Take deploy/celery/dagster.yaml"
            )
    app = worker_app(launcher.celery)

    def ready(**_: Any) -> None:
        with dg.DagsterInstance.get() as opened:
            warm(opened)

    worker_process_init.connect(ready, weak=False)
    task_failure.connect(_report_lost, weak=False)
    name = f"sigma@{socket.gethostname()}"
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO")
    app.worker_main(["worker", f"--hostname={name}", f"--concurrency={slots}", "--pool=prefork", *quiet])


def worker_app(app: Celery) -> Celery:
    """Return an app of Celery that knows how to execute a run."""

    @app.task(name=EXECUTE_RUN)
    def execute_run(run_id: str, code: str) -> None:
        """Execute a run that was launched by the same code; leave it to another host otherwise."""
        with dg.DagsterInstance.get() as instance:
            if code == code_version():
                _execute_run_command_body(run_id, instance, lambda _: None, set_exit_code_on_failure=False)
                return
            _refuse(instance, run_id, code)
        app.send_task(EXECUTE_RUN, kwargs={"run_id": run_id, "code": code}, queue=app.conf.task_default_queue)
        os.kill(os.getppid(), signal.SIGTERM)  # its supervisor starts it again, perhaps with the right code by then

    return app


def _report_lost(exception: BaseException, kwargs: Mapping[str, str], **_: Any) -> None:
    """Fail the run of a child that was killed, at once: its host lives, and need not fall silent to be found out."""
    if not isinstance(exception, WorkerLostError):
        return
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(kwargs["run_id"])
        if run is not None and not run.is_finished:
            instance.report_run_failed(
                run,
                f"the process that executed it on {socket.gethostname()} was killed: {exception}. If the host is short of"
                " memory, start its worker with fewer slots",
            )


def _refuse(instance: dg.DagsterInstance, run_id: str, code: str) -> None:
    message = (
        f"the worker on {socket.gethostname()} refuses run {run_id}, which another version of the code has launched."
        f" Here: {code_version()}. There: {code}. Install the same version on every host and restart its processes. The"
        " run goes back to the broker, for another host, and this worker stops"
    )
    logger.error(message)
    run = instance.get_run_by_id(run_id)
    if run is not None:
        instance.report_engine_event(message, run)
