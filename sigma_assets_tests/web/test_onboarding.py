"""What the API says of real runs: before, during, after, after failures, after restarts, of many at once."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from sigma_assets.automation.execution import origin_of
from sigma_assets.runs.history import stories
from sigma_assets_tests.web.pipeline import FIRST, LAST, SESSIONS, TROUBLE, begin, complete, roster_of


def test_an_unknown_portfolio_is_not_found(world):
    """404, in the words of the contract."""
    answer = world.client().get("/api/v1/onboarding/status/nobody")

    assert answer.status_code == 404
    assert answer.json()["status"] == "not_found"


def test_a_known_portfolio_without_a_run_is_pending(world):
    """Not yet picked up."""
    world.add_portfolio("P1")

    status = world.status("P1")

    assert status["status"] == "pending"
    assert status["overall_progress"]["percent_complete"] == 0
    assert status["current_phase_progress"]["message"] == "Waiting to be picked up"
    assert status["removed"] is False
    assert [phase["status"] for phase in status["phases"]] == ["pending"] * 12


def test_a_clock_that_was_set_back_after_the_import_hides_no_run(world):
    """Its runs were older than the portfolio, which stayed `pending` for ever, although the list called it current."""
    world.add_portfolio("P1", created=datetime.now(UTC) + timedelta(hours=3))
    world.add_portfolio("P2", name="Second", created=datetime.now(UTC) + timedelta(hours=3))
    complete(world.instance, ["P1"])
    complete(world.instance, ["P1", "P2"])

    assert [world.status(key)["status"] for key in ("P1", "P2")] == ["completed"] * 2


def test_a_portfolio_that_begins_with_a_later_session_says_when(world):
    """Bought today or on a Saturday: there is nothing to pick up before that session has closed."""
    following = world.settings.calendar.shift(world.settings.current_session(), 1)
    world.add_portfolio("P1", inception=following)

    assert world.status("P1")["current_phase_progress"]["message"] == f"Begins after the close of {following}"


def test_a_run_is_followed_from_its_start_to_its_end(world):
    """After every event of the run: percent only grows, and a phase is running where Dagster says that its step is."""
    world.add_portfolio("P1")
    client = world.client()
    run_id, events = begin(world.instance, ["P1"])

    seen, step = [], None
    for event in events:
        status = client.get("/api/v1/onboarding/status/P1").json()
        seen.append((status["status"], status["overall_progress"]["percent_complete"]))
        if event.event_type == dg.DagsterEventType.STEP_START:
            step = event.step_key
        elif event.event_type == dg.DagsterEventType.STEP_OUTPUT and event.step_output_data.output_name == "result":
            running = [phase for phase in status["phases"] if phase["status"] == "running"]
            assert [phase["phase_name"] for phase in running] == [status["overall_progress"]["current_phase_name"]]
            assert running[0]["current"] == running[0]["total"] == 3
            assert step == event.step_key

    percents = [percent for _, percent in seen]
    assert percents == sorted(percents)
    assert 100 not in percents[:-1]
    final = client.get("/api/v1/onboarding/status/P1").json()
    assert final["status"] == "completed"
    assert final["run_id"] == run_id
    assert final["overall_progress"] == {
        "current_phase": None,
        "current_phase_name": None,
        "phases_completed": 12,
        "phases_total": 12,
        "percent_complete": 100,
    }
    assert final["summary"]["sessions"] == SESSIONS
    assert final["summary"]["positions"] == 2
    assert final["sessions"] == {"done": SESSIONS, "total": SESSIONS, "first": str(FIRST), "last": str(LAST)}
    assert final["estimated_remaining_seconds"] is None


def test_a_restart_of_everything_forgets_nothing(world):
    """All of it comes from storage."""
    world.add_portfolio("P1")
    complete(world.instance, ["P1"], fail="betas")
    before = world.status("P1", debug="true")

    world.restart()

    assert world.status("P1", debug="true") == before


def test_one_failed_asset_makes_it_partial_with_the_reason(world):
    """Betas raise; everything else is there."""
    world.add_portfolio("P1")
    complete(world.instance, ["P1"], fail="betas")

    status = world.status("P1", debug="true")

    assert status["status"] == "partial"
    assert status["overall_progress"]["percent_complete"] < 100
    assert status["overall_progress"]["current_phase"] == "phase_3"
    assert [error["phase"] for error in status["errors"]] == ["phase_3"]
    assert TROUBLE in status["errors"][0]["message"]
    assert {phase["phase"]: phase["status"] for phase in status["phases"]}["phase_5"] == "completed"
    failure = next(message for message in status["messages"] if message["level"] == "error")
    assert "the reason" in failure["detail"]
    assert world.status("P1")["messages"][-2]["detail"] is None


def test_a_failed_first_phase_fails_it_all(world):
    """Nothing else could begin."""
    world.add_portfolio("P1")
    complete(world.instance, ["P1"], fail="price_coverage")

    status = world.status("P1")

    assert status["status"] == "failed"
    assert [phase["status"] for phase in status["phases"]] == ["failed", *["skipped"] * 11]
    assert status["finished_at"] is not None


def test_the_next_nights_run_of_many_portfolios_repairs_a_failed_onboarding(world):
    """It spans three portfolios, has no portfolio's tag, and a later last session."""
    for portfolio_id in ("P1", "P2", "P3"):
        world.add_portfolio(portfolio_id, name=portfolio_id)
        complete(world.instance, [portfolio_id], fail="price_coverage,betas"[: 14 if portfolio_id == "P2" else 0])
    assert world.status("P2")["status"] == "failed"

    repair = complete(world.instance, ["P1", "P2", "P3"], last=date(2025, 1, 13), source="cron")

    status = world.status("P2")
    assert status["status"] == "completed"
    assert status["run_id"] == repair
    assert status["errors"] == []
    assert status["summary"]["sessions"] == SESSIONS + 1
    assert {phase["portfolios"] for phase in status["phases"] if phase["phase"] not in ("phase_1", "phase_1_5")} == {3}
    assert world.status("P1")["run_id"] != repair
    assert {phase["portfolios"] for phase in world.status("P1")["phases"]} == {1}


def test_a_run_still_covers_a_portfolio_whose_neighbours_were_removed(world):
    """The range of the run names the two that are gone."""
    for portfolio_id in ("P1", "P2", "P3"):
        world.add_portfolio(portfolio_id, name=portfolio_id)
    complete(world.instance, ["P1", "P2", "P3"])
    for gone in ("P1", "P3"):
        world.instance.delete_dynamic_partition("portfolio", gone)

    assert world.status("P2")["status"] == "completed"


def test_a_run_of_others_is_nothing_to_a_portfolio(world):
    """P2 was added while P1's run was on."""
    world.add_portfolio("P1", name="one")
    complete(world.instance, ["P1"])
    world.add_portfolio("P2", name="two")

    assert world.status("P2")["status"] == "pending"


def test_a_portfolio_of_yesterday_is_found_in_its_own_runs_and_in_those_of_many(world):
    """One was onboarded by a run of its own, the other by the night's run of both."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    for portfolio_id in ("P1", "P2"):
        world.add_portfolio(portfolio_id, name=portfolio_id, created=yesterday)
    own = complete(world.instance, ["P1"])
    shared = complete(world.instance, ["P1", "P2"], source="cron")

    statuses = {portfolio_id: world.status(portfolio_id) for portfolio_id in ("P1", "P2")}

    assert {name: (status["status"], status["run_id"]) for name, status in statuses.items()} == {
        "P1": ("completed", own),
        "P2": ("completed", shared),
    }


def test_a_killed_run_is_failed_and_says_how_far_it_came(world):
    """No step ever said that it ended; run monitoring did."""
    world.add_portfolio("P1")
    run_id, events = begin(world.instance, ["P1"])
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_START and event.step_key != "price_coverage":
            break
    on = world.status("P1")
    world.instance.report_run_failed(world.instance.get_run_by_id(run_id), "the worker died")

    status = world.status("P1")

    assert on["status"] == "running"
    assert status["status"] == "partial"
    assert status["errors"][0]["message"] == "the worker died"
    assert status["overall_progress"]["percent_complete"] == on["overall_progress"]["percent_complete"]
    events.close()


def test_a_run_killed_between_its_last_materialisation_and_its_end_has_completed_the_portfolio(embedded):
    """Nothing is missing, so nobody runs it again: it must not stay at 99.9 % for ever."""
    embedded.add_portfolio("P1")
    run_id, events = begin(embedded.instance, ["P1"])
    recorded = 0
    for event in events:
        recorded += event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
        if recorded == SESSIONS * 12:
            break
    before = embedded.status("P1")
    embedded.instance.report_run_failed(embedded.instance.get_run_by_id(run_id), "the worker died")

    status = embedded.status("P1")
    (story,) = stories(embedded.instance, roster_of("P1"), embedded.settings.calendar)

    assert (before["status"], before["overall_progress"]["percent_complete"]) == ("running", 99.9)
    assert (status["status"], status["overall_progress"]["percent_complete"]) == ("completed", 100)
    assert story.record()["status"] == "failure"
    assert story.cells_done == story.cells_total == SESSIONS * 12
    events.close()


def test_a_run_that_has_not_started_says_what_it_waits_for(embedded):
    """In the queue, with its worker starting, and with all four slots taken: three different sentences."""
    said = []
    for number, state in enumerate(("QUEUED", "STARTING", "STARTED", "STARTED", "STARTED", "QUEUED"), start=1):
        embedded.add_portfolio(f"P{number}", name=f"P{number}")
        run_id, _ = begin(embedded.instance, [f"P{number}"])
        run = embedded.instance.get_run_by_id(run_id)
        embedded.instance.delete_run(run_id)
        origin = origin_of("portfolios")
        embedded.instance.add_run(run._replace(status=dg.DagsterRunStatus[state], remote_job_origin=origin))
        said.append(embedded.status(f"P{number}")["current_phase_progress"]["message"])

    assert said[0] == "In Dagster's queue, which is looked at every second"
    assert said[1] == "Its worker is starting"
    assert said[-1] == "Waiting for a free worker: 4 of 4 are at work"


def test_a_retried_step_is_running_and_says_why(world):
    """Its first attempt failed; the second succeeds."""
    world.add_portfolio("P1")
    _, events = begin(world.instance, ["P1"], retry="volatility")
    seen = []
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_RESTARTED:
            seen = [phase for phase in world.status("P1")["phases"] if phase["status"] == "running"]

    assert [phase["phase"] for phase in seen] == ["phase_5"]
    assert "the first attempt fails" in seen[0]["message"]
    final = world.status("P1")
    assert final["status"] == "completed"
    assert "the first attempt fails" in next(m["message"] for m in final["messages"] if m["level"] == "warning")


def test_a_run_of_some_assets_leaves_the_others_missing(world):
    """Somebody clicked on two assets in the UI."""
    world.add_portfolio("P1")
    complete(world.instance, ["P1"], assets=["price_coverage", "portfolio_snapshots"], source="admin")

    status = world.status("P1")

    assert status["status"] == "partial"
    assert status["overall_progress"]["phases_completed"] == 2
    assert [phase["status"] for phase in status["phases"]].count("skipped") == 10


def test_two_that_onboard_at_the_same_time_are_told_apart(world):
    """Their events interleave in one log."""
    for portfolio_id in ("P1", "P2"):
        world.add_portfolio(portfolio_id, name=portfolio_id)
    _, first = begin(world.instance, ["P1"])
    _, second = begin(world.instance, ["P2"], fail="price_coverage")
    client = world.client()
    for event in first:
        next(second, None)
        if event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            assert client.get("/api/v1/onboarding/status/P1").json()["errors"] == []
    for _ in second:
        pass

    assert world.status("P1")["status"] == "completed"
    assert world.status("P2")["status"] == "failed"


def test_fifty_that_onboard_in_one_run_all_see_it(embedded):
    """One run, fifty pages."""
    ids = [f"P{number:02d}" for number in range(50)]
    for portfolio_id in ids:
        embedded.add_portfolio(portfolio_id, name=portfolio_id)
    complete(embedded.instance, ids, last=date(2025, 1, 6))

    client = embedded.client()
    answers = [client.get(f"/api/v1/onboarding/status/{portfolio_id}").json() for portfolio_id in ids]

    assert {answer["status"] for answer in answers} == {"completed"}
    assert {answer["summary"]["sessions"] for answer in answers} == {3}


def test_debug_adds_the_detail_of_each_symbol_timings_and_the_log(world):
    """Without debug there is none of it."""
    world.add_portfolio("P1")
    complete(world.instance, ["P1"])

    plain, debug = world.status("P1"), world.status("P1", debug="true")

    assert plain["debug_logs"] is None
    assert all(message["level"] != "debug" for message in plain["messages"])
    assert "AAPL: 20 sessions in 0.3 s" in [message["message"] for message in debug["messages"]]
    assert any("computed in" in (message["detail"] or "") for message in debug["messages"])
    assert any("price_coverage: MSFT: loaded" in line for line in debug["debug_logs"])


def test_messages_are_at_most_two_hundred_the_newest_kept(embedded):
    """Six runs say more than that in debug."""
    embedded.add_portfolio("P1")
    for _ in range(6):
        complete(embedded.instance, ["P1"], fail="betas")

    messages = embedded.status("P1", debug="true")["messages"]

    assert len(messages) == 200
    assert messages == sorted(messages, key=lambda message: message["timestamp"])
    assert messages[-1]["message"].startswith("Run failed")
