"""One pure function decides what runs next and why: for sensors, for the schedule, for commands."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from sigma_assets.automation.inputs import PlanInputs
from sigma_assets.automation.reconcile import Night, onboarding_runs, reconcile
from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.runs.covers import RunCover
from sigma_assets.runs.tags import HOLDINGS_CHANGED, MISSING, PORTFOLIO_JOB, PRICES_CORRECTED, PRICES_LATE, SYMBOL_JOB
from sigma_assets.storage.roster import Roster

CALENDAR = nyse_calendar().sessions
DAYS = nyse_calendar().between(date(2026, 1, 5), date(2026, 1, 8))
TARGET = date(2026, 1, 8)
NOW = datetime(2026, 1, 9, 3, 0, tzinfo=UTC)
CUTOFF = datetime(2026, 1, 8, 21, 30, tzinfo=UTC)
IDS = ("A", "B", "C")
INPUTS = PlanInputs(TARGET, dict.fromkeys(IDS, DAYS), {}, [], list(IDS), Roster((1, 2, 3), IDS, IDS))


def run_of(*portfolio_ids: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED, **other) -> RunCover:
    """Return a run over the four sessions, made an hour ago."""
    made = RunCover(
        run_id="run", storage_id=1, job=PORTFOLIO_JOB if portfolio_ids else SYMBOL_JOB, source="cron", reason=MISSING,
        status=status, created=NOW - timedelta(hours=1), started=None, ended=NOW.timestamp() - 10,
        first=str(DAYS[0]), last=str(DAYS[-1]), portfolio_ids=portfolio_ids,
    )  # fmt: skip
    return replace(made, **other)


def planned(needs, inputs: PlanInputs = INPUTS, **night) -> list[tuple[str, tuple[str, ...]]]:
    """Return reason and portfolios of what may start now."""
    plan = reconcile(inputs, needs, CALENDAR, Night(NOW, **night))
    return [(run.reason, run.portfolio_ids) for run in plan.runs]


def test_a_portfolio_with_several_reasons_gets_the_most_urgent_first():
    needs = {
        MISSING: {("A", "betas"): DAYS[-1:]},
        HOLDINGS_CHANGED: {("A", "betas"): DAYS, ("B", "betas"): DAYS[1:]},
        PRICES_CORRECTED: {("B", "volatility"): DAYS, ("C", "volatility"): DAYS[:1]},
    }

    assert sorted(planned(needs)) == [(HOLDINGS_CHANGED, ("B",)), (MISSING, ("A",)), (PRICES_CORRECTED, ("C",))]


def test_portfolios_follow_a_universe_that_lacks_something_but_not_one_that_only_asks_for_late_prices():
    missing = {("A", "betas"): DAYS[-1:]}
    universe = {(None, "market_prices"): DAYS[-1:]}

    assert planned({MISSING: universe | missing}) == [(MISSING, ())]
    assert planned({MISSING: missing, PRICES_LATE: universe}) == [(PRICES_LATE, ()), (MISSING, ("A",))]


@pytest.mark.parametrize(("minutes", "goes_on"), [(9, False), (11, True)])
def test_portfolios_wait_ten_minutes_for_a_universe_at_work(minutes: int, goes_on: bool):
    at_work = run_of(created=NOW - timedelta(minutes=minutes))

    found = planned({MISSING: {("A", "betas"): DAYS}}, replace(INPUTS, in_flight=[at_work]))

    assert (found == [(MISSING, ("A",))]) is goes_on


def test_the_universe_is_left_to_the_schedule_for_five_minutes_unless_somebody_tried_already():
    needs = {MISSING: {(None, "market_prices"): DAYS[-1:]}}
    failed = run_of(status=dg.DagsterRunStatus.FAILURE, ended=NOW.timestamp() - 7200)

    assert planned(needs, cutoff=NOW - timedelta(minutes=4)) == []
    assert planned(needs, cutoff=NOW - timedelta(minutes=6)) == [(MISSING, ())]
    assert planned(needs, cutoff=NOW - timedelta(minutes=4), history=[failed]) == [(MISSING, ())]


def test_what_is_busy_new_or_paused_after_a_failure_waits_and_the_plan_says_so():
    needs = {MISSING: {(key, "betas"): DAYS for key in IDS}}
    failed = run_of("B", status=dg.DagsterRunStatus.FAILURE)
    inputs = replace(INPUTS, in_flight=[run_of("A")])

    plan = reconcile(inputs, needs, CALENDAR, Night(NOW, CUTOFF, [failed], ["C"]))

    assert plan.runs == []
    assert plan.waits == [
        "1 portfolios are at work",
        "1 portfolios wait after a failure",
        "1 portfolios are new, and the onboarding sensor's",
    ]


def test_a_new_portfolio_gets_one_run_over_everything_that_it_should_have():
    inputs = replace(INPUTS, sessions={"A": DAYS, "B": DAYS[2:], "C": DAYS[:0]})

    runs = onboarding_runs(inputs, IDS, CALENDAR)

    assert [(run.portfolio_ids, run.first, run.last, len(run.assets)) for run in runs] == [
        (("A",), date(2026, 1, 5), TARGET, 12),
        (("B",), date(2026, 1, 7), TARGET, 12),
    ]


def test_a_worker_that_died_three_times_in_a_row_waits_for_one_failure_only():
    """Dagster tried its run again twice: three runs of one root. Three failures would wait four minutes, one waits one."""
    tries = [
        run_of("A", run_id=f"try {number}", root_run_id="try 1", status=dg.DagsterRunStatus.FAILURE, ended=moment)
        for number, moment in ((3, NOW.timestamp() - 61), (2, NOW.timestamp() - 90), (1, NOW.timestamp() - 120))
    ]
    needs = {MISSING: {("A", "betas"): DAYS}}

    assert planned(needs, history=tries) == [(MISSING, ("A",))]
    assert planned(needs, history=[replace(run, root_run_id=run.run_id) for run in tries]) == []
