"""A run that somebody else has ended writes nothing more, and is not ended a second time."""

import time
from collections.abc import Callable

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from sigma_assets.instance.health import heartbeats as module
from sigma_assets.instance.health.heartbeats import Heartbeat, SilenceWatch
from sigma_assets.instance.health.worker_process import HOST_TAG, this_worker_tags
from sigma_assets.instance.launcher import MonitoredRunLauncher
from sigma_assets.instance.postgres import heartbeats_of
from sigma_assets_tests.deployment.deployment import Deployment, Hook, add_book

Deed = Callable[[dg.DagsterInstance, dg.DagsterRun], object]
FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
COMPUTED = "SELECT count(*) FROM {} WHERE portfolio_id = '{}'"


@pytest.fixture(params=["embedded", "deployment"])
def place(request: pytest.FixtureRequest) -> Deployment:
    """Return a deployment on each database."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process hear nothing of what is done to its run, however slow it is, until it wants to write."""
    monkeypatch.setattr(module, "_interrupt", lambda: None)


def at_start_of(asset: str, deed: Callable[[str], object]) -> Hook:
    """Return a hook that does something to a run, once, when the step of an asset starts."""
    done: list[str] = []

    def hook(event: dg.DagsterEvent) -> None:
        if event.event_type is dg.DagsterEventType.STEP_START and event.step_key == asset and not done:
            with dg.DagsterInstance.get() as instance:
                done.append(instance.get_runs(limit=1)[0].run_id)
            deed(done[0])

    return hook


def by_another(deed: Deed) -> Callable[[str], object]:
    """Return a deed on a run, done through an instance of its own as another process would."""

    def do(run_id: str) -> None:
        with dg.DagsterInstance.get() as instance:
            run = instance.get_run_by_id(run_id)
            assert run is not None
            deed(instance, run)

    return do


def told(place: Deployment) -> tuple[dg.DagsterRun, list[str], str]:
    """Return the last run, its events that end a run, and the error of the step that failed."""
    endings = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED, dg.DagsterEventType.RUN_SUCCESS}
    with place.entered() as instance:
        run = instance.get_runs(limit=1)[0]
        events = [record.event_log_entry for record in instance.get_records_for_run(run.run_id).records]
    kinds = [event.dagster_event_type for event in events if event.is_dagster_event]
    failed = [event for event in events if event.dagster_event_type is dg.DagsterEventType.STEP_FAILURE]
    error = failed[0].get_dagster_event().step_failure_data.error if failed else None
    return run, [kind.value for kind in kinds if kind in endings], "" if error is None else error.to_string()


def count(place: Deployment, table: str, portfolio_id: str) -> int:
    with place.database.read() as connection:
        return connection.exec_driver_sql(COMPUTED.format(table, portfolio_id)).scalar_one()


def test_a_run_that_was_marked_as_failed_writes_nothing_more_and_fails_once(place: Deployment, unheard: None) -> None:
    portfolio_id = add_book(place.database)

    succeeded = place.force(
        portfolio_id, at_start_of("betas", by_another(lambda instance, run: instance.report_run_failed(run, "dead")))
    )

    run, endings, error = told(place)
    assert not succeeded
    assert (run.status, endings) == (FAILURE, ["PIPELINE_FAILURE"])
    assert f"run {run.run_id} was marked as failed while process" in error
    assert "nothing more is written" in error
    assert count(place, "position_values", portfolio_id) > 0
    assert count(place, "betas_by_position", portfolio_id) == 0
    assert count(place, "volatility_by_portfolio", portfolio_id) == 0


def test_a_run_that_was_canceled_by_force_stays_canceled(place: Deployment, unheard: None) -> None:
    portfolio_id = add_book(place.database)

    place.force(portfolio_id, at_start_of("betas", by_another(lambda instance, run: instance.report_run_canceled(run))))

    run, endings, error = told(place)
    assert (run.status, endings) == (CANCELED, ["PIPELINE_CANCELED"])
    assert "was canceled while process" in error
    assert count(place, "betas_by_position", portfolio_id) == 0


def test_a_run_that_failed_before_its_last_event_is_no_success(place: Deployment) -> None:
    """Its last step had committed when it was frozen: what it wrote is right, but it was given away."""
    portfolio_id = add_book(place.database)

    def hook(event: dg.DagsterEvent) -> None:
        if event.message and event.message.startswith("Finished steps in process"):
            with dg.DagsterInstance.get() as instance:
                instance.report_run_failed(instance.get_runs(limit=1)[0], "dead")

    assert not place.force(portfolio_id, hook)

    run, endings, _ = told(place)
    assert (run.status, endings) == (FAILURE, ["PIPELINE_FAILURE"])


def test_signs_of_life_end_with_the_run(deployment: Deployment) -> None:
    portfolio_id = add_book(deployment.database)
    seen: list[Heartbeat | None] = []

    def look(run_id: str) -> None:
        with dg.DagsterInstance.get() as instance:
            seen.append(heartbeats_of(instance).last(run_id))

    assert deployment.force(portfolio_id, at_start_of("betas", look))

    (beat,) = seen
    assert beat is not None
    assert 0 <= beat.age < 600
    run, _, _ = told(deployment)
    with deployment.entered() as instance:
        assert heartbeats_of(instance).last(run.run_id) is None


def test_a_run_that_is_canceled_on_another_host_is_interrupted(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can signal its process from there: it looks for itself, with each sign of life."""
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
    portfolio_id = add_book(deployment.database)
    signaled: list[str] = []
    monkeypatch.setattr(module, "_interrupt", lambda: signaled.append("once"))

    def cancel_and_wait(run_id: str) -> None:
        by_another(lambda instance, run: instance.report_run_canceling(run))(run_id)
        deadline = time.monotonic() + 60
        while not signaled and time.monotonic() < deadline:
            time.sleep(0.05)

    deployment.force(portfolio_id, at_start_of("betas", cancel_and_wait))

    run, endings, _ = told(deployment)
    assert signaled == ["once"]
    assert (run.status, endings) == (CANCELED, ["PIPELINE_CANCELED"])
    assert count(deployment, "betas_by_position", portfolio_id) == 0


def test_only_silence_that_was_listened_to_counts() -> None:
    """The database was away for two minutes: nobody could show a sign of life, and nobody died of it."""
    now = [1000.0]
    watch = SilenceWatch(60.0, clock=lambda: now[0])

    def look(at: float, silent: float) -> bool:
        now[0] = at
        return watch.is_dead(silent)

    assert not look(1000.0, silent=500.0), "the daemon has just started"
    assert not any(look(1000.0 + seconds, silent=5.0) for seconds in range(5, 120, 5))
    assert not look(1240.0, silent=125.0), "the first look after the outage"
    assert not look(1245.0, silent=5.0), "the worker shows a sign of life"
    assert not any(look(1245.0 + seconds, silent=float(seconds)) for seconds in range(5, 61, 5))
    assert look(1306.0, silent=61.0)


def test_a_command_on_another_host_that_went_silent_is_noticed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ids of another host cannot be looked at: its signs of life decide."""
    now = [0.0]
    monkeypatch.setattr(MonitoredRunLauncher, "_watch", SilenceWatch(60.0, clock=lambda: now[0]))
    tags = {**this_worker_tags(), HOST_TAG: "elsewhere"}
    with deployment.entered() as instance:
        run = instance.add_run(dg.DagsterRun(job_name="portfolios", tags=tags, status=dg.DagsterRunStatus.STARTED))
        heartbeats_of(instance).begin(run.run_id)

        def judged(at: float) -> tuple[WorkerStatus, str | None]:
            now[0] = at
            health = instance.run_launcher.check_run_worker_health(run)
            return health.status, health.msg

        assert judged(0.0)[0] is WorkerStatus.RUNNING
        with deployment.database.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE public.sigma_run_heartbeats SET beat_at = beat_at - interval '90 s', host = 'elsewhere'"
            )
        assert [judged(at)[0] for at in (20.0, 40.0, 60.0)] == [WorkerStatus.RUNNING] * 3
        status, message = judged(61.0)

    assert status is WorkerStatus.FAILED
    assert "on elsewhere has not been heard of for" in str(message)
