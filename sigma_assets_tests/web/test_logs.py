"""The log that people read: what is left out, what is masked, and that a download has the whole of it."""

import json
import logging
from datetime import date

import pytest

from sigma_assets.base.tokens import portfolio_token
from sigma_assets.web.logs import LogLine, readable
from sigma_assets_tests.web.pipeline import SESSIONS, complete

STATUS, TOKEN = "/api/v1/onboarding/status", "the-token-of-the-operator"


def _line(message: str, level: int = logging.INFO, step: str | None = "betas") -> LogLine:
    return LogLine(0.0, level, "run", step, message)


@pytest.mark.parametrize(
    "noise",
    [
        "authenticated as service user",
        "Authentication succeeded",
        "using bearer credentials",
        "opened database session 7",
        "SQLAlchemy session closed",
        "connection pool has 3 idle",
        "BEGIN (implicit)",
        "COMMIT",
        "health check passed",
        "GET /healthz 200",
        'HTTP Request: GET https://api.massive.com/v2/aggs "HTTP/1.1 200 OK"',
        'https://api.massive.com:443 "GET /v2/aggs HTTP/1.1" 200 None',
        "Starting new HTTPS connection (1): api.massive.com:443",
    ],
)
def test_noise_is_left_out(noise):
    """Authentication, database sessions, health checks, routine HTTP requests."""
    assert list(readable([_line(noise)])) == []


@pytest.mark.parametrize(
    "fact",
    [
        "AAPL: 254 sessions in 0.3 s",
        "wrote 254 rows of portfolio_snapshots",
        "6 sessions, 2025-01-02 to 2025-01-10",
        'https://api.massive.com:443 "GET /v2/aggs HTTP/1.1" 429 None',
        'HTTP Request: GET https://api.massive.com/v2/aggs "HTTP/1.1 503 Service Unavailable"',
    ],
)
def test_facts_and_failing_requests_stay(fact):
    """A session of the exchange is no session of a database."""
    assert [line.message for line in readable([_line(fact)])] == [fact]


def test_warnings_and_errors_stay_whatever_they_are_about():
    """A refused key is why the run failed."""
    refused = _line("authentication refused by the provider", logging.ERROR)

    assert list(readable([refused])) == [refused]


def test_a_line_that_repeats_the_one_before_is_left_out():
    """Also where noise stood between; the same words of another step are news."""
    lines = [_line("a"), _line("a"), _line("COMMIT"), _line("a"), _line("b"), _line("a"), _line("a", step="volatility")]

    assert [(line.step, line.message) for line in readable(lines)] == [
        ("betas", "a"),
        ("betas", "b"),
        ("betas", "a"),
        ("volatility", "a"),
    ]


@pytest.mark.parametrize(
    ("told", "masked"),
    [
        ("asked https://x/v2?apiKey=abc123&limit=5", "asked https://x/v2?apiKey=***&limit=5"),
        ('{"token": "abc", "n": 1}', '{"token": "***", "n": 1}'),
        ("at postgresql://sigma:hunter2@db/sigma", "at postgresql://***@db/sigma"),
    ],
)
def test_secrets_are_masked(told, masked):
    """Whoever may see progress need not be one who may see keys."""
    assert [line.message for line in readable([_line(told)])] == [masked]


def test_a_download_has_the_logs_of_all_runs(world):
    """As text and as JSON, the same lines, oldest first; also while nothing is finished."""
    world.add_portfolio("P1")
    complete(world.instance, ["P1"], fail="betas")
    complete(world.instance, ["P1"], assets=["betas"])
    client = world.client()

    text = client.get("/api/v1/onboarding/status/P1/logs").text
    entries = client.get("/api/v1/onboarding/status/P1/logs?format=json").json()

    assert len({entry["run_id"] for entry in entries}) == 2
    assert [entry["timestamp"] for entry in entries] == sorted(entry["timestamp"] for entry in entries)
    assert next(line for line in text.splitlines() if "loaded" in line).endswith("INFO price_coverage: AAPL: loaded")
    assert "ValueError: the reason" in text
    assert sum("Materialized value betas" in entry["message"] for entry in entries) == 1
    assert len(entries) > 100 > SESSIONS


def test_the_log_on_the_page_has_every_line_for_readers_and_none_of_dagsters_plan(embedded):
    """Sixty sessions: each batch of materialisations is longer than what is read through. A check found something."""
    embedded.add_portfolio("P1")
    run_id = complete(embedded.instance, ["P1"], last=date(2025, 4, 1), retry="betas", warn="volatility")

    shown = embedded.status("P1", debug="true")["debug_logs"]
    whole = embedded.client().get("/api/v1/onboarding/status/P1/logs").text.splitlines()

    for words in (": loaded", "20 sessions in 0.3 s", "3 of 3"):
        assert [line for line in whole if words in line] == [line for line in shown if words in line] != []
    assert any("the first attempt fails" in line for line in shown)
    assert any("WARNING volatility: check complete: MSFT has no price" in line for line in shown)
    plan = (
        "intends to materialize",
        "Materialized value",
        "PIPELINE_",
        "Loaded input",
        "Handled output",
        "Yielded output",
    )
    assert [line for line in shown if any(words in line for words in plan)] == []
    assert any("intends to materialize" in line for line in whole), run_id


def test_the_owner_of_a_portfolio_reads_of_a_shared_run_nothing_that_may_be_about_another_one(embedded):
    """Findings, errors, details and the plan name portfolios and symbols; the operator reads them."""
    for portfolio in ("P1", "P2"):
        embedded.add_portfolio(portfolio, name=portfolio)
    complete(embedded.instance, ["P1", "P2"], fail="betas", retry="risk", warn="volatility")
    client = embedded.client(status_token=TOKEN)
    paths = (f"{STATUS}/P1", f"{STATUS}/P1?debug=true", f"{STATUS}/P1/logs", f"{STATUS}/P1/logs?format=json")

    def told(token: str) -> list[str]:
        return [client.get(path, headers={"Authorization": f"Bearer {token}"}).text for path in paths]

    about_others = ("P2", "MSFT", "the reason", "alert(1)", "the first attempt fails")
    status, debug, text, entries = told(portfolio_token(TOKEN, "P1"))
    assert [word for word in about_others for answer in (status, debug, text, entries) if word in answer] == []
    assert "an error in a run that computes other portfolios, too" in status
    assert {phase["status"] for phase in json.loads(status)["phases"]} == {"completed", "failed"}
    for log in (text, entries, *json.loads(debug)["debug_logs"][:1]):
        assert "this run computes 2 portfolios: what may be about others is left out" in log
    assert 'Execution of step \\"betas\\" failed' in debug
    assert [word for word in about_others[1:] if word not in told(TOKEN)[2]] == []


def test_the_owner_of_a_portfolio_reads_all_of_a_run_of_its_own(embedded):
    embedded.add_portfolio("P1")
    complete(embedded.instance, ["P1"], fail="betas", warn="volatility")
    client = embedded.client(status_token=TOKEN)

    both = [
        client.get(f"{STATUS}/P1/logs", headers={"Authorization": f"Bearer {token}"}).text
        for token in (TOKEN, portfolio_token(TOKEN, "P1"))
    ]

    assert both[0] == both[1]
    assert "ValueError: the reason" in both[1]
