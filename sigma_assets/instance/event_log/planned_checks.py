"""Planned checks of our own assets, without partitions: they are declared without, and evaluated once in a run.

In a run over a range of sessions Dagster adds the range to every planned check, even to checks without partitions. It
then stores one row per check and partition, each with the calendar's exclusions inside: 29 checks over 254 sessions took
7 s and 26 MB. The evaluation, which has no partition, finds none of these rows, so they stay "planned" for ever.
"""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster_shared.record import copy

from sigma_assets.storage.schema import FAMILIES


def planned_for_the_run(event: dg.EventLogEntry) -> dg.EventLogEntry:
    """Return the event of a planned check of ours without its partitions; other events, and other checks, as they are."""
    dagster_event = event.dagster_event
    planned = dagster_event.event_specific_data if dagster_event else None
    if dagster_event is None or not isinstance(planned, AssetCheckEvaluationPlanned):
        return event
    if planned.asset_key.to_user_string() not in FAMILIES:
        return event
    whole = dagster_event._replace(event_specific_data=copy(planned, partitions_subset=None))
    return event._replace(dagster_event=whole)
