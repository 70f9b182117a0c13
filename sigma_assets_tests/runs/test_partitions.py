"""Session partitions are exactly the NYSE sessions, and appear just after the close."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sigma_assets.runs.partitions import Scope, sessions_def
from sigma_assets.runs.tags import range_tags
from sigma_assets.settings import settings

NEW_YORK = ZoneInfo("America/New_York")


def test_partitions_are_exactly_the_sessions_of_the_exchange():
    calendar = settings().calendar
    now = datetime(2026, 1, 9, 20, 0, tzinfo=NEW_YORK)

    keys = sessions_def.get_partition_keys(current_time=now)

    wanted = calendar.between(settings().first_session, now.date())
    assert list(keys) == [str(day) for day in wanted]


@pytest.mark.parametrize("closed", ["2025-01-09", "2018-12-05", "2012-10-29", "2025-12-25", "2026-01-03"])
def test_special_closures_holidays_and_weekends_are_no_partitions(closed):
    keys = sessions_def.get_partition_keys(current_time=datetime(2026, 1, 9, 20, 0, tzinfo=NEW_YORK))

    assert closed not in keys


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        (datetime(2026, 1, 8, 15, 59, tzinfo=NEW_YORK), "2026-01-07"),  # winter: before the close
        (datetime(2026, 1, 8, 16, 1, tzinfo=NEW_YORK), "2026-01-08"),
        (datetime(2025, 7, 8, 17, 1, tzinfo=NEW_YORK), "2025-07-08"),  # summer time
        (datetime(2026, 1, 10, 12, 0, tzinfo=NEW_YORK), "2026-01-09"),  # a Saturday shows Friday, and no Monday
    ],
)
def test_a_session_appears_after_its_close_and_never_before(moment, last):
    assert sessions_def.get_partition_keys(current_time=moment)[-1] == last


def test_a_scope_is_the_product_of_its_keys():
    scope = Scope.of_keys(["2026-01-08|p2", "2026-01-07|p1", "2026-01-08|p1", "2026-01-07|p2"])

    assert list(scope.sessions) == [np.datetime64("2026-01-07"), np.datetime64("2026-01-08")]
    assert scope.portfolio_ids == ("p1", "p2")


def test_range_tags_name_the_corners_of_the_range():
    scope = Scope.of_keys(["2026-01-07", "2026-01-08"])

    tags = range_tags(scope.first, scope.last, ["p1", "p9"])

    assert tags == {
        "dagster/asset_partition_range_start": "2026-01-07|p1",
        "dagster/asset_partition_range_end": "2026-01-08|p9",
    }
