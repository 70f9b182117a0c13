"""The guard in front of Dagster's webserver: its own pages and programs get through, pages of other origins do not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from sigma_assets.settings import read_settings
from sigma_assets.web.access import dagster_ui

MUTATION = 'mutation { setConcurrencyLimit(concurrencyKey: "evil", limit: 7) }'
QUERY = "{ version }"
UI = "http://127.0.0.1:3000"
SETTINGS = {"SIGMA_DAGSTER_URL": "https://dagster.example", "SIGMA_DAGSTER_REQUEST_URL": "http://webserver:3000"}


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, dg.DagsterInstance]]:
    """Return Dagster's real webserver as we start it, with an instance of its own."""
    from dagster_webserver import app as dagster_app  # here: it takes a second in each process that collects the tests

    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as instance:
        context = WorkspaceProcessContext(instance, workspace_load_target=EmptyWorkspaceTarget())
        with context, pytest.MonkeyPatch.context() as patch:
            patch.setattr(dagster_app, "DagsterWebserver", dagster_ui.GuardedWebserver)
            patch.setattr(dagster_ui, "settings", lambda: read_settings(SETTINGS))
            app = dagster_app.create_app_from_workspace_process_context(context)
            yield TestClient(app, base_url=UI), instance


def limits(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.event_log_storage.get_concurrency_keys())


def test_the_uis_own_pages_and_programs_without_an_origin_get_through(webserver):
    client, instance = webserver

    for headers in ({"Origin": UI, "Sec-Fetch-Site": "same-origin"}, {}):
        answer = client.post("/graphql", json={"query": QUERY}, headers=headers)
        assert "version" in answer.json()["data"]
    assert "evil" not in limits(instance)
    client.post("/graphql", json={"query": MUTATION})
    assert limits(instance) == {"evil"}, "the mutation of the other tests is one that works"
    instance.event_log_storage.delete_concurrency_limit("evil")
    assert client.get("/graphql", headers={"Accept": "text/html"}).status_code == 200
    assert client.get("/server_info").status_code == 200


@pytest.mark.parametrize("host", ["dagster.example", "webserver:3000", "localhost:3000"])
def test_it_answers_to_the_names_of_links_and_of_requests(webserver, host):
    """In containers an import asks for its run at http://webserver:3000, while links name the proxy."""
    client, _ = webserver

    answer = client.post("/graphql", json={"query": QUERY}, headers={"Host": host})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql"])
@pytest.mark.parametrize("headers", [{}, {"Accept": "text/html"}, {"Content-Type": "application/json"}])
def test_no_mutation_comes_in_an_address(webserver, method, path, headers):
    """One image on any page would do: `<img src="http://127.0.0.1:3000/graphql?query=mutation...">`."""
    client, instance = webserver

    client.request(method, path, params={"query": MUTATION}, headers=headers)

    assert limits(instance) == set()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1.evil.example:3000"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example:3000", "Origin": "http://evil.example:3000"},
        {"Host": "evil.example"},
    ],
)
def test_no_page_of_another_origin_gives_orders(webserver, headers):
    """By a form (no preflight), by fetch, or after its name was made to mean 127.0.0.1."""
    client, instance = webserver

    in_body = client.post(
        "/graphql", content=json.dumps({"query": MUTATION}), headers=headers | {"Content-Type": "application/json"}
    )
    as_form = client.post("/graphql", params={"query": MUTATION}, headers=headers)
    report = client.post("/report_asset_materialization/market_prices", headers=headers)

    assert (in_body.status_code, as_form.status_code, report.status_code) == (403, 403, 403)
    assert limits(instance) == set()


def test_no_page_of_another_origin_opens_a_websocket(webserver):
    client, _ = webserver

    with client.websocket_connect("/graphql", headers={"Origin": UI, "Host": "127.0.0.1:3000"}):
        pass
    for headers in ({"Origin": "http://evil.example", "Host": "127.0.0.1:3000"}, {"Host": "evil.example"}):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/graphql", headers=headers):
            pass


def test_the_program_takes_the_options_of_dagsters_own():
    program = [sys.executable, "-m", "sigma_assets.web.access.dagster_ui", "--help"]
    answer = subprocess.run(program, capture_output=True, text=True, check=False, env=dict(os.environ))

    assert answer.returncode == 0, answer.stderr
    assert "--workspace" in answer.stdout
