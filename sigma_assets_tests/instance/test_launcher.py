"""Whatever kills a worker, its run fails within seconds; whatever leaves the worker alive leaves the run alone."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.launcher import WorkerStatus
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import GrpcServerTarget

from sigma_assets.instance.health.worker_process import (
    PID_TAG,
    STARTED_TAG,
    process_age_seconds,
    process_identity,
    this_worker_tags,
)
from sigma_assets.instance.launcher import MonitoredRunLauncher
from sigma_assets_tests.instance.waiting_location import waiting

pytestmark = pytest.mark.waits

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent

IN_PROCESS_RUN = """
import dagster as dg
from sigma_assets.instance.health.worker_process import this_worker_tags
from sigma_assets_tests.instance.waiting_location import waiting

with dg.DagsterInstance.get() as instance:
    waiting.execute_in_process(instance=instance, tags=this_worker_tags())
"""


def until(is_so: Callable[[], object], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.1)


@contextmanager
def process(*command: str | Path, home: Path) -> Iterator[subprocess.Popen]:
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(CHECKOUT)}
    with (home / "processes.log").open("a") as log:
        started = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """The instance of our own dagster.yaml, looking after its runs every second, with a daemon."""
    directory = tmp_path_factory.mktemp("home")
    configuration = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())
    configuration["run_monitoring"]["poll_interval_seconds"] = 1
    configuration["run_retries"]["enabled"] = False
    (directory / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    with process(SCRIPTS / "dagster-daemon", "run", "--empty-workspace", home=directory):
        yield directory


@pytest.fixture
def instance(home, monkeypatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (home / "release").unlink(missing_ok=True)
    with dg.DagsterInstance.get() as opened:
        yield opened


@pytest.fixture(scope="module")
def code_server(home) -> Iterator[tuple[subprocess.Popen, int]]:
    """Return a code server that no test ends."""
    with serving(home) as server:
        yield server


@pytest.fixture
def own_code_server(home) -> Iterator[tuple[subprocess.Popen, int]]:
    """Return a code server that the test may end."""
    with serving(home) as server:
        yield server


@contextmanager
def serving(home: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    module = ("-m", "sigma_assets_tests.instance.waiting_location")
    command = (sys.executable, "-m", "sigma_assets.instance.code_server", *module, "--host", "localhost")
    with process(*command, "--port", str(port), "--location-name", "waiting", home=home) as server:
        until(lambda: is_open(port), "code server listens")
        yield server, port


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


@contextmanager
def workspace(instance: dg.DagsterInstance, port: int) -> Iterator[WorkspaceRequestContext]:
    target = GrpcServerTarget(host="localhost", port=port, socket=None, location_name="waiting")
    with WorkspaceProcessContext(instance, target) as context:
        yield context.create_request_context()


def launch(instance: dg.DagsterInstance, port: int) -> tuple[str, int]:
    """Launch the waiting job as the webserver would; return run id and the pid of its worker."""
    with workspace(instance, port) as opened:
        repository = opened.get_code_location("waiting").get_repository("__repository__")
        job = repository.get_full_job("waiting")
        run = instance.create_run_for_job(
            waiting, remote_job_origin=job.get_remote_origin(), job_code_origin=job.get_python_origin()
        )
        instance.launch_run(run.run_id, opened)
    until(lambda: is_started(instance, run.run_id), "run has started")
    events = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    messages = [record.event_log_entry.message for record in events]
    (message,) = [message for message in messages if "Started process for run" in message]
    return run.run_id, int(message.split("pid: ")[1].split(")")[0])


def is_started(instance: dg.DagsterInstance, run_id: str) -> bool:
    return status(instance, run_id) is dg.DagsterRunStatus.STARTED


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run_id).status


def failure_message(instance: dg.DagsterInstance, run_id: str) -> str:
    until(lambda: status(instance, run_id) is dg.DagsterRunStatus.FAILURE, "run is marked as failed", seconds=20)
    (record,) = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    return record.event_log_entry.message


def test_a_run_whose_worker_is_killed_fails(instance, code_server):
    run_id, worker = launch(instance, code_server[1])

    os.kill(worker, signal.SIGKILL)

    assert failure_message(instance, run_id)


def test_a_run_whose_worker_and_code_server_are_killed_together_fails(instance, own_code_server):
    server, port = own_code_server
    run_id, worker = launch(instance, port)

    server.kill()
    os.kill(worker, signal.SIGKILL)

    assert f"process {worker} has ended without finishing it" in failure_message(instance, run_id)


def test_a_run_outlives_its_code_server(instance, own_code_server, home):
    server, port = own_code_server
    run_id, worker = launch(instance, port)
    server.kill()
    server.wait()

    health = MonitoredRunLauncher()
    health.register_instance(instance)
    looked_before = daemon_looks(home)
    until(lambda: daemon_looks(home) >= looked_before + 2, "the daemon looks at the run twice")
    judged = health.check_run_worker_health(instance.get_run_by_id(run_id))
    (home / "release").touch()

    assert (judged.status, judged.msg) == (WorkerStatus.RUNNING, f"process {worker} is alive")
    until(lambda: instance.get_run_by_id(run_id).is_finished, "run ends")
    assert status(instance, run_id) is dg.DagsterRunStatus.SUCCESS


def daemon_looks(home: Path) -> int:
    return (home / "processes.log").read_text().count("runs for monitoring")


@pytest.mark.parametrize("has_code_server", [True, False])
def test_a_launched_run_can_be_cancelled_with_and_without_its_code_server(instance, request, has_code_server):
    server, port = request.getfixturevalue("code_server" if has_code_server else "own_code_server")
    run_id, _ = launch(instance, port)
    if not has_code_server:
        server.kill()
        server.wait()

    assert instance.run_launcher.terminate(run_id)

    until(lambda: instance.get_run_by_id(run_id).is_finished, "run ends")
    assert status(instance, run_id) is dg.DagsterRunStatus.CANCELED


@contextmanager
def in_process_run(instance: dg.DagsterInstance, home: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    before = {run.run_id for run in instance.get_runs()}

    def new_runs() -> list[str]:
        return [
            run.run_id for run in instance.get_runs() if run.run_id not in before and is_started(instance, run.run_id)
        ]

    with process(sys.executable, "-c", IN_PROCESS_RUN, home=home) as worker:
        until(new_runs, "run has started")
        yield worker, new_runs()[0]


def test_a_killed_run_inside_a_command_fails(instance, home):
    with in_process_run(instance, home) as (worker, run_id):
        worker.kill()

        assert f"process {worker.pid} has ended without finishing it" in failure_message(instance, run_id)


def test_a_run_inside_a_command_can_be_cancelled(instance, home):
    with in_process_run(instance, home) as (_, run_id):
        assert instance.run_launcher.terminate(run_id)

        until(lambda: instance.get_run_by_id(run_id).is_finished, "run ends")
    assert status(instance, run_id) is dg.DagsterRunStatus.CANCELED


def test_a_process_that_got_the_pid_of_a_dead_worker_does_not_pass_for_it():
    tags = this_worker_tags()
    launcher = MonitoredRunLauncher()

    alive = launcher.check_run_worker_health(dg.DagsterRun(job_name="waiting", tags=tags))
    with subprocess.Popen(["sleep", "60"]) as younger:
        reused = {**tags, PID_TAG: str(younger.pid)}
        dead = launcher.check_run_worker_health(dg.DagsterRun(job_name="waiting", tags=reused))
        younger.kill()

    assert alive.status is WorkerStatus.RUNNING
    assert dead.status is WorkerStatus.FAILED
    assert process_identity(os.getpid()) == tags[STARTED_TAG]


def test_a_zombie_is_dead():
    with subprocess.Popen(["true"]) as child:
        until(lambda: process_identity(child.pid) is None, "the child has ended, uncollected")

        assert process_age_seconds(child.pid) is None


def test_a_run_that_nobody_here_launched_is_left_to_its_time_limit():
    health = MonitoredRunLauncher().check_run_worker_health(dg.DagsterRun(job_name="waiting"))

    assert health.status is WorkerStatus.RUNNING
