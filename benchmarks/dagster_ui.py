"""How long the pages of Dagster's UI take at so many portfolios x 254 sessions: `python -m benchmarks.dagster_ui [1000]`.

A headless Chromium opens each page of a webserver on fresh SQLite storage (filled as by `planner_tick`), twice, and waits
until every query is answered; the first time, Dagster's cache of partition status is cold.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Request

from benchmarks.measuring import ROOT
from benchmarks.planner_tick import LAST, filled_home
from sigma_assets_tests.processes.deployment import free_port
from sigma_assets_tests.web.browser import open_browser

SESSIONS = 254
PAGES = {
    "catalog": "/assets",
    "lineage": "/asset-groups",
    "asset": "/assets/betas?view=overview",
    "partitions of an asset": "/assets/betas?view=partitions",
    "job": "/locations/sigma_assets/jobs/portfolios",
    "partitions of a job": "/locations/sigma_assets/jobs/portfolios/partitions",
    "runs": "/runs",
    "automation": "/automation",
}
PATIENCE, SETTLED = 180.0, 3.0
"""Seconds: after the last answer, a page may ask again within the second of them."""


def main() -> None:
    """Print one line per page."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        filled_home(Path(folder), count, SESSIONS)
        with _webserver(Path(folder)) as address, open_browser() as browser:
            for name, path in PAGES.items():
                first, again = (_seconds(browser, f"{address}{path}") for _ in range(2))
                _say(f"{name}: {first[0]:.1f} s, again {again[0]:.1f} s; slowest query {first[1]}")


@contextmanager
def _webserver(home: Path) -> Iterator[str]:
    port = free_port()
    settings = {
        "DAGSTER_HOME": str(home),
        "SIGMA_PRICES": f"simulated:last={LAST}",
        "SIGMA_FIRST_SESSION": "2024-01-02",
    }
    command = [sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml", "-p", str(port)]
    with (home / "webserver.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        while not _answers(address):
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(120)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/server_info", timeout=5.0).is_success
    except httpx.HTTPError:
        return False


def _seconds(browser: Browser, url: str) -> tuple[float, str]:
    """Return how long a page takes until all its queries are answered, and its slowest query with its seconds."""
    asked: dict[Request, float] = {}
    slowest, latest = (0.0, "none"), time.perf_counter()

    def on_request(request: Request) -> None:
        if "/graphql" in request.url:
            asked[request] = time.perf_counter()

    def on_end(request: Request) -> None:
        nonlocal slowest, latest
        if request in asked:
            latest = time.perf_counter()
            name = json.loads(request.post_data or "{}").get("operationName", "?")
            slowest = max(slowest, (latest - asked.pop(request), name))

    page = browser.new_page()
    page.on("request", on_request)
    page.on("requestfinished", on_end)
    page.on("requestfailed", on_end)
    started = time.perf_counter()
    page.goto(url)
    while time.perf_counter() < started + PATIENCE and (asked or time.perf_counter() < latest + SETTLED):
        page.wait_for_timeout(100)
    page.close()
    return latest - started, f"{slowest[1]} {slowest[0]:.1f} s"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
