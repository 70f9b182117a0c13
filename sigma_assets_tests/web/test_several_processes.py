"""The status server as several processes that share a port: all answer, one that dies is replaced, one signal ends all."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from dagster import DagsterInvalidConfigError

from sigma_assets.settings import read_settings
from sigma_assets.web.app import serve
from sigma_assets_tests.web.browser import free_port

SERVE = "from sigma_assets.settings import settings; from sigma_assets.web.app import serve; serve(settings())"
PATIENCE = 240


@pytest.fixture
def server(embedded) -> Iterator[tuple[subprocess.Popen, str]]:
    embedded.add_portfolio("P1")
    port = free_port()
    configured = {
        "DAGSTER_HOME": str(embedded.home),
        "SIGMA_DATABASE_URL": embedded.settings.database,
        "SIGMA_STATUS_PORT": str(port),
        "SIGMA_STATUS_PROCESSES": "2",
    }
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=os.environ | configured)
    yield process, f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def children(process: subprocess.Popen) -> set[int]:
    """Return the serving processes: not those that only keep track of others."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(pid) for pid in listed if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()}


def until(holds, what: str):
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError(what)


def answers(base: str) -> bool:
    try:
        # verify=False: without it httpx reads all certificates of the world each time
        answer = httpx.get(f"{base}/api/v1/onboarding/status/P1", timeout=60, verify=False)
        return answer.json()["status"] == "pending"
    except httpx.TransportError:
        return False


def test_two_processes_serve_one_port_and_end_together(server):
    process, base = server
    until(lambda: answers(base), "the server answers")
    first = until(lambda: pair if len(pair := children(process)) == 2 else None, "there are two processes")

    os.kill(min(first), signal.SIGKILL)
    second = until(lambda: pair if len(pair := children(process)) == 2 and pair != first else None, "it is replaced")
    until(lambda: answers(base), "the server answers again")
    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE) is not None
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in first | second), "nothing is left behind")


def test_no_process_survives_the_one_that_was_killed(server):
    """They kept the port, so that no new server could start."""
    process, base = server
    until(lambda: answers(base), "the server answers")
    serving = until(lambda: pair if len(pair := children(process)) == 2 else None, "there are two processes")

    process.kill()

    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in serving), "nothing is left behind")


def test_what_one_process_could_not_start_several_do_not_try_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The port would be taken, each request wait, and the log fill with the ends of processes."""
    (tmp_path / "dagster.yaml").write_text("storage: {nothing_that_dagster_knows: 1}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(uvicorn, "run", lambda *_, **__: pytest.fail("it was started"))
    configured = read_settings({"DAGSTER_HOME": str(tmp_path), "SIGMA_STATUS_PROCESSES": "2"})

    with pytest.raises(DagsterInvalidConfigError):
        serve(configured)
