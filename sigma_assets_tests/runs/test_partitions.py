"""Session partitions are exactly the NYSE sessions, and are there by the cutoff."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sigma_assets.runs.partitions import Scope, session_partitions, sessions_def
from sigma_assets.runs.tags import PlannedRun, run_tags, spans_of
from sigma_assets.settings import settings
from sigma_assets.storage.roster import Roster

NEW_YORK = ZoneInfo("America/New_York")


def test_partitions_are_exactly_the_sessions_of_the_exchange():
    calendar = settings().calendar
    now = datetime(2026, 1, 9, 20, 0, tzinfo=NEW_YORK)

    keys = sessions_def.get_partition_keys(current_time=now)

    wanted = calendar.between(settings().history_start, now.date())
    assert list(keys) == [str(day) for day in wanted]


@pytest.mark.parametrize("closed", ["2025-01-09", "2018-12-05", "2012-10-29", "2025-12-25", "2026-01-03"])
def test_special_closures_holidays_and_weekends_are_no_partitions(closed):
    keys = sessions_def.get_partition_keys(current_time=datetime(2026, 1, 9, 20, 0, tzinfo=NEW_YORK))

    assert closed not in keys


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        (datetime(2026, 1, 8, 14, 59, tzinfo=NEW_YORK), "2026-01-07"),  # winter
        (datetime(2026, 1, 8, 16, 30, tzinfo=NEW_YORK), "2026-01-08"),
        (datetime(2025, 7, 8, 15, 59, tzinfo=NEW_YORK), "2025-07-07"),  # summer time: before the close
        (datetime(2025, 7, 8, 16, 30, tzinfo=NEW_YORK), "2025-07-08"),
        (datetime(2026, 1, 10, 12, 0, tzinfo=NEW_YORK), "2026-01-09"),  # a Saturday shows Friday, and no Monday
    ],
)
def test_a_session_is_a_partition_at_the_cutoff_and_not_long_before(moment, last):
    assert sessions_def.get_partition_keys(current_time=moment)[-1] == last


@pytest.mark.parametrize("day", [date(2026, 7, 15), date(2026, 1, 15)], ids=["summer", "winter"])
@pytest.mark.parametrize("cutoff", [time(13, 0), time(14, 30), time(16, 30), time(19, 59), time(20, 0), time(23, 59)])
def test_at_any_cutoff_the_session_is_a_partition(cutoff, day):
    """In summer it became one at 17:00: each run of the half hour before succeeded, with nothing done."""
    moment = datetime.combine(day, cutoff, NEW_YORK)

    keys = session_partitions(cutoff).get_partition_keys(current_time=moment)
    earlier = session_partitions(cutoff).get_partition_keys(current_time=moment - timedelta(hours=2))

    assert keys[-1] == str(day)
    assert earlier[-1] != str(day)


def test_a_scope_is_the_product_of_its_keys():
    scope = Scope.of_keys(["2026-01-08|p2", "2026-01-07|p1", "2026-01-08|p1", "2026-01-07|p2"], {"p1": "1", "p2": "2"})

    assert list(scope.sessions) == [np.datetime64("2026-01-07"), np.datetime64("2026-01-08")]
    assert scope.portfolio_ids == ("1", "2")


def test_keys_that_are_not_each_session_of_each_portfolio_are_no_scope():
    with pytest.raises(ValueError, match="3 partitions of 2 sessions and 2 portfolios"):
        Scope.of_keys(["2026-01-08|p2", "2026-01-07|p1", "2026-01-08|p1"], {"p1": "1", "p2": "2"})


def test_run_tags_name_the_corners_of_the_range_and_every_portfolio_in_it():
    """Ordinals 4 and 6 are gaps: an import that was rolled back, and a portfolio that is not in this run."""
    roster = Roster(
        (2, 3, 5, 6, 7), ("a", "b", "c", "d", "e"), ("alpha-a", "beta-b", "gamma-c", "delta-d", "epsilon-e")
    )
    covered = PlannedRun((), date(2026, 1, 7), date(2026, 1, 8), ("a", "b", "c", "e"), "prices corrected")

    tags = run_tags(covered, roster, source="cron", max_runtime_seconds=60)

    assert tags == {
        "dagster/asset_partition_range_start": "2026-01-07|alpha-a",
        "dagster/asset_partition_range_end": "2026-01-08|epsilon-e",
        "dagster/max_runtime": "60",
        "sigma/source": "cron",
        "sigma/reason": "prices corrected",
        "sigma/portfolios": "2-5,7",
    }
    assert roster.within(spans_of(tags)) == ("a", "b", "c", "e")


def test_what_a_run_covers_survives_the_portfolios_at_its_ends_and_any_length():
    """Every second of 2,000 portfolios: more spans than one tag may hold."""
    ids = tuple(f"{number}" for number in range(1, 2001))
    roster = Roster(tuple(range(1, 2001)), ids, ids)
    covered = PlannedRun((), date(2026, 1, 7), date(2026, 1, 7), ids[::2])

    tags = run_tags(covered, roster, source="cron", max_runtime_seconds=60)

    assert max(map(len, tags.values())) < 2_700
    assert roster.within(spans_of(tags)) == ids[::2]


def test_a_run_of_one_portfolio_can_be_found_by_its_name_in_the_ui():
    roster = Roster((2,), ("b",), ("beta-b",))
    covered = PlannedRun((), date(2026, 1, 7), date(2026, 1, 8), ("b",))

    tags = run_tags(covered, roster, source="onboarding", max_runtime_seconds=60)

    assert (tags["sigma/portfolio_id"], tags["sigma/portfolio"]) == ("b", "beta-b")
