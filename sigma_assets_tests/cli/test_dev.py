"""`sigma-assets dev`: everything comes up with one command and goes down with one signal."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from sigma_assets.cli import servers
from sigma_assets.cli.main import cli
from sigma_assets.settings import read_settings, settings

pytestmark = pytest.mark.waits

PATIENCE = 120


@pytest.fixture
def ports() -> list[int]:
    return _free_ports()


def _free_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    numbers = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return numbers


@pytest.fixture
def dev(tmp_path: Path, ports: list[int]) -> Iterator[subprocess.Popen]:
    """`sigma-assets dev` as a shell's `&` starts it: with SIGINT ignored, which Dagster's code server cannot bear."""
    code_server, webserver, status = ports
    environment = os.environ | {
        "DAGSTER_HOME": str(tmp_path),
        "SIGMA_DAGSTER_URL": f"http://127.0.0.1:{webserver}",
        "SIGMA_STATUS_PORT": str(status),
    }
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (tmp_path / "dev.log").open("wb") as log:
        command = [sys.executable, "-m", "sigma_assets.cli.main", "dev", "--code-server-port", str(code_server)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    signal.signal(signal.SIGINT, before)
    yield process
    process.kill()
    process.wait()
    for child in _children_of(tmp_path):
        os.kill(child, signal.SIGKILL)


def test_one_command_starts_everything_and_one_signal_stops_it(
    dev: subprocess.Popen, ports: list[int], tmp_path: Path
) -> None:
    _until(lambda: _has_code(f"http://127.0.0.1:{ports[1]}/graphql"), "the webserver has the code server's assets")
    _until(lambda: _answers(f"http://127.0.0.1:{ports[2]}/"), "the status server answers")
    assert len(_children_of(tmp_path)) >= 5
    _until(lambda: _sensors_looked(f"http://127.0.0.1:{ports[1]}/graphql"), "the daemon's sensors have looked")

    dev.send_signal(signal.SIGINT)

    assert dev.wait(PATIENCE) == 0
    told = (tmp_path / "dev.log").read_text()
    assert f"Status:  http://127.0.0.1:{ports[2]}/\n" in told
    assert "killed" not in told
    assert "Traceback" not in told
    assert "Stack Trace" not in told
    assert "skipped" not in told
    assert _children_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_that_asks_to_stop_is_one_that_is_heard(handlers: None, number: int) -> None:
    asked_to_stop = servers._on_signals()

    os.kill(os.getpid(), number)

    assert asked_to_stop.wait(5)


def test_who_ignores_the_end_of_the_terminal_goes_on(handlers: None) -> None:
    """As `nohup` does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked_to_stop = servers._on_signals()

    os.kill(os.getpid(), signal.SIGHUP)

    assert not asked_to_stop.wait(0.1)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Leave to the tests that follow what this process does when it gets a signal."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_processes_that_outlive_a_killed_dev_are_named_to_the_next_one(
    dev: subprocess.Popen, ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next one would listen on other ports: two daemons start runs twice."""
    _until(lambda: _answers(f"http://127.0.0.1:{ports[2]}/"), "the status server answers")
    dev.kill()
    dev.wait()
    orphans = [str(pid) for pid in _children_of(tmp_path)]
    others = _free_ports()

    answer = _dev(monkeypatch, tmp_path, *others)

    assert answer.exit_code == 2
    assert f"is running already with DAGSTER_HOME={tmp_path}" in answer.stderr
    named = answer.stderr.partition("`kill ")[2].partition("`")[0].split()
    assert len(set(named) & set(orphans)) == 4
    assert str(dev.pid) not in named, "its number may be another's by now"


def test_nothing_outlives_a_dev_that_can_tell_nobody_what_it_does(ports: list[int], tmp_path: Path) -> None:
    """As in `sigma-assets dev | head -1`, whose four processes went on, unseen, when the second line found no reader."""
    code_server, webserver, status = ports
    environment = os.environ | {
        "DAGSTER_HOME": str(tmp_path),
        "SIGMA_DAGSTER_URL": f"http://127.0.0.1:{webserver}",
        "SIGMA_STATUS_PORT": str(status),
    }
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sigma_assets.cli.main", "dev", "--code-server-port", str(code_server)]

    ended = subprocess.run(command, env=environment, stdout=writing, check=False, timeout=PATIENCE)

    os.close(writing)
    left = _children_of(tmp_path)
    for child in left:
        os.kill(child, signal.SIGKILL)
    assert (ended.returncode, left) == (1, [])


def test_a_port_that_is_taken_is_named_with_its_setting_before_anything_starts(
    ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        answer = _dev(monkeypatch, tmp_path, ports[0], ports[1], port)

    assert answer.exit_code == 2
    assert f"127.0.0.1:{port} (SIGMA_STATUS_PORT): Address already in use" in answer.stderr
    assert "SIGMA_DAGSTER_URL" not in answer.stderr
    assert not (tmp_path / "workspace.yaml").exists()


def test_the_status_server_alone_names_its_port_if_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("SIGMA_STATUS_PORT", str(port))

        answer = _refused(monkeypatch, tmp_path, "serve")

    assert answer.exit_code == 2
    assert f"127.0.0.1:{port} (SIGMA_STATUS_PORT): Address already in use" in answer.stderr
    assert answer.stdout == ""


def test_an_address_of_ipv6_is_no_port_that_is_taken(
    ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` takes one; here only the port that is taken is named, and links have it in brackets."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    monkeypatch.setenv("SIGMA_STATUS_HOST", "::1")
    with socket.create_server(("127.0.0.1", ports[1])):
        answer = _dev(monkeypatch, tmp_path, *ports)

    assert answer.exit_code == 2
    assert f"127.0.0.1:{ports[1]} (SIGMA_DAGSTER_URL)" in answer.stderr
    assert "::1" not in answer.stderr
    assert read_settings({"SIGMA_STATUS_HOST": "::1"}).status_link == "http://[::1]:3001"


def test_a_price_source_that_cannot_be_made_is_named_before_anything_starts(
    ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMA_PRICES", "bogus")

    answer = _dev(monkeypatch, tmp_path, *ports)

    assert answer.exit_code == 2
    assert "unknown price source 'bogus'" in answer.stderr
    assert not (tmp_path / "workspace.yaml").exists()


def _dev(monkeypatch: pytest.MonkeyPatch, home: Path, code_server: int, webserver: int, status: int) -> Result:
    monkeypatch.setenv("SIGMA_DAGSTER_URL", f"http://127.0.0.1:{webserver}")
    monkeypatch.setenv("SIGMA_STATUS_PORT", str(status))
    return _refused(monkeypatch, home, "dev", "--code-server-port", str(code_server))


def _refused(monkeypatch: pytest.MonkeyPatch, home: Path, *words: str) -> Result:
    """Return how a command ends that must not even begin."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    settings.cache_clear()
    try:
        return CliRunner().invoke(cli, words)
    finally:
        settings.cache_clear()


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


# verify=False, below: without it httpx reads all certificates of the world each time, even where nothing is encrypted


def _sensors_looked(address: str) -> bool:
    where = '{repositoryName: "__repository__", repositoryLocationName: "sigma_assets"}'
    ticks = "... on Sensors { results { sensorState { ticks(limit: 1) { status } } } }"
    query = f"{{ sensorsOrError(repositorySelector: {where}) {{ {ticks} }} }}"
    sensors = httpx.post(address, json={"query": query}, timeout=30, verify=False).json()["data"]["sensorsOrError"][
        "results"
    ]
    return len(sensors) == 3 and all(sensor["sensorState"]["ticks"] for sensor in sensors)


def _has_code(address: str) -> bool:
    query = "{ assetNodes { assetKey { path } } }"
    try:
        answer = httpx.post(address, json={"query": query}, timeout=30, verify=False)
    except httpx.TransportError:
        return False
    return len(answer.json()["data"]["assetNodes"]) == 15


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5, verify=False).status_code == 200
    except httpx.TransportError:
        return False


def _children_of(home: Path) -> list[int]:
    """Return the processes that work on a `DAGSTER_HOME`."""
    wanted, found = f"DAGSTER_HOME={home}".encode(), []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has just ended, or is somebody else's
    return found


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.3)
