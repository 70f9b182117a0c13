"""From the commit of a portfolio to its last materialisation, with code server and daemon running, on SQLite."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cases import LOTS, SYMBOLS, YEAR
from benchmarks.measuring import ROOT, Measured, measured
from benchmarks.warm_workers import use_warm_workers
from benchmarks.worlds import World, add_portfolios, extra_symbols, load_prices, make_world

if TYPE_CHECKING:
    import dagster as dg

PORT = 42_661
LONGEST = 240.0
POLL_SECONDS = 0.25
IDLE_SECONDS = 10
WARM_UP_RUNS = 4
GRACE_SECONDS = "5"
"""How long a code server that is asked to stop waits for calls under way, instead of a minute."""
ONBOARDING = "onboarding"


def end_to_end(by_sensor: bool, warm: bool = False) -> list[Measured]:
    """One portfolio, found by the sensor alone, or its run asked for directly through the code server.

    With `warm`, Celery's workers take the run; each of the two has done one before.
    """
    world = make_world(YEAR)
    symbols = extra_symbols(SYMBOLS)
    load_prices(world, symbols)
    way = "found by the sensor" if by_sensor else "run asked for at once"
    case = f"end to end, {SYMBOLS} symbols x {YEAR}, sqlite, {way}{', warm workers' if warm else ''}"
    lines: list[Measured] = []
    with _services(use_warm_workers(Path(os.environ["DAGSTER_HOME"])) if warm else []) as workspace:
        from sigma_assets.cli.terminal.world import open_instance

        with measured(case, f"services idle for {IDLE_SECONDS} s", lines):
            time.sleep(IDLE_SECONDS)
        with open_instance() as instance:
            if warm:
                warming = add_portfolios(world, WARM_UP_RUNS, symbols, LOTS, world.sessions[0].item(), "warming")
                for portfolio_id in warming:
                    _until(partial(_finished, instance, portfolio_id), "the end of a run that warms a worker")
            with measured(case, "commit to last materialisation", lines):
                committed = time.time()
                ids = add_portfolios(world, 1, symbols, LOTS, world.sessions[0].item())
                if not by_sensor:
                    _launch(instance, world, ids, workspace)
                run = _until(lambda: _finished(instance, ids[0]), "the run's end")
            if not run.dagster_run.is_success:
                raise RuntimeError(f"run {run.dagster_run.run_id} ended as {run.dagster_run.status}")
            lines += _stretches(case, committed, run, instance)
    return lines


def _launch(instance: "dg.DagsterInstance", world: World, ids: list[str], workspace: Path) -> None:
    """Put the run into the queue, as the webserver does when it is asked; unless a sensor was faster."""
    import dagster as dg
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    from sigma_assets.automation.inputs import adopt_portfolios
    from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
    from sigma_assets.automation.planner import PlannedRun
    from sigma_assets.automation.requests import job_of, tags_of
    from sigma_assets.definitions import defs
    from sigma_assets.runs.tags import PORTFOLIO

    if instance.get_run_records(dg.RunsFilter(tags={PORTFOLIO: ids[0]}), limit=1):
        return
    roster = adopt_portfolios(instance, world.tables, "command")
    assets = tuple(names(PORTFOLIO_ASSETS))
    planned = PlannedRun(assets, world.sessions[0].item(), world.sessions[-1].item(), tuple(ids))
    chosen = frozenset(map(dg.AssetKey, assets))
    with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)])) as process:
        context = process.create_request_context()
        (repository,) = context.code_locations[0].get_repositories().values()
        job = repository.get_full_job(job_of(planned))
        run = instance.create_run_for_job(
            job_def=defs.resolve_job_def(job_of(planned)).get_subset(asset_selection=chosen),
            asset_selection=chosen,
            tags=tags_of(planned, roster, "onboarding"),
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
        )
        instance.submit_run(run.run_id, context)


def _stretches(case: str, committed: float, run: Any, instance: "dg.DagsterInstance") -> Iterator[Measured]:
    """Yield how long each stage took, by Dagster's own moments."""
    import dagster as dg

    kinds = (dg.DagsterEventType.RUN_STARTING, dg.DagsterEventType.RUN_START, dg.DagsterEventType.STEP_START)
    moments = []
    for kind in kinds:
        records = instance.get_records_for_run(run.dagster_run.run_id, of_type=kind, limit=1).records
        moments.append(records[0].event_log_entry.timestamp)
    names = ("asked for", "dequeued and launched", "worker started", "first step", "all steps")
    stages = [committed, run.create_timestamp.timestamp(), *moments, run.end_time]
    for name, (start, end) in zip(names, pairwise(stages), strict=True):
        yield Measured(case, f"  {name}", end - start)


def _finished(instance: "dg.DagsterInstance", portfolio_id: str) -> Any:
    import dagster as dg

    from sigma_assets.runs.tags import PORTFOLIO

    found = instance.get_run_records(dg.RunsFilter(tags={PORTFOLIO: portfolio_id}))
    return next((record for record in found if record.dagster_run.is_finished), None)


@contextmanager
def _services(more: list[list[str]]) -> Iterator[Path]:
    """Run code server and daemon, ready to work, and whatever else is needed before them."""
    home = Path(os.environ["DAGSTER_HOME"])
    workspace = home / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {PORT}, location_name: sigma_assets}}\n"
    )
    python = [sys.executable, "-W", "ignore", "-m"]
    module = ["--module-name", "sigma_assets.definitions"]
    commands = [
        *more,
        [*python, "sigma_assets.instance.code_server", *module, "--host", "127.0.0.1", "--port", str(PORT)],
        [*python, "dagster._daemon", "run", "--workspace", str(workspace)],
    ]
    environment = {"DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": GRACE_SECONDS} | os.environ
    # dagster-celery calls celery by its name
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # ignored after a shell's `&`, and handed on: then Dagster's code server heeds no SIGTERM
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = (home / "services.log").open("wb")
    processes = []
    try:
        for command in commands:
            processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment))
        _until(lambda: _ticked(home), "the daemon's first sensor tick")
        yield workspace
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(60)
        log.close()


def _ticked(home: Path) -> bool:
    from sigma_assets.cli.terminal.world import open_instance

    with open_instance() as instance:
        states = instance.all_instigator_state()
        return any(
            state.instigator_name == ONBOARDING and instance.get_ticks(state.instigator_origin_id, state.selector_id)
            for state in states
        )


def _until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + LONGEST
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {LONGEST:.0f} s")
        time.sleep(POLL_SECONDS)
    return found
