"""The HTTP face: what is wrong with a request is said, and nothing that comes in goes out as anything but text."""

import pytest
import sqlalchemy as sa

from sigma_assets.storage.schema import portfolios
from sigma_assets_tests.web.pipeline import TROUBLE, complete

STATUS = "/api/v1/onboarding/status"
SCRIPT = '</script><script>alert("name")</script>'


@pytest.mark.parametrize("bad", ["a" * 65, "a" * 10_000, "a|b", "a b", "%00", "%0d%0aSet-Cookie:x", "é", "..", "a%2Fb"])
def test_a_bad_id_is_refused_with_the_reason(embedded, bad):
    """422 from the pattern of ids, or 404 where the path has become another one."""
    answer = embedded.client().get(f"{STATUS}/{bad}")

    assert answer.status_code in (404, 422)
    assert answer.json()["detail"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{STATUS}/P1?debugg=true", "debugg"),
        (f"{STATUS}/P1?debug=perhaps", "debug"),
        (f"{STATUS}/P1/logs?format=exe", "format"),
        ("/api/v1/portfolios?limit=100000", "limit"),
        ("/api/v1/portfolios?offset=-1", "offset"),
        ("/healthz?verbose=1", "verbose"),
    ],
)
def test_a_parameter_that_is_unknown_or_unusable_is_named(embedded, path, name):
    """Nothing is silently ignored."""
    embedded.add_portfolio("P1")

    answer = embedded.client().get(path)

    assert answer.status_code == 422
    assert name in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/settings.py",
        "/static//etc/passwd",
        "/static/....//app.py",
        "/onboarding/../../etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_static_files(embedded, path):
    """Names are looked up, never joined to a path."""
    answer = embedded.client().get(path)

    assert answer.status_code == 404
    assert answer.json() == {"detail": answer.json()["detail"]}


def test_a_script_in_a_name_or_an_error_stays_text_in_json(embedded):
    """JSON says what it is, nothing sniffs it, and no page holds data."""
    embedded.add_portfolio("P1", name=SCRIPT)
    complete(embedded.instance, ["P1"], fail="price_coverage")
    client = embedded.client()

    status, page = client.get(f"{STATUS}/P1"), client.get("/onboarding/P1")

    assert status.json()["name"] == SCRIPT
    assert TROUBLE in status.json()["errors"][0]["message"]
    assert status.headers["content-type"] == "application/json"
    assert status.headers["x-content-type-options"] == "nosniff"
    assert "P1" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


def test_a_download_is_named_after_the_portfolio_and_nothing_else(embedded):
    """A name with quotes or line ends never reaches a header."""
    embedded.add_portfolio("P1", name='x"\r\nX-Evil: 1')

    answer = embedded.client().get(f"{STATUS}/P1/logs?format=json")

    assert answer.headers["content-disposition"] == 'attachment; filename="onboarding-P1.json"'
    assert "x-evil" not in answer.headers
    assert answer.json() == []


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer ", "Basic c2VjcmV0", "Bearer sécret".encode()])
def test_without_the_token_nothing_is_told(embedded, given):
    """Neither whether a portfolio exists nor which."""
    embedded.add_portfolio("P1")
    client = embedded.client(status_token="s3cret")
    headers = {"Authorization": given} if given else {}

    for path in (f"{STATUS}/P1", f"{STATUS}/P1/logs", f"{STATUS}/nobody", "/api/v1/portfolios"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json()["detail"]


def test_with_the_token_everything_is_told(embedded):
    """And pages and health need none: they hold no data."""
    embedded.add_portfolio("P1")
    client = embedded.client(status_token="s3cret")

    assert client.get(f"{STATUS}/P1", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    assert client.get("/").status_code == 200
    assert client.get("/healthz").status_code == 503


@pytest.mark.parametrize("path", ["/", "/healthz", "/onboarding/P1", "/portfolio/P1", "/static/app.css"])
def test_a_monitor_may_ask_for_the_head_alone(embedded, path):
    """As `curl -I` and many services that watch a site do."""
    embedded.add_portfolio("P1")
    client = embedded.client()

    head, whole = client.head(path), client.get(path)

    assert (head.status_code, head.headers["content-type"]) == (whole.status_code, whole.headers["content-type"])
    assert whole.content


def test_nothing_but_reading_is_offered(embedded):
    """Other methods are refused in JSON, and a request changes no row."""
    embedded.add_portfolio("P1")
    client = embedded.client()

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, f"{STATUS}/P1")
        assert answer.status_code == 405
        assert answer.json()["detail"]
    with embedded.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(portfolios)).scalar_one() == 1


def test_a_database_that_is_away_is_a_503_and_comes_back(embedded, tmp_path):
    """The file of our tables is moved away and back."""
    embedded.add_portfolio("P1")
    client = embedded.client()
    assert client.get(f"{STATUS}/P1").status_code == 200
    file = tmp_path / "sigma.sqlite"
    away = client.app.state.queries.database
    embedded.database.dispose()
    away.dispose()
    content = file.read_bytes()
    file.write_bytes(b"this is no database")

    answer = client.get(f"{STATUS}/P1")

    assert answer.status_code == 503
    assert "healthz" in answer.json()["detail"]
    away.dispose()
    file.write_bytes(content)
    assert client.get(f"{STATUS}/P1").status_code == 200


def test_files_are_not_sent_again_to_who_has_them(embedded):
    """By their ETag."""
    client = embedded.client()
    first = client.get("/static/app.css")

    again = client.get("/static/app.css", headers={"If-None-Match": first.headers["etag"]})

    assert first.status_code == 200
    assert again.status_code == 304
    assert again.content == b""
