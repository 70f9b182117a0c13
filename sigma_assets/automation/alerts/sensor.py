"""The sensor that reports failed runs: which failures each channel has reported, and which come next."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import dagster as dg

from sigma_assets.automation.alerts.message import Alert, alert_of
from sigma_assets.automation.alerts.receivers import mail, post
from sigma_assets.base.errors import AlertError, UncertainAlertError
from sigma_assets.settings import Settings, settings

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
"""An alert is offered to a receiver for this long. One that refuses an alert for ever must not keep later ones back for
ever."""
AT_ONCE = 3
"""Failures that one tick reports on each channel."""
TICK_SECONDS = 25
"""No failure is reported after this much of a tick: Dagster ends a tick after a minute, and its cursor would be lost."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60, 600
"""An alert that a receiver may have taken is sent again after growing pauses: a slow one takes it each time."""

Channels = Mapping[str, Callable[[Alert], None]]


@dataclass(frozen=True)
class _Pause:
    run_id: str
    seconds: float
    until: float
    error: UncertainAlertError


_pauses: dict[str, _Pause] = {}
"""By channel, what a receiver may have taken. In this process alone: a new one begins with a try."""


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Posts each failed run to SIGMA_ALERT_WEBHOOK, and mails it to SIGMA_ALERT_EMAIL.",
)
def failure_alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Report each failed run: which, over what, how far it got, and why.

    Not Dagster's run failure sensor: that one moves on when it fails, and the alert is lost. This one repeats what did
    not get through at its next tick, each channel for itself, until the failure is a week old.
    """
    return report_failures(context, settings(), channels_of(settings()))


def report_failures(context: dg.SensorEvaluationContext, configured: Settings, channels: Channels) -> dg.SkipReason:
    """Report to each channel the failures that come after its own position, a few at a time, and move its position on.

    A channel that was not configured at the last tick starts from now on.

    Raises
    ------
    Exception
        What kept a channel from reporting, if no channel moved on: the tick is red until it can; an AlertError if that
        were several. Where a channel moved on, the reason to skip says what failed, whatever it was: Dagster keeps no
        cursor of a tick that raises, and the next one would report again what this one has.
    """
    instance = context.instance
    if not channels:
        context.update_cursor("{}")
        return dg.SkipReason("set SIGMA_ALERT_WEBHOOK or SIGMA_ALERT_EMAIL to be alerted")
    before = _positions(context)
    newest = _newest_failure(instance) if channels.keys() - before.keys() else 0
    positions = {channel: before.get(channel, newest) for channel in channels}
    errors: dict[str, Exception] = {}
    reported, started = 0, time.monotonic()
    for _ in range(AT_ONCE):
        for channel in [name for name in channels if name not in errors]:
            if time.monotonic() - started > TICK_SECONDS:
                break
            try:
                failure = next(iter(_failures_after(instance, positions[channel])), None)
                if failure is None:
                    continue
                reported += _report(instance, failure, configured, channel, channels[channel])
            except Exception as error:  # whatever it is: the other channels are told all the same
                if not isinstance(error, AlertError):
                    logger.exception("a failure is not reported by %s", channel)
                errors[channel] = error
            else:
                positions[channel] = failure.storage_id
    if positions == before and errors:
        raise next(iter(errors.values())) if len(errors) == 1 else AlertError("; ".join(map(str, errors.values())))
    context.update_cursor(json.dumps(positions))
    later = "".join(f"; {channel} comes later: {error}" for channel, error in sorted(errors.items()))
    return dg.SkipReason(f"reported {reported} times{later}")


def channels_of(configured: Settings) -> Channels:
    """Return who is alerted, by channel, and how."""
    channels: dict[str, Callable[[Alert], None]] = {}
    if configured.alert_webhook:
        channels["webhook"] = partial(post, configured.alert_webhook)
    if configured.alert_email:
        channels["email"] = partial(mail, configured.smtp_url, configured.alert_email)
    return channels


def _positions(context: dg.SensorEvaluationContext) -> dict[str, int]:
    """Return the storage id of the last failure that each channel is done with; empty for a cursor of another kind."""
    try:
        positions = json.loads(context.cursor or "")
    except ValueError:
        return {}
    is_ours = isinstance(positions, dict) and all(isinstance(position, int) for position in positions.values())
    return positions if is_ours else {}


def _report(
    instance: dg.DagsterInstance,
    failure: dg.EventLogRecord,
    configured: Settings,
    channel: str,
    tell: Callable[[Alert], None],
) -> bool:
    """Report a failure on a channel; return False where there was nothing to report any more."""
    age = timedelta(seconds=time.time() - failure.timestamp)
    if age > KEPT_FOR:
        logger.warning("run %s failed %d days ago: no longer reported by %s", failure.run_id, age.days, channel)
        return False
    if _is_repeated(instance, failure):
        return False
    last = _pauses.get(channel)
    if last is not None and last.run_id != failure.run_id:
        last = None
    if last is not None and time.monotonic() < last.until:
        raise last.error
    try:
        tell(alert_of(instance, failure.run_id, configured))
    except UncertainAlertError as error:
        pause = FIRST_PAUSE_SECONDS if last is None else min(2 * last.seconds, LONGEST_PAUSE_SECONDS)
        _pauses[channel] = _Pause(failure.run_id, pause, time.monotonic() + pause, error)
        raise
    _pauses.pop(channel, None)
    return True


def _is_repeated(instance: dg.DagsterInstance, failure: dg.EventLogRecord) -> bool:
    """Return whether a run had failed before already: two watchers may report one death."""
    first = instance.get_records_for_run(failure.run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return bool(first) and first[0].storage_id != failure.storage_id


def _newest_failure(instance: dg.DagsterInstance) -> int:
    found = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return found[0].storage_id if found else 0


def _failures_after(instance: dg.DagsterInstance, event: int) -> Sequence[dg.EventLogRecord]:
    chosen = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=event)
    return instance.fetch_run_status_changes(chosen, limit=1, ascending=True).records
