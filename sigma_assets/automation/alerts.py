"""Alerts: a failed run is told to a webhook, by e-mail, or both; as configured."""

import smtplib
from collections.abc import Mapping
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import dagster as dg
import requests

from sigma_assets.errors import SettingsError
from sigma_assets.run_history import story_of
from sigma_assets.settings import Settings, settings

TIMEOUT_SECONDS = 10


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Posts each failed run to SIGMA_ALERT_WEBHOOK, and mails it to SIGMA_ALERT_EMAIL.",
)
def failure_alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell somebody about a failed run: which, over what, how far it got, and why."""
    configured = settings()
    if not configured.alert_webhook and not configured.alert_email:
        return dg.SkipReason("no alert is configured: set SIGMA_ALERT_WEBHOOK or SIGMA_ALERT_EMAIL")
    alert = alert_of(context.instance, context.dagster_run.run_id, configured)
    if configured.alert_webhook:
        post(configured.alert_webhook, alert)
    if configured.alert_email:
        mail(configured.smtp_url, configured.alert_email, alert)
    return None


def alert_of(instance: dg.DagsterInstance, run_id: str, configured: Settings) -> Mapping[str, object]:
    """Return what there is to say about a failed run, as plain values with a line of text."""
    story = story_of(instance, run_id, configured.calendar)
    if story is None:
        return {"run_id": run_id, "text": f"run {run_id} failed", "url": f"{configured.dagster_url}/runs/{run_id}"}
    record = story.record()
    who = f"{len(story.cover.portfolio_ids)} portfolio(s)" if story.cover.portfolio_ids else "the universe"
    causes = "; ".join(f"{asset or 'run'}: {kind}: {message}" for asset, kind, message in story.failures)
    text = f"{story.cover.source} run of {who}, {story.cover.first} to {story.cover.last}, failed: {causes}"
    plain = {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in record.items()}
    return {**plain, "text": text, "url": f"{configured.dagster_url}/runs/{run_id}"}


def post(url: str, alert: Mapping[str, object]) -> None:
    """Post an alert as JSON; `text` is what chat webhooks show.

    Raises
    ------
    requests.HTTPError
        The receiver refused it: the sensor's tick fails and is tried again.
    """
    requests.post(url, json=alert, timeout=TIMEOUT_SECONDS).raise_for_status()


def mail(smtp_url: str, to: str, alert: Mapping[str, object]) -> None:
    """Mail an alert.

    Raises
    ------
    SettingsError
        The address of the mail server cannot be used.
    """
    server = urlsplit(smtp_url)
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise SettingsError("SIGMA_SMTP_URL: expected smtp://USER:PASSWORD@HOST:PORT (or smtps://)")
    message = EmailMessage()
    message["Subject"] = f"sigma_assets: run {str(alert['run_id'])[:8]} failed"
    message["From"], message["To"] = to, to
    message.set_content(f"{alert['text']}\n\n{alert['url']}\n")
    connect = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    with connect(server.hostname, server.port or 25, timeout=TIMEOUT_SECONDS) as connection:
        if server.username:
            connection.starttls()
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)
