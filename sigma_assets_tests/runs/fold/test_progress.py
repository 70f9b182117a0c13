"""Percent never goes down, completed means everything is there, and each phase says what became of it."""

import pytest
from hypothesis import given, settings

from sigma_assets.runs.fold.facts import StepEvent
from sigma_assets.runs.fold.phases import PHASES
from sigma_assets_tests.web.histories import ASSETS, SESSIONS, events, growing_histories, judged, run, worked


@settings(max_examples=100, deadline=None)
@given(growing_histories())
def test_percent_never_goes_down_and_a_hundred_is_said_exactly_of_a_completed_onboarding(histories):
    """Whatever happens, in whatever order: failures, kills, retries, re-runs, longer ranges, runs of some assets only."""
    seen = [judged(*runs) for runs in histories]

    percents = [progress.percent for progress in seen]
    assert percents == sorted(percents)
    completed = [progress.status == "completed" for progress in seen]
    assert completed == sorted(completed)
    for progress in seen:
        assert (progress.percent == 100.0) == (progress.status == "completed")
        if progress.status == "completed":
            assert set(progress.phases.values()) == {"completed"}
            assert progress.sessions_done == progress.stop - progress.first
            assert not any(run.in_flight for run in progress.runs)


def test_a_portfolio_without_a_run_is_pending():
    """Known, not yet picked up."""
    progress = judged()

    assert progress.status == "pending"
    assert progress.percent == 0.0
    assert set(progress.phases.values()) == {"pending"}


def test_a_queued_run_leaves_it_pending():
    """It waits for a worker."""
    assert judged(run(state="queued")).status == "pending"


def test_a_finished_run_with_every_step_completes_it():
    """The plain story."""
    progress = judged(run(state="succeeded", events=events(*worked(*ASSETS))))

    assert progress.status == "completed"
    assert progress.percent == 100.0
    assert (progress.first, progress.stop) == (0, SESSIONS)
    assert progress.elapsed_seconds(now=9e9) == 60.0


def test_every_step_done_is_not_yet_completed_while_the_run_is_on():
    """Its last events may still be on their way."""
    progress = judged(run(events=events(*worked(*ASSETS))))

    assert progress.status == "running"
    assert progress.percent == pytest.approx(99.9)


def test_percent_is_the_weighted_share_of_phases_and_of_the_step_under_way():
    """Prices done (4 of 18), factors (2 of 18) at 13 of 26 symbols: 5 / 18."""
    halfway = StepEvent("progress", "factor_coverage", 1_005.0, current=13, total=26, unit="symbols")
    seen = (*events(*worked("price_coverage"), ("start", "factor_coverage")), halfway)

    progress = judged(run(events=seen))

    assert sum(phase.weight for phase in PHASES) == 18
    assert progress.percent == pytest.approx(27.7)
    assert progress.phases["factor_coverage"] == "running"
    assert progress.attempts["factor_coverage"].current == 13


def test_a_failed_asset_beside_done_ones_makes_it_partial():
    """Betas fail, all else is there; nothing needs betas."""
    others = [asset for asset in ASSETS if asset != "betas"]
    seen = events(*worked(*others), ("start", "betas"), ("failure", "betas"))

    progress = judged(run(state="failed", events=seen))

    assert progress.status == "partial"
    assert progress.percent == pytest.approx(94.4)
    assert progress.phases["betas"] == "failed"
    assert progress.phases["volatility"] == "completed"


def test_what_depends_on_a_failure_is_skipped():
    """Prices fail: nothing is done, and nothing else was begun."""
    progress = judged(run(state="failed", events=events(("start", "price_coverage"), ("failure", "price_coverage"))))

    assert progress.status == "failed"
    assert progress.phases["price_coverage"] == "failed"
    assert progress.phases["correlations"] == "skipped"


def test_a_killed_run_leaves_its_step_failed():
    """No event says so; the end of the run does."""
    killed = run(state="failed", events=events(("start", "price_coverage")), error="worker died")

    progress = judged(killed)

    assert progress.phases["price_coverage"] == "failed"
    assert progress.attempts["price_coverage"].error == "worker died"


def test_a_run_killed_after_its_last_materialisation_has_completed_it():
    """The last step never said that it ended, and nothing is missing: 99.9 % for ever would be wrong."""
    seen = (*worked(*ASSETS[:-1]), ("start", ASSETS[-1]), ("output", ASSETS[-1]))
    killed = run(state="failed", events=events(*seen), cells=SESSIONS, materialized={ASSETS[-1]: SESSIONS})

    progress = judged(killed)

    assert progress.status == "completed"
    assert progress.percent == 100.0


def test_a_step_that_failed_for_another_portfolio_has_made_this_one():
    """A check refuses one portfolio of two: the other is materialised, nothing of it is missing, so nobody runs it again."""
    seen = (*worked(*ASSETS[:-1]), ("start", ASSETS[-1]), ("failure", ASSETS[-1]))
    refused = run(state="failed", events=events(*seen), cells=2 * SESSIONS, materialized={ASSETS[-1]: SESSIONS})

    progress = judged(refused)

    assert (progress.status, progress.percent, progress.phases[ASSETS[-1]]) == ("completed", 100.0, "completed")


def test_a_run_over_part_of_what_is_due_does_not_complete_it():
    """11 of 20 sessions were asked for, and 20 were due: 55 %, not "11 of 11, 100 %"; the second run completes it."""
    first = run(state="succeeded", stop=11, target=SESSIONS, events=events(*worked(*ASSETS)))
    second = run(1, "succeeded", first=11, target=SESSIONS, events=events(*worked(*ASSETS), begun=1_100.0))

    half, whole = judged(first), judged(first, second)

    assert (half.status, half.percent, half.sessions_done, half.stop) == ("partial", 55.0, 11, SESSIONS)
    assert (whole.status, whole.percent, whole.sessions_done) == ("completed", 100.0, SESSIONS)
    assert whole.elapsed_seconds(now=9e9) == 120.0


def test_of_a_history_in_several_runs_the_one_at_work_tells():
    """The others wait in the queue, and know neither a phase, nor a pace."""
    at_work = run(stop=10, target=SESSIONS, events=events(*worked(*ASSETS[:3]), ("start", ASSETS[3])))
    waiting = run(1, "queued", first=10, target=SESSIONS)

    progress = judged(at_work, waiting)

    assert progress.status == "running"
    assert [asset for asset, status in progress.phases.items() if status == "running"] == [ASSETS[3]]
    assert progress.run is not None
    assert progress.run.run_id == "run-0"
    done = sum(phase.weight for phase in PHASES[:3]) / 18 / 2
    assert progress.percent == pytest.approx(100 * done, abs=0.1)
    assert progress.remaining_seconds(1_007.0) == pytest.approx(7.0 / done - 7.0, rel=0.01)


def test_of_many_runs_the_pace_is_known_as_soon_as_of_one():
    """A tenth of the sessions each: 5 % of this run's work are enough."""
    started = (
        *events(("start", "price_coverage")),
        StepEvent("progress", "price_coverage", 1_002.0, current=1, total=4),
    )

    progress = judged(*(run(number, "queued", 2 * number, 2 * number + 2, target=SESSIONS) for number in range(1, 10)))
    at_work = judged(run(stop=2, target=SESSIONS, events=started), *progress.runs)

    assert at_work.remaining_seconds(1_002.0) == pytest.approx(2.0 * (18 * 10 / 1.0 - 1), rel=0.05)


def test_a_run_that_failed_among_others_is_what_a_phase_tells():
    """Two of three parts are there: the phase failed, with its reason, until a later run has made the rest."""
    parts = [
        run(0, "succeeded", 0, 5, target=SESSIONS, events=events(*worked(*ASSETS))),
        run(
            1,
            "failed",
            5,
            10,
            target=SESSIONS,
            events=events(*worked(*ASSETS[:-1]), ("start", ASSETS[-1]), ("failure", ASSETS[-1])),
        ),
        run(2, "succeeded", 10, SESSIONS, target=SESSIONS, events=events(*worked(*ASSETS))),
    ]
    repair = run(
        3, "succeeded", 5, 10, target=SESSIONS, assets=frozenset(ASSETS[-1:]), events=events(*worked(ASSETS[-1]))
    )

    assert (judged(*parts).status, judged(*parts).phases[ASSETS[-1]]) == ("partial", "failed")
    assert judged(*parts).attempts[ASSETS[-1]].run.run_id == "run-1"
    assert judged(*parts, repair).status == "completed"


def test_a_later_run_of_what_failed_completes_it():
    """The night's run of betas alone, sessions of two more days included for the others too."""
    others = [asset for asset in ASSETS if asset != "betas"]
    failed = run(state="failed", events=events(*worked(*others), ("start", "betas"), ("failure", "betas")))
    repair = run(1, "succeeded", assets=frozenset(["betas"]), events=events(*worked("betas"), begun=1_100.0))

    progress = judged(failed, repair)

    assert progress.status == "completed"
    assert progress.attempts["betas"].run.run_id == "run-1"
    assert progress.attempts["volatility"].run.run_id == "run-0"
    assert progress.elapsed_seconds(now=9e9) == 120.0


def test_while_a_repair_runs_the_failed_phase_is_pending_again():
    """The failure is history; the run under way will tell."""
    others = [asset for asset in ASSETS if asset != "betas"]
    failed = run(state="failed", events=events(*worked(*others), ("start", "betas"), ("failure", "betas")))

    progress = judged(failed, run(1, "running", assets=frozenset(["betas"])))

    assert progress.status == "running"
    assert progress.phases["betas"] == "pending"
    assert progress.percent == pytest.approx(94.4)


def test_the_next_nights_run_does_not_reopen_a_completed_onboarding():
    """It is another story, even if it fails."""
    done = run(state="succeeded", events=events(*worked(*ASSETS)))
    tonight = run(1, "failed", first=SESSIONS, stop=SESSIONS + 1)

    progress = judged(done, tonight)

    assert progress.status == "completed"
    assert progress.stop == SESSIONS
    assert [run.run_id for run in progress.runs] == ["run-0"]


def test_a_hole_in_the_middle_is_missing():
    """Two runs, sessions 0-9 and 11-19: session 10 is not there."""
    early = run(0, "succeeded", 0, 10, events=events(*worked(*ASSETS)))
    late = run(1, "succeeded", 11, SESSIONS, events=events(*worked(*ASSETS), begun=1_100.0))

    onboarding = judged(late, early)

    assert onboarding.status == "partial"
    assert onboarding.percent == pytest.approx(95.0)


def test_remaining_time_is_unknown_until_there_is_a_rate():
    """One event after a start means nothing."""
    assert judged(run(events=events(("start", "price_coverage")))).remaining_seconds(1_002.0) is None
    assert judged().remaining_seconds(1_000.0) is None


def test_remaining_time_comes_from_the_rate_seen_so_far():
    """A twelfth (1.5 of 18) in 2 s: 22 s to go, and 5 s later 17."""
    halfway = StepEvent("progress", "price_coverage", 1_002.0, current=3, total=8, unit="symbols")
    progress = judged(run(events=(*events(("start", "price_coverage")), halfway)))

    assert progress.percent == pytest.approx(8.3)
    assert progress.remaining_seconds(1_002.0) == pytest.approx(22.0, abs=0.1)
    assert progress.remaining_seconds(1_007.0) == pytest.approx(17.0, abs=0.1)
    assert progress.remaining_seconds(1_900.0) == 0.0


def test_a_retried_step_keeps_its_furthest_count():
    """Attempt one came to 6 of 8, attempt two stands at 2 of 8."""
    counts = [
        StepEvent("start", "price_coverage", 1_001.0),
        StepEvent("progress", "price_coverage", 1_002.0, current=6, total=8),
        StepEvent("retry", "price_coverage", 1_003.0, text="ProviderUnavailableError: 503"),
        StepEvent("start", "price_coverage", 1_004.0),
        StepEvent("progress", "price_coverage", 1_005.0, current=2, total=8),
    ]

    progress = judged(run(events=tuple(counts)))

    assert progress.percent == pytest.approx(16.6)
    assert progress.attempts["price_coverage"].current == 2
    assert progress.attempts["price_coverage"].error == "ProviderUnavailableError: 503"
