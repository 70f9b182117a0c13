"""How an alert gets to a webhook and to a mailbox: verified, within a total time, and never to another address.

A receiver that sends a byte now and then passes every timeout of a socket, and a name server may hang as well. So each
alert is sent by a process of its own, which ends after a total time whatever its receiver does.

A receiver that takes too long may have taken the alert. So an alert has the same name whenever it is sent, the run's id: in
the body and as `Idempotency-Key`, and in a mail as Message-ID, by which mailboxes drop what they have already.
"""

import json
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

import requests

from sigma_assets.base.errors import AlertError, SettingsError, UncertainAlertError

TIMEOUT_SECONDS = 10
TOTAL_SECONDS = 15
MAX_REASON = 200
SERVER_ERROR = 500
REFUSED, UNCERTAIN = 1, 2
"""How the process ends that sends: the receiver did not take the alert, or may have."""
SILENT = "did not say whether it took the alert"


def post(url: str, alert: Mapping[str, object]) -> None:
    """Post an alert as JSON; `text` is what chat webhooks show.

    Raises
    ------
    AlertError
        The receiver cannot be reached, refuses, redirects or takes too long; without its address beyond the host, for
        that is a secret.
    """
    _in_time(f"the webhook at {urlsplit(url).hostname}", {"url": url, "alert": dict(alert)})


def mail(smtp_url: str, to: str, alert: Mapping[str, object]) -> None:
    """Mail an alert: `smtps://` speaks TLS from the start, `smtp://USER@` after STARTTLS; both verify the certificate.

    Raises
    ------
    SettingsError
        The address of the mail server cannot be used.
    AlertError
        The mail server cannot be reached or verified, refuses or takes too long.
    """
    server = urlsplit(smtp_url)
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise SettingsError("SIGMA_SMTP_URL: expected smtp://USER:PASSWORD@HOST:PORT (or smtps://)")
    _in_time(f"the mail server at {server.hostname}", {"smtp_url": smtp_url, "to": to, "alert": dict(alert)})


def _in_time(receiver: str, task: Mapping[str, object]) -> None:
    """Let a process of its own send an alert; the task goes through its input, for it holds secrets."""
    command = [sys.executable, "-m", "sigma_assets.automation.alerts.receivers"]
    try:
        done = subprocess.run(
            command, input=json.dumps(task), capture_output=True, text=True, timeout=TOTAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UncertainAlertError(f"{receiver} did not take the alert within {TOTAL_SECONDS} s") from None
    if done.returncode:
        # a traceback may hold the address: of an unforeseen error only the class is sent
        unforeseen = (done.stderr.strip().splitlines() or ["no word"])[-1].partition(":")[0]
        kind = UncertainAlertError if done.returncode == UNCERTAIN else AlertError
        raise kind(f"{receiver} {done.stdout.strip() or f'cannot be alerted: {unforeseen}'}")


def _post(url: str, alert: Mapping[str, object]) -> None:
    """Post, or raise what went wrong."""
    named = {"Idempotency-Key": str(alert["run_id"])}
    try:
        answer = requests.post(
            url, json=alert, headers=named, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
        )
    except requests.ReadTimeout:
        raise UncertainAlertError(SILENT) from None
    except requests.RequestException as error:
        raise AlertError(f"cannot be reached: {type(error).__name__}") from None
    if answer.is_redirect:
        raise AlertError(
            f"redirects ({answer.status_code}): set SIGMA_ALERT_WEBHOOK to the address that takes alerts itself"
        )
    if not answer.ok:
        kind = UncertainAlertError if answer.status_code >= SERVER_ERROR else AlertError
        raise kind(f"answers {answer.status_code} {answer.reason}"[:MAX_REASON])


def _mail(smtp_url: str, to: str, alert: Mapping[str, object]) -> None:
    """Mail, or raise what went wrong."""
    server = urlsplit(smtp_url)
    password = unquote(server.password or "")
    try:
        connection = _connected(str(server.hostname), server.port or 0, is_tls=server.scheme == "smtps")
        try:
            if server.username:
                if server.scheme == "smtp":
                    connection.starttls(context=ssl.create_default_context())
                connection.login(unquote(server.username), password)
            _send(connection, _message(to, alert))
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        raise AlertError(
            f"has a certificate that cannot be verified: {error.verify_message}."
            " SSL_CERT_FILE names the certificates to trust"
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        told = str(error).replace(password, "***") if password else str(error)
        raise AlertError(f"does not take the alert: {told}") from None


def _message(to: str, alert: Mapping[str, object]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"sigma_assets: run {str(alert['run_id'])[:8]} failed"
    message["From"], message["To"], message["Date"] = to, to, formatdate()
    message["Message-ID"] = f"<{alert['run_id']}@{to.rpartition('@')[2]}>"
    message.set_content(f"{alert['text']}\n\n{alert['url']}\n")
    return message


def _send(connection: smtplib.SMTP, message: EmailMessage) -> None:
    try:
        connection.send_message(message)
    except (TimeoutError, smtplib.SMTPServerDisconnected):  # perhaps after it took the mail
        raise UncertainAlertError(SILENT) from None
    with suppress(OSError, smtplib.SMTPException):  # the server has the mail, whatever it says to the farewell
        connection.putcmd("QUIT")


def _connected(host: str, port: int, *, is_tls: bool) -> smtplib.SMTP:
    """Connect; port 0 is the usual one."""
    if is_tls:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    try:
        _mail(**given) if "smtp_url" in given else _post(**given)
    except AlertError as problem:
        sys.stdout.write(str(problem))
        sys.exit(UNCERTAIN if isinstance(problem, UncertainAlertError) else REFUSED)
