"""Alerts: a failed run is told to a webhook, by e-mail, or both; as configured."""

import logging
import smtplib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from urllib.parse import unquote, urlsplit

import dagster as dg
import requests

from sigma_assets.base.errors import AlertError, SettingsError, SigmaError, StorageError
from sigma_assets.runs.history import story_of
from sigma_assets.runs.tags import SYMBOL_JOB
from sigma_assets.settings import Settings, settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.roster import Roster, read_roster

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10
TOLD_FOR_SECONDS = 86_400
"""A receiver that was down for longer than this is not told of what happened before: one that refuses an alert for ever
must not keep later ones back for ever."""
Channels = Mapping[str, Callable[[Mapping[str, object]], None]]
AT_ONCE = 3
"""Failures that one tick tells: each may wait for its receiver, and a tick ends after a minute."""


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Posts each failed run to SIGMA_ALERT_WEBHOOK, and mails it to SIGMA_ALERT_EMAIL.",
)
def failure_alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell somebody about each failed run: which, over what, how far it got, and why.

    Not Dagster's run failure sensor: that one moves on when it fails, and the alert is lost. This one tells what it could
    not tell again at its next tick, each channel for itself, until the failure is a day old.
    """
    return tell_failures(context, settings(), channels_of(settings()))


def tell_failures(context: dg.SensorEvaluationContext, configured: Settings, channels: Channels) -> dg.SkipReason:
    """Tell each channel of the failures after the sensor's cursor, a few at a time, and move the cursor on.

    Raises
    ------
    SigmaError
        The first thing to tell could not be told; whatever else was told is in the cursor, so nobody hears it twice.
    """
    position = Position.of(context.cursor)
    if not channels or position is None:
        context.update_cursor(Position(_newest_failure(context.instance)).text)
        return dg.SkipReason("from now on" if channels else "set SIGMA_ALERT_WEBHOOK or SIGMA_ALERT_EMAIL to be told")
    told = 0
    for failure in _failures_after(context.instance, position.event):
        alert = alert_of(context.instance, failure.run_id, configured) if _is_news(context.instance, failure) else None
        for channel, tell in channels.items():
            if alert is None or channel in position.told:
                continue
            try:
                tell(alert)
            except SigmaError as error:  # AlertError, or SettingsError of a mail server's address
                if not told:
                    raise
                return dg.SkipReason(f"told {told} times; {channel} of run {failure.run_id} comes later: {error}")
            told += 1
            position = Position(position.event, (*position.told, channel))
            context.update_cursor(position.text)
        position = Position(failure.storage_id)
        context.update_cursor(position.text)
    return dg.SkipReason(f"told {told} times")


@dataclass(frozen=True)
class Position:
    """How far failures have been told; the sensor's cursor.

    Attributes
    ----------
    event : storage id of the last failure that was told.
    told : the channels that know of the next one already.
    """

    event: int
    told: tuple[str, ...] = ()

    @classmethod
    def of(cls, cursor: str | None) -> "Position | None":
        """Return the position of a cursor; None for none, and for that of a Dagster run failure sensor."""
        event, *told = (cursor or "").split(",")
        return cls(int(event), tuple(told)) if event.lstrip("-").isdigit() else None

    @property
    def text(self) -> str:
        """The cursor."""
        return ",".join((str(self.event), *self.told))


def channels_of(configured: Settings) -> Channels:
    """Return who is told, by channel, and how."""
    channels: dict[str, Callable[[Mapping[str, object]], None]] = {}
    if configured.alert_webhook:
        channels["webhook"] = partial(post, configured.alert_webhook)
    if configured.alert_email:
        channels["email"] = partial(mail, configured.smtp_url, configured.alert_email)
    return channels


def _newest_failure(instance: dg.DagsterInstance) -> int:
    found = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return found[0].storage_id if found else 0


def _failures_after(instance: dg.DagsterInstance, event: int) -> Sequence[dg.EventLogRecord]:
    chosen = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=event)
    return instance.fetch_run_status_changes(chosen, limit=AT_ONCE, ascending=True).records


def _is_news(instance: dg.DagsterInstance, failure: dg.EventLogRecord) -> bool:
    """Return whether a failure is young, and the first of its run: two watchers may report one death."""
    if time.time() - failure.timestamp > TOLD_FOR_SECONDS:
        return False
    first = instance.get_records_for_run(failure.run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return not first or first[0].storage_id == failure.storage_id


def alert_of(instance: dg.DagsterInstance, run_id: str, configured: Settings) -> Mapping[str, object]:
    """Return what there is to say about a failed run, as plain values with a line of text."""
    story = story_of(instance, _roster(configured), run_id, configured.calendar)
    if story is None:
        return {"run_id": run_id, "text": f"run {run_id} failed", "url": f"{configured.dagster_url}/runs/{run_id}"}
    record = story.record()
    count = len(story.cover.portfolio_ids)
    who = "the universe" if story.cover.job == SYMBOL_JOB else f"{count} portfolio(s)" if count else "portfolios"
    causes = "; ".join(f"{asset or 'run'}: {kind}: {message}" for asset, kind, message in story.failures)
    text = f"{story.cover.source} run of {who}, {story.cover.first} to {story.cover.last}, failed: {causes}"
    plain = {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in record.items()}
    return {**plain, "text": text, "url": f"{configured.dagster_url}/runs/{run_id}"}


def _roster(configured: Settings) -> Roster:
    """Return the roster; an empty one where our database is away, which may be just what there is to tell."""
    try:
        return read_roster(Database(configured.database))
    except StorageError as error:
        logger.warning("the alert does not count portfolios: %s", error)
        return Roster((), (), ())


def post(url: str, alert: Mapping[str, object]) -> None:
    """Post an alert as JSON; `text` is what chat webhooks show.

    Raises
    ------
    AlertError
        The receiver cannot be reached, or refuses; without its address beyond the host, for that is a secret.
    """
    try:
        answer = requests.post(url, json=alert, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise AlertError(f"the webhook at {urlsplit(url).hostname} cannot be reached: {type(error).__name__}") from None
    if not answer.ok:
        raise AlertError(f"the webhook at {urlsplit(url).hostname} answers {answer.status_code} {answer.reason}")


def mail(smtp_url: str, to: str, alert: Mapping[str, object]) -> None:
    """Mail an alert.

    Raises
    ------
    SettingsError
        The address of the mail server cannot be used.
    AlertError
        The mail server cannot be reached, or refuses.
    """
    server = urlsplit(smtp_url)
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise SettingsError("SIGMA_SMTP_URL: expected smtp://USER:PASSWORD@HOST:PORT (or smtps://)")
    message = EmailMessage()
    message["Subject"] = f"sigma_assets: run {str(alert['run_id'])[:8]} failed"
    message["From"], message["To"] = to, to
    message.set_content(f"{alert['text']}\n\n{alert['url']}\n")
    connect = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    try:
        with connect(server.hostname, server.port or 25, timeout=TIMEOUT_SECONDS) as connection:
            if server.username:
                connection.starttls()
                connection.login(unquote(server.username), unquote(server.password or ""))
            connection.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise AlertError(f"the mail server at {server.hostname} does not take the alert: {error}") from error
