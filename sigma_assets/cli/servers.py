"""Commands that start servers: the status server alone, or everything on this machine."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import click

from sigma_assets.base.errors import SettingsError
from sigma_assets.cli.terminal.world import open_database, open_instance, open_market, prepare_home
from sigma_assets.settings import Settings

CODE_SERVER = "code server"
LOCK = "dev.lock"
CODE_SERVER_PORT = 4266
STOP_SECONDS = 20
GRACE_SECONDS = "5"
"""How long a code server that is asked to stop waits for calls under way; Dagster's own minute is too long for Ctrl-C."""


@click.command()
def serve() -> None:
    """Start the status server (JSON API and pages) on SIGMA_STATUS_HOST:SIGMA_STATUS_PORT. It only reads."""
    configured = prepare_home()
    _check_ports({"SIGMA_STATUS_PORT": (configured.status_host, configured.status_port)})
    from sigma_assets.web.app import serve as serve_forever

    click.echo(f"Status:  {configured.status_link}/")
    serve_forever(configured)


@click.command()
@click.option("--code-server-port", default=CODE_SERVER_PORT, show_default=True, type=click.IntRange(1024, 65535),
              help="Port of the code server.")  # fmt: skip
def dev(code_server_port: int) -> None:
    """Start the code server, the daemon (schedule and sensors on), the webserver and the status server.

    Ctrl-C, or closing the terminal, stops all of them.
    """
    configured = prepare_home()
    with _alone(configured.home.resolve()) as lock:
        sys.exit(_run_all(configured, code_server_port, lock))


def _run_all(configured: Settings, code_server_port: int, lock: TextIO) -> int:
    """Run all processes until a signal comes or one ends; return the exit code."""
    open_database().dispose()
    open_instance().dispose()  # storage that this user may not use would be a traceback of every process
    _, price_source = open_market()
    source = price_source.provider  # named wrongly, it would fail in every sensor, every five seconds
    webserver = urlsplit(configured.dagster_url)
    web_host, web_port = webserver.hostname or "127.0.0.1", webserver.port or 3000
    _check_ports(
        {
            "--code-server-port": ("127.0.0.1", code_server_port),
            "SIGMA_DAGSTER_URL": (web_host, web_port),
            "SIGMA_STATUS_PORT": (configured.status_host, configured.status_port),
        }
    )
    workspace = configured.home.resolve() / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {code_server_port}\n"
        "      location_name: sigma_assets\n",
        encoding="utf-8",
    )
    asked_to_stop = _on_signals()
    commands = _commands(workspace, code_server_port, web_host, web_port)
    processes: dict[str, subprocess.Popen] = {}
    try:
        _start({CODE_SERVER: commands.pop(CODE_SERVER)}, processes, lock)
        click.echo(f"starting, with prices from {source.name}")
        if _listens(processes[CODE_SERVER], code_server_port, asked_to_stop):
            _start(commands, processes, lock)
            click.echo(f"Dagster: {configured.dagster_link}")
            click.echo("Ctrl-C stops everything")
        return _supervise(processes, asked_to_stop)
    finally:
        _stop(processes)  # also where nobody reads what we say any more, or one could not be started


@contextmanager
def _alone(home: Path) -> Iterator[TextIO]:
    """Keep other `sigma-assets dev` out of a DAGSTER_HOME: two daemons start runs twice.

    The processes that we start inherit the lock, so it also lasts while those of a killed `sigma-assets dev` live on.

    Raises
    ------
    SettingsError
        It is in use; names the processes that use it.
    """
    with (home / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holders = " ".join(_holders(lock))
            raise SettingsError(
                f"`sigma-assets dev` is running already with DAGSTER_HOME={home}: use it, or stop it"
                + (f" with `kill {holders}`" if holders else ", where it runs or as whoever started it")
            ) from None
        lock.truncate(0)
        _note(lock, os.getpid())
        yield lock


def _holders(lock: TextIO) -> list[str]:
    """Return the processes that were noted and still hold the lock: the number of one that ended may be another's by now."""
    lock.seek(0)
    noted = lock.read().split()
    if not Path("/proc/self/fd").is_dir():  # as on macOS
        return noted
    held = os.stat(lock.fileno())
    return [process for process in noted if _has_open(process, held)]


def _has_open(process: str, file: os.stat_result) -> bool:
    with suppress(OSError):  # it has ended, or is somebody else's
        return any(
            os.path.samestat(each.stat(), file) for each in Path(f"/proc/{process}/fd").iterdir() if each.exists()
        )
    return False


def _note(lock: TextIO, process: int) -> None:
    """Write down a process that holds the lock."""
    lock.write(f"{process}\n")
    lock.flush()


def _commands(workspace: Path, port: int, web_host: str, web_port: int) -> dict[str, list[str]]:
    """Return what is started, the code server first; each says what is wrong, and not that each sensor has looked."""
    python = [sys.executable, "-m"]
    return {
        CODE_SERVER: [
            *python, "sigma_assets.instance.code_server", "--module-name", "sigma_assets.definitions",
            "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning",
        ],
        "webserver": [
            *python, "sigma_assets.web.access.dagster_ui", "--workspace", str(workspace),
            "--host", web_host, "--port", str(web_port), "--dagster-log-level", "warning",
        ],
        "daemon": [*python, "dagster._daemon", "run", "--workspace", str(workspace), "--log-level", "warning"],
        "status": [*python, "sigma_assets.cli.main", "serve"],
    }  # fmt: skip


def _check_ports(places: Mapping[str, tuple[str, int]]) -> None:
    """Make sure that nobody listens where we are about to: a second code server on a port would silently share it.

    Raises
    ------
    SettingsError
        Ports are taken; names each, and the setting that moves it.
    """
    taken = []
    for name, (host, port) in places.items():
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            taken.append(f"{host}:{port} ({name}): {error.strerror}")
    if taken:
        raise SettingsError(
            "cannot listen on\n  " + "\n  ".join(taken) + "\n"
            "If `sigma-assets dev` is running already, use it or stop it; otherwise choose other ports"
        )


def _listens(process: subprocess.Popen, port: int, asked_to_stop: threading.Event) -> bool:
    """Wait until a process listens on its port; return False if it ends, or a signal comes, before.

    Webserver and daemon that find no code server print pages of stack traces.
    """
    while process.poll() is None and not asked_to_stop.wait(0.2):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
    return False


def _on_signals() -> threading.Event:
    """Return what Ctrl-C, SIGTERM and the end of the terminal set, from before anything is started.

    A process started by a shell with `&` ignores SIGINT, hands that on to those it starts, and a code server of Dagster's
    that ignores SIGINT is deaf to SIGTERM, too. A signal that we handle is one that they do not ignore. SIGHUP stays
    ignored where it is (`nohup`): whoever starts us so wants us to outlive the terminal.
    """
    asked_to_stop = threading.Event()
    is_tied_to_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    for number in (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if is_tied_to_terminal else [])):
        signal.signal(number, lambda *_: asked_to_stop.set())
    return asked_to_stop


def _start(commands: dict[str, list[str]], processes: dict[str, subprocess.Popen], lock: TextIO) -> None:
    """Start processes in a group of their own each, so that a Ctrl-C reaches them through us, in order; adds each."""
    environment = {"DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": GRACE_SECONDS} | os.environ
    for name, command in commands.items():
        processes[name] = subprocess.Popen(command, start_new_session=True, env=environment, pass_fds=[lock.fileno()])
        _note(lock, processes[name].pid)


def _supervise(processes: dict[str, subprocess.Popen], asked_to_stop: threading.Event) -> int:
    """Wait for a signal or for a process to end; return 1 if one ended by itself, once all are stopped."""
    while not asked_to_stop.wait(0.5):
        for name, process in processes.items():
            if process.poll() is not None:
                _stop(processes)
                click.echo(f"{name} ended with exit code {process.returncode}, so the others were stopped", err=True)
                return 1
    return 0


def _stop(processes: dict[str, subprocess.Popen]) -> None:
    """End all processes; says afterwards which had to be killed, for the terminal may be gone."""
    killed = []
    for process in reversed(processes.values()):
        if process.poll() is None:
            process.terminate()
    for name, process in processes.items():
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed.append(name)
    for name in killed:
        click.echo(f"{name} did not end within {STOP_SECONDS} s and was killed", err=True)
