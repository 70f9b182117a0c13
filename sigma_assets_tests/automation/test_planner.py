"""The planner: exactly what is missing, no more, no less, in few runs."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigma_assets.automation import planner
from sigma_assets.automation.planner import backoff_seconds, launchable, plan_runs
from sigma_assets.runs.tags import PlannedRun

CALENDAR = np.arange("2026-01-05", "2026-01-17", dtype="datetime64[D]")
ASSETS = ("price_coverage", "betas", "volatility")


def days(*numbers: int) -> np.ndarray:
    return np.array([f"2026-01-{number:02d}" for number in numbers], dtype="datetime64[D]")


def cells(run: PlannedRun) -> set[tuple[str, str, str]]:
    inside = CALENDAR[(CALENDAR >= np.datetime64(run.first)) & (CALENDAR <= np.datetime64(run.last))]
    portfolios = run.portfolio_ids or ("",)
    return {(asset, str(day), key) for asset in run.assets for day in inside for key in portfolios}


def test_laggards_catch_up_and_portfolios_that_miss_the_same_sessions_share_a_run():
    """The example of SPEC 5: target 8 January, A done to the 7th, B and C to the 5th."""
    missing = {("A", "betas"): days(8), ("B", "betas"): days(6, 7, 8), ("C", "betas"): days(6, 7, 8)}

    planned = plan_runs(missing, assets=ASSETS, order=["A", "B", "C"], calendar=CALENDAR)

    assert planned == [
        PlannedRun(("betas",), date(2026, 1, 6), date(2026, 1, 7), ("B", "C")),
        PlannedRun(("betas",), date(2026, 1, 8), date(2026, 1, 8), ("A", "B", "C")),
    ]


def test_a_hole_in_the_middle_is_as_missing_as_a_late_end():
    missing = {("A", "betas"): days(7, 10)}

    planned = plan_runs(missing, assets=ASSETS, order=["A"], calendar=CALENDAR)

    assert [(run.first.day, run.last.day) for run in planned] == [(7, 7), (10, 10)]


def test_portfolios_that_are_no_neighbours_get_runs_of_their_own():
    """A run's range is one slice of the partitions: a portfolio in between must not be run again."""
    missing = {("A", "betas"): days(8), ("C", "betas"): days(8)}

    planned = plan_runs(missing, assets=ASSETS, order=["A", "B", "C"], calendar=CALENDAR)

    assert [run.portfolio_ids for run in planned] == [("A",), ("C",)]


def test_only_the_missing_asset_runs():
    missing = {("A", "price_coverage"): days(8), ("A", "volatility"): days(8)}

    (planned,) = plan_runs(missing, assets=ASSETS, order=["A"], calendar=CALENDAR)

    assert planned.assets == ("price_coverage", "volatility")


def test_the_universe_has_no_portfolios():
    (planned,) = plan_runs({(None, "betas"): days(8, 9)}, assets=ASSETS, order=["A"], calendar=CALENDAR)

    assert planned == PlannedRun(("betas",), date(2026, 1, 8), date(2026, 1, 9), ())


def test_nothing_missing_plans_nothing():
    assert plan_runs({}, assets=ASSETS, order=["A"], calendar=CALENDAR) == []


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["A", "B", "C", "D"]), st.sampled_from(ASSETS)),
        st.sets(st.integers(0, len(CALENDAR) - 1), min_size=1).map(lambda rows: CALENDAR[sorted(rows)]),
    ),
    st.integers(1, 7),
    st.integers(1, 4),
    st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.integers(1, 300)),
)
def test_planned_runs_cover_each_missing_cell_exactly_once(missing, most_cells, workers, lots):
    """Whatever is missing, however small the runs must be, and however large a portfolio is: nothing is left out, nothing
    runs twice."""
    wanted = {(asset, str(day), key) for (key, asset), sessions in missing.items() for day in sessions}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "MAX_CELLS", most_cells)
        patch.setattr(planner, "MIN_CELLS", 1)
        planned = plan_runs(
            missing, assets=ASSETS, order=["A", "B", "C", "D"], calendar=CALENDAR, workers=workers, lots=lots
        )

    covered = [cell for run in planned for cell in cells(run)]
    assert len(covered) == len(set(covered))
    assert set(covered) == wanted
    for run in planned:
        sessions = len({day for _, day, _ in cells(run)})
        held = sessions * sum(max(lots.get(key, 0), 30) for key in run.portfolio_ids)
        assert held <= 30 * most_cells or (sessions == 1 and len(run.portfolio_ids) == 1), "a session is never divided"


def test_a_night_is_divided_evenly_among_the_workers_but_not_into_crumbs():
    """A start of a worker costs more than a few portfolios: 900 for four workers are three runs, 100 are one."""
    for count, workers, sizes in (
        (1_000, 2, [500, 500]),
        (1_000, 3, [334, 334, 332]),
        (900, 4, [300] * 3),
        (100, 4, [100]),
    ):
        order = [f"P{number}" for number in range(count)]
        missing = {(key, asset): CALENDAR[:1] for key in order for asset in ASSETS}

        planned = plan_runs(missing, assets=ASSETS, order=order, calendar=CALENDAR, workers=workers)

        assert [len(run.portfolio_ids) for run in planned] == sizes
        assert [key for run in planned for key in run.portfolio_ids] == order


def test_more_portfolios_than_fit_into_a_run_each_are_as_many_runs_for_every_worker():
    """Eleven thousand on four workers: not three runs of 3,667, for which one worker would have nothing to do."""
    order = [f"P{number}" for number in range(11_000)]
    missing = {(key, "betas"): CALENDAR[:1] for key in order}

    planned = plan_runs(missing, assets=["betas"], order=order, calendar=CALENDAR, workers=4)

    assert [len(run.portfolio_ids) for run in planned] == [2_750] * 4


def test_a_portfolio_of_many_lots_counts_as_several():
    """What a run may need of memory goes with lots x sessions: 3,000 lots are a hundred portfolios of 30."""
    year = np.arange("2025-01-01", "2025-09-08", dtype="datetime64[D]")
    history = {("large", asset): year for asset in ASSETS}
    order = ["A", "large", "B", "C"]
    night = {(key, asset): CALENDAR[:1] for key in order for asset in ASSETS}

    cut = plan_runs(history, assets=ASSETS, order=["large"], calendar=year, lots={"large": 3_000})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "MAX_CELLS", 100)
        apart = plan_runs(night, assets=ASSETS, order=order, calendar=CALENDAR, lots={"large": 3_000, "B": 31})

    assert [np.searchsorted(year, np.datetime64(run.first)).item() for run in cut] == [0, 50, 100, 150, 200]
    assert {run.portfolio_ids for run in apart} == {("A",), ("large",), ("B", "C")}


def test_of_the_runs_of_a_session_the_largest_starts_first():
    """The last run to end should be a short one."""
    order = [f"P{number}" for number in range(7)]
    missing = {(key, asset): CALENDAR[:1] for key in order if key != "P2" for asset in ASSETS}

    planned = plan_runs(missing, assets=ASSETS, order=order, calendar=CALENDAR)
    heavy = plan_runs(missing, assets=ASSETS, order=order, calendar=CALENDAR, lots={"P0": 300})

    assert [run.portfolio_ids for run in planned] == [("P3", "P4", "P5", "P6"), ("P0", "P1")]
    assert [run.portfolio_ids for run in heavy] == [("P0", "P1"), ("P3", "P4", "P5", "P6")]


def test_a_long_history_of_the_universe_is_cut_into_runs_that_fit_into_memory(monkeypatch):
    monkeypatch.setattr(planner, "MAX_UNIVERSE_SESSIONS", 2)
    missing = {(None, asset): CALENDAR[:5] for asset in ASSETS}

    planned = plan_runs(missing, assets=ASSETS, order=[], calendar=CALENDAR)

    spans = [(run.first, run.last) for run in planned]
    days = [day.item() for day in CALENDAR[:5]]
    assert spans == [(days[0], days[1]), (days[2], days[3]), (days[4], days[4])]


def test_two_runs_of_one_portfolio_never_start_together():
    first = PlannedRun(("betas",), date(2026, 1, 6), date(2026, 1, 7), ("B", "C"))
    second = PlannedRun(("betas",), date(2026, 1, 8), date(2026, 1, 8), ("A", "B", "C"))
    other = PlannedRun(("betas",), date(2026, 1, 8), date(2026, 1, 8), ("D",))

    assert launchable([first, second, other], busy=set()) == [first, other]
    assert launchable([first, second, other], busy={"C"}) == [other]


def test_a_waiting_run_keeps_its_place_before_later_ones_of_the_same_portfolio():
    """B's earlier sessions wait for C; B's later ones must not overtake them."""
    first = PlannedRun(("betas",), date(2026, 1, 6), date(2026, 1, 7), ("B", "C"))
    second = PlannedRun(("betas",), date(2026, 1, 8), date(2026, 1, 8), ("B",))

    assert launchable([first, second], busy={"C"}) == []


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 60), (2, 120), (3, 240), (7, 3600), (60, 3600)])
def test_the_back_off_doubles_up_to_an_hour(failures, seconds):
    assert backoff_seconds(failures) == seconds
