"""The numbers API gives what `export` writes, row by row, however it is read; and says what is wrong with a request."""

import io
import json
import re
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from markupsafe import escape
from playwright.sync_api import expect

from sigma_assets.base.tokens import portfolio_token
from sigma_assets.reports.explain.explanation import Explanation, explain
from sigma_assets.reports.explain.page import explain_link
from sigma_assets.reports.numbers import NAMES, json_text, table_of, tidy_blocks, tidy_rows
from sigma_assets.reports.words.table import Source, Which
from sigma_assets.settings import Settings
from sigma_assets.storage.schema import FAMILIES, outgoing_columns
from sigma_assets.web.app import create_app
from sigma_assets.web.numbers.router import ROWS
from sigma_assets_tests.reports.computed import FIRST, LAST, computed_world, disposed
from sigma_assets_tests.verification.world import World
from sigma_assets_tests.web.browser import Site, axe_findings, free_port, served

OPERATOR = "c2f1b6b0d1a84e5b9a7e3f60"
CSV, ARROW = "text/csv", "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Iterator[tuple[World, str]]:
    yield from disposed(computed_world(tmp_path_factory.mktemp("computed")))


@pytest.fixture(scope="module")
def world(computed) -> World:
    return computed[0]


@pytest.fixture(scope="module")
def key(computed) -> str:
    return computed[1]


@pytest.fixture(scope="module")
def client(world) -> TestClient:
    app = create_app(world.settings, world.instance, cache_seconds=0.0)
    return TestClient(app, base_url="http://127.0.0.1:3001", raise_server_exceptions=False)


def exported(world: World, key: str, table: str) -> list[dict]:
    """Return what `sigma-assets export TABLE --portfolio ID --format json` writes."""
    return json.loads(json_text(tidy_rows(world.tables.database, world.settings, table, (key,))))


@pytest.mark.parametrize("table", NAMES)
def test_every_table_is_what_export_writes(world, key, client, table):
    """Every digit, in JSON and in Arrow; in CSV the same rows. Each is as OpenAPI describes it: no column more or less."""
    rows = exported(world, key, table)
    path = f"/api/v1/portfolios/{key}/{table}"

    plain, arrow, text = (client.get(path, headers={"Accept": each}) for each in ("*/*", ARROW, CSV))

    assert len(rows) > 0
    assert plain.json() == rows
    assert all(ROWS[table_of(table)].model_validate(row).model_fields_set == set(rows[0]) for row in rows[:100])
    names = [field.name for field in pa.ipc.open_stream(arrow.content).schema]
    read = pa.ipc.open_stream(arrow.content).read_all().to_pylist()
    assert [_plain(row) for row in read] == [{name: row[name] for name in names} for row in rows]
    assert list(pd.read_csv(io.StringIO(text.text)).columns) == list(rows[0])
    assert len(pd.read_csv(io.StringIO(text.text))) == len(rows)


def _plain(row: dict) -> dict:
    forms = {name: value.isoformat() for name, value in row.items() if hasattr(value, "isoformat")}
    moments = {
        name: re.sub(r"(:\d\d)(\+00:00)$", r"\1.000000\2", form) for name, form in forms.items() if len(form) > 10
    }
    return row | forms | moments


@pytest.mark.parametrize("table", ["market_prices", "factor_exposures_by_position", "stress_tests_by_position"])
def test_blocks_of_any_size_are_the_same_rows(world, key, table):
    """What is read in blocks, so that memory does not grow with the history, adds up to what is read at once."""
    whole = tidy_rows(world.tables.database, world.settings, table, (key,))

    blocks = list(tidy_blocks(world.tables.database, world.settings, table, key, block_rows=40))

    assert len(blocks) > 1
    assert max(len(block) for block in blocks) < 10 * 40
    pd.testing.assert_frame_equal(pd.concat([block for block in blocks if len(block)], ignore_index=True), whole)


def test_pages_lead_from_one_to_the_next_and_lose_no_row(world, key, client):
    path, pages = f"/api/v1/portfolios/{key}/position_values?limit=7", []
    while path:
        answer = client.get(path)
        pages.append(answer.json())
        path = (re.findall(r"<(.*)>; rel=\"next\"", answer.headers.get("Link", "")) or [""])[0]

    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
    assert [row for page in pages for row in page] == exported(world, key, "position_values")


def test_sessions_and_symbols_can_be_chosen(world, key, client):
    base = f"/api/v1/portfolios/{key}"
    rows = exported(world, key, "position_values")

    chosen = client.get(f"{base}/position_values", params={"start": "2024-03-13", "symbol": ["AAPL", "JPM"]}).json()
    pairs = client.get(f"{base}/correlations_by_pair", params={"symbol": "SPY", "end": "2024-03-11"}).json()
    nothing = client.get(f"{base}/position_values", params={"start": "2030-01-02"})

    assert chosen == [row for row in rows if row["session"] >= "2024-03-13" and row["symbol"] in ("AAPL", "JPM")]
    assert {"SPY"} == set.intersection(*({row["symbol"], row["other_symbol"]} for row in pairs))
    assert {row["session"] for row in pairs} == {FIRST.isoformat()}
    assert (nothing.status_code, nothing.json()) == (200, [])


def test_every_symbol_that_a_row_names_can_be_asked_for(world, key, client):
    """Cash and private holdings as well: "this portfolio never held CASH_USD" was said of one that did."""
    rows = exported(world, key, "position_values")
    symbols = {row["symbol"] for row in rows}

    answers = {
        symbol: client.get(f"/api/v1/portfolios/{key}/position_values", params={"symbol": symbol}) for symbol in symbols
    }

    assert {"CASH_USD", "FUND_ONE", "AAPL240621C00190000"} <= symbols
    for symbol, answer in answers.items():
        assert answer.json() == [row for row in rows if row["symbol"] == symbol], symbol


@pytest.mark.parametrize(
    ("path", "accept", "code", "said"),
    [
        ("KEY/explain/portfolio_snapshots/equity?symbol=AAPL", "*/*", 404, "portfolio_snapshots has no column symbol"),
        ("KEY/explain/betas_by_portfolio/market_beta?lot=7", "*/*", 404, "betas_by_portfolio has no column lot_id"),
        ("KEY/explain/performance/alpha?cluster=1", "*/*", 404, "performance has no column cluster"),
        ("nobody/performance", "*/*", 404, "no portfolio has this id"),
        ("KEY/prices", "*/*", 404, "there is no table 'prices'; there are market_prices"),
        ("KEY/performance?start=2024-03-15&end=2024-03-14", "*/*", 422, "2024-03-14 is before start 2024-03-15"),
        ("KEY/performance?start=15.03.2024", "*/*", 422, "expected a day as YYYY-MM-DD"),
        ("KEY/performance?begin=2024-03-15", "*/*", 422, "begin"),
        ("KEY/performance?limit=0", "*/*", 422, "limit"),
        ("KEY/performance?symbol=AAPL", "*/*", 422, "performance has no column symbol"),
        ("KEY/position_values?symbol=TSLA", "*/*", 404, "about TSLA; its symbols are AAPL"),
        ("KEY/performance", "text/html", 406, "there are application/json, text/csv, application/vnd.apache.arrow"),
        ("KEY/performance", "text/csv;q=0, application/json;q=0", 406, "there is no such format"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(key, client, path, accept, code, said):
    answer = client.get(f"/api/v1/portfolios/{path.replace('KEY', key)}", headers={"Accept": accept})

    assert answer.status_code == code
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv", CSV),
        (f"application/*;q=0.2, {ARROW};q=0.9", ARROW),
    ],
)
def test_the_preferred_format_is_given(key, client, accept, given):
    answer = client.get(f"/api/v1/portfolios/{key}/performance", headers={"Accept": accept} if accept else {})

    assert answer.headers["Content-Type"].split(";")[0] == given


def test_an_owners_token_opens_the_own_numbers_and_no_others(world, key):
    app = create_app(Settings(**vars(world.settings) | {"status_token": OPERATOR}), world.instance)
    client = TestClient(app, base_url="http://127.0.0.1:3001")
    mine = {"Authorization": f"Bearer {portfolio_token(OPERATOR, key)}"}
    others = {"Authorization": f"Bearer {portfolio_token(OPERATOR, 'another')}"}
    path = f"/api/v1/portfolios/{key}/performance"

    assert client.get(path, headers=mine).status_code == 200
    assert client.get(path).status_code == 401
    denied, unknown = (client.get(each, headers=others) for each in (path, path.replace(key, "nobody")))
    assert (denied.status_code, unknown.status_code) == (404, 404)
    assert denied.json() == unknown.json() | {"portfolio_id": key}


def test_openapi_has_every_column_with_its_meaning(client):
    """From the schema's comments, which are the only place where a column is described."""
    described = client.get("/openapi.json").json()
    path = described["paths"]["/api/v1/portfolios/{portfolio_id}/{table}"]["get"]
    items = path["responses"]["200"]["content"]["application/json"]["schema"]["items"]["anyOf"]
    models = {item["$ref"].rpartition("/")[2] for item in items}

    assert set(path["parameters"][1]["schema"]["enum"]) == set(NAMES)
    assert len(models) == len({table_of(name) for name in NAMES}) > len(FAMILIES)
    performance = described["components"]["schemas"]["PerformanceRow"]["properties"]
    for column in outgoing_columns("performance"):
        assert performance[column.name]["description"] == column.comment
    assert LAST.isoformat() not in json.dumps(described)


def test_an_explanation_by_http_is_that_of_the_command(world, key, client):
    path = f"/api/v1/portfolios/{key}/explain"
    which = Which(LAST, ("AAPL",), "size")
    found = explain(world.tables.database, world.settings, world.instance, key, "symbol_factors", "size_beta", which)

    answer = client.get(
        f"{path}/symbol_factors/beta", params={"symbol": "AAPL", "factor": "size", "session": str(LAST)}
    )

    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(found.as_dict()))
    assert Explanation.__dataclass_fields__.keys() == answer.json().keys()


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("nobody/explain/performance/beta", 404, "no portfolio has this id"),
        ("KEY/explain/prices/beta", 404, "there is no table 'prices'"),
        ("KEY/explain/performance/luck", 404, "performance has no number 'luck'"),
        ("KEY/explain/performance/beta?session=2024-03-09", 404, "no row of 2024-03-09"),
        ("KEY/explain/performance/beta?day=2024-03-11", 422, "day"),
        ("KEY/explain/performance/beta?symbol=%3Cb%3E", 422, "symbol"),
    ],
)
def test_what_cannot_be_explained_is_said(key, client, path, code, said):
    answer = client.get(f"/api/v1/portfolios/{path.replace('KEY', key)}")

    assert answer.status_code == code
    assert said in answer.json()["detail"]


def test_a_link_leads_to_the_explanation_as_a_page(key, client):
    """The same data, escaped, under the policy of all pages: no script and no style of its own."""
    link = explain_link(key, Source("betas", "market_beta"), LAST)
    found = client.get(f"/api/v1{link.replace('/portfolio/', '/portfolios/')}").json()

    page = client.get(link)

    assert page.status_code == 200
    assert repr(found["value"]) in page.text
    assert escape(found["filled"]) in page.text
    assert found["written"]["run_url"] in page.text
    assert found["verdict"] in page.text
    assert "Growth &amp; more" in page.text
    assert "<script" not in page.text
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert client.get(link.replace("market_beta", "luck")).status_code == 404
    assert client.get(explain_link("nobody", Source("betas", "market_beta"), LAST)).status_code == 404


def test_with_a_token_the_page_of_an_explanation_holds_no_data(world, key):
    app = create_app(Settings(**vars(world.settings) | {"status_token": OPERATOR}), world.instance)
    client = TestClient(app, base_url="http://127.0.0.1:3001")

    known, unknown = (client.get(explain_link(each, Source("betas", "market_beta"), LAST)) for each in (key, "nobody"))

    assert known.text == unknown.text
    assert "Growth" not in known.text
    assert client.get(f"/api/v1/portfolios/{key}/explain/betas/market_beta").status_code == 401


@pytest.mark.parametrize("token", ["", OPERATOR], ids=["open", "token"])
def test_the_page_is_accessible_and_keeps_to_the_policy(world, key, browser, token):
    """In a browser, on a phone: with a token the script brings the same page; a number that is not there says so."""
    settings = Settings(**vars(world.settings) | {"status_token": token})
    link = explain_link(key, Source("position_values", "market_value", Which(symbols=("SPY",))), LAST)
    with served(create_app(settings, world.instance), free_port()) as base:
        site = Site(world, browser, base)
        page = site.open(f"{link}#token={token}", viewport={"width": 375, "height": 800}, color_scheme="dark")
        expect(page.get_by_role("heading", level=1)).to_contain_text("market_value:")
        expect(page.get_by_role("heading", name="Made of")).to_be_visible()
        expect(page.get_by_text("equal to the last bit")).to_be_visible()
        findings = axe_findings(page)
        assert page.locator(".facts").evaluate("e => e.scrollWidth <= e.clientWidth")
        assert [item["id"] for item in findings if item["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert site.problems == []

        page.goto(base + link.replace("SPY", "TSLA"))

        expect(page.get_by_text("no row of TSLA")).to_be_visible()
        page.context.close()
