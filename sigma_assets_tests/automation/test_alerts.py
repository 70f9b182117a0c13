"""What an alert of a failed run says, and how it reaches real servers on the loopback interface."""

import json
import socketserver
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from http.server import HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from sigma_assets.automation.alerts import message, receivers
from sigma_assets.automation.alerts.message import alert_of
from sigma_assets.automation.alerts.receivers import mail, post
from sigma_assets.base.errors import AlertError, SettingsError, UncertainAlertError
from sigma_assets.runs import history
from sigma_assets.runs.covers import runs
from sigma_assets.runs.failed_checks import FailedCheck
from sigma_assets_tests.automation.receivers import Dripping, MailServer, Webhook, certificate, served
from sigma_assets_tests.automation.world import World, lots

LAST = date(2026, 1, 8)
ALERT = {
    "run_id": "0123456789",
    "text": "nightly run failed: disk full",
    "url": "http://127.0.0.1:3000/runs/0123456789",
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dg.DagsterRun]]:
    world = World(tmp_path_factory.mktemp("alerts") / "home", f"simulated:last={LAST}")
    world.add("unlucky", lots({"AAPL": 10}, LAST), LAST)
    with world.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON portfolio_snapshots BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    (run,) = world.launch(world.tick("onboarding"))
    yield world, run
    world.close()


def test_a_failed_run_is_posted_with_asset_cause_and_progress(failed):
    world, run = failed
    with served(HTTPServer(("127.0.0.1", 0), Webhook)) as port:
        post(f"http://127.0.0.1:{port}/hook", alert_of(world.instance, run.run_id, world.settings))

    (told,) = Webhook.received
    (failure,) = told["failures"]
    assert (failure["asset"], failure["type"]) == ("portfolio_snapshots", "StorageError")
    assert "disk full" in failure["message"]
    assert told["text"].startswith("onboarding run of unlucky, 2026-01-08 to 2026-01-08, failed: ")
    assert told["cells_done"] == 11, "what does not depend on snapshots is there"
    assert told["url"].endswith(run.run_id)


def test_a_failed_run_is_mailed(failed):
    world, run = failed
    with served(socketserver.TCPServer(("127.0.0.1", 0), MailServer)) as port:
        alert = alert_of(world.instance, run.run_id, world.settings)
        mail(f"smtp://127.0.0.1:{port}", "risk@example.org", alert)

    (message,) = MailServer.received
    assert f"Subject: sigma_assets: run {run.run_id[:8]} failed" in message
    assert "disk full" in message


def test_a_webhook_that_refuses_or_is_down_is_an_error_without_its_address(failed):
    """The path of a webhook's address is its secret."""
    world, run = failed
    refusing = type("Refusing", (Webhook,), {"answer": 503, "received": []})
    alert = alert_of(world.instance, run.run_id, world.settings)

    answers = pytest.raises(AlertError, match=r"^the webhook at 127\.0\.0\.1 answers 503 Service Unavailable$")
    with served(HTTPServer(("127.0.0.1", 0), refusing)) as port, answers:
        post(f"http://127.0.0.1:{port}/hook/open-sesame", alert)
    with pytest.raises(AlertError, match=r"^the webhook at 127\.0\.0\.1 cannot be reached: ConnectionError$"):
        post(f"http://127.0.0.1:{port}/hook/open-sesame", alert)


def test_a_mail_server_address_that_is_none_is_a_settings_error(failed):
    world, run = failed

    with pytest.raises(SettingsError, match="SIGMA_SMTP_URL"):
        mail("mailto:me", "risk@example.org", alert_of(world.instance, run.run_id, replace(world.settings)))


def test_only_what_lies_behind_the_failure_is_missing(failed):
    world, _ = failed

    done = {asset for asset, _ in world.times_materialized()}

    assert "position_values" in done
    assert "portfolio_snapshots" not in done


def test_a_webhook_that_redirects_gets_the_alert_and_nobody_else_does():
    elsewhere = type("Elsewhere", (Webhook,), {"received": []})
    with served(HTTPServer(("127.0.0.1", 0), elsewhere)) as other:
        location = f"http://127.0.0.1:{other}/collect"
        for code in (301, 302, 307, 308):
            moved = type("Moved", (Webhook,), {"answer": code, "location": location, "received": []})
            refused = pytest.raises(AlertError, match=rf"^the webhook at 127\.0\.0\.1 redirects \({code}\)")
            with served(HTTPServer(("127.0.0.1", 0), moved)) as port, refused:
                post(f"http://127.0.0.1:{port}/hook", ALERT)

    assert elsewhere.received == []


def test_a_receiver_that_drips_bytes_ends_after_a_total_time(monkeypatch):
    """Each byte comes within the timeout of a socket; the whole answer never comes."""
    monkeypatch.setattr(receivers, "TOTAL_SECONDS", 3)

    slow_mail = type("SlowMail", (Dripping,), {"head": b"220-"})
    ended = pytest.raises(AlertError, match=r"^the webhook at 127\.0\.0\.1 did not take the alert within 3 s$")
    with served(QuietServer(("127.0.0.1", 0), Dripping)) as port, ended:
        post(f"http://127.0.0.1:{port}/hook/open-sesame", ALERT)
    ended = pytest.raises(AlertError, match=r"^the mail server at 127\.0\.0\.1 did not take the alert within 3 s$")
    with served(QuietServer(("127.0.0.1", 0), slow_mail)) as port, ended:
        mail(f"smtp://127.0.0.1:{port}", "risk@example.org", ALERT)


@pytest.mark.parametrize("farewell", [b"502 what?\r\n", b"421 busy\r\n", b""])
def test_a_mail_that_was_taken_is_taken_whatever_the_server_says_to_the_farewell(farewell: bytes):
    """It was sent again at every tick for a week."""
    rude = type("Rude", (MailServer,), {"received": [], "answers": {"QUIT": farewell}})

    with served(QuietServer(("127.0.0.1", 0), rude)) as port:
        mail(f"smtp://127.0.0.1:{port}", "risk@example.org", ALERT)

    assert len(rude.received) == 1


def test_a_server_that_may_have_taken_an_alert_is_told_from_one_that_has_not():
    """Each time the alert has the same name, by which a receiver knows that it has it."""
    cut = type("Cut", (MailServer,), {"received": [], "answers": {"END": b""}})
    refusing = type("Refusing", (MailServer,), {"received": [], "answers": {"RCPT": b"550 nobody here\r\n"}})
    failing = type("Failing", (Webhook,), {"received": [], "names": [], "answer": 504})

    with served(QuietServer(("127.0.0.1", 0), cut)) as port:
        for _ in range(2):
            with pytest.raises(UncertainAlertError, match="did not say whether it took the alert"):
                mail(f"smtp://127.0.0.1:{port}", "risk@example.org", ALERT)
    with (
        served(QuietServer(("127.0.0.1", 0), refusing)) as port,
        pytest.raises(AlertError, match="nobody here") as told,
    ):
        mail(f"smtp://127.0.0.1:{port}", "risk@example.org", ALERT)
    with served(HTTPServer(("127.0.0.1", 0), failing)) as port:
        for _ in range(2):
            with pytest.raises(UncertainAlertError, match="answers 504"):
                post(f"http://127.0.0.1:{port}/hook", ALERT)

    assert not isinstance(told.value, UncertainAlertError)
    assert failing.names == [ALERT["run_id"]] * 2
    names = [line for message in cut.received for line in message.splitlines() if line.startswith("Message-ID")]
    assert names == [f"Message-ID: <{ALERT['run_id']}@example.org>"] * 2


def test_an_alert_of_a_run_of_thousands_is_small(failed):
    """Chat services refuse a message of more than some 28 kB: the next alerts would wait behind it for a week."""
    world, run = failed
    many = [f"{number:08d}-1111-2222-3333-444444444444" for number in range(3_000)]
    story = history.story_of(world.instance, world.tables.roster(), run.run_id, world.settings.calendar)
    assert story is not None
    (asset, kind, _), *_ = story.failures
    check = FailedCheck("risk", "computed", many[0], "one of many", str(LAST), str(LAST), 3, "y" * 100_000)
    large = replace(
        story, cover=replace(story.cover, portfolio_ids=tuple(many)), failures=((asset, kind, "x" * 100_000),) * 12
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(message, "story_of", lambda *_: large)
        patched.setattr(message, "failed_checks_of", lambda *_: [check] * 500)
        alert = alert_of(world.instance, run.run_id, world.settings)

    assert len(json.dumps(alert)) < 28_000
    assert (alert["portfolio_count"], alert["check_count"]) == (3_000, 500)
    assert "and 2,997 more" in str(alert["text"])


def test_a_failed_run_of_somebody_elses_job_is_told_as_one_that_is_not_ours(failed):
    """Its partitions are no sessions, which kept every later alert back."""
    world, _ = failed
    run = create_run_for_test(world.instance, job_name="theirs", tags={"dagster/partition": "EU"})
    world.instance.report_run_failed(run)

    alert = alert_of(world.instance, run.run_id, world.settings)

    assert alert["text"] == f"run {run.run_id} failed"
    assert "theirs" not in {cover.job for cover in runs(world.instance, world.tables.roster())}


@pytest.fixture(scope="module")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_mail_goes_to_a_server_whose_certificate_is_trusted_and_to_no_other(
    server_certificate, monkeypatch, scheme: str, is_trusted: bool
):
    """Both ways of TLS: from the start (465), and after STARTTLS; the password goes to a verified server alone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_certificate)
    kept = {"received": [], "logins": [], "context": context, "implicit_tls": scheme == "smtps"}
    verified = type("Verified", (MailServer,), kept)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(server_certificate))
    else:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    with served(QuietServer(("127.0.0.1", 0), verified)) as port:
        address = f"{scheme}://robot:open%20sesame@127.0.0.1:{port}"
        if is_trusted:
            mail(address, "risk@example.org", ALERT)
        else:
            with pytest.raises(AlertError, match=r"certificate that cannot be verified: self.signed certificate"):
                mail(address, "risk@example.org", ALERT)

    assert len(verified.received) == len(verified.logins) == is_trusted
    assert all("disk full" in message for message in verified.received)


class QuietServer(socketserver.ThreadingTCPServer):
    """A server that a client may leave in the middle of a handshake."""

    def handle_error(self, request, client_address) -> None:
        """Say nothing."""
