"""A real server and a real browser for the tests of the pages."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from axe_playwright_python.base import AXE_SCRIPT
from fastapi import FastAPI
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from sigma_assets.web.app import SERVER_OPTIONS
from sigma_assets_tests.conftest import cannot_run

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str | None:
    """Return where a Chromium is: the one that SIGMA_TEST_CHROMIUM names, else one on PATH, else Playwright's own."""
    named = os.environ.get("SIGMA_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if named:
        return named
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.path.exists(own) else None


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Open a headless Chromium; skips where none can be had, but fails where CI=true."""
    path = chromium_path()
    if path is None:
        reason = "no Chromium: install one (apt-get install chromium), or set SIGMA_TEST_CHROMIUM"
        cannot_run(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(app: FastAPI, port: int) -> Iterator[str]:
    """Serve an application on a port of this machine; leaving stops it."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off", **SERVER_OPTIONS)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


class Site:
    """A served installation and what a page did on it."""

    def __init__(self, world, browser: Browser, base: str) -> None:
        self.world, self.browser, self.base = world, browser, base
        self.problems: list[str] = []
        self.asked: list[str] = []

    def open(self, path: str, **options) -> Page:
        """Open a page in a fresh profile, whose clock stands until it is moved."""
        page = self.browser.new_context(**options).new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        page.on("console", self._console)
        page.on("request", lambda request: self.asked.append(request.url))
        page.clock.install()
        page.goto(self.base + path)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)


def axe_findings(page: Page) -> list[dict]:
    """Return the violations that axe-core finds; its script is put into a page once, and all that is well stays there."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return page.evaluate("axe.run({resultTypes: ['violations']}).then((found) => found.violations)")


def next_poll(page: Page) -> None:
    """Let two seconds pass on the page's clock and wait for the answer that it asks for."""
    with page.expect_response("**/api/v1/onboarding/status/**"):
        page.clock.run_for(2_000)
