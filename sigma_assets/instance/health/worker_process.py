"""Which operating system process works on a run, and whether it still lives: a pid alone may be given out again."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from sigma_assets.base.errors import SigmaError

HOST_TAG = ".dagster/sigma_worker_host"
PID_TAG = ".dagster/sigma_worker_pid"
STARTED_TAG = ".dagster/sigma_worker_started"
"""Dagster's UI does not show tags that begin with `.dagster/`."""

_PROC = Path("/proc")
_DEAD_STATES = "ZXx"  # a zombie has ended; nobody has collected it yet (a container without init never does)


def this_worker_tags() -> dict[str, str]:
    """Return the run tags by which a run that executes in this process can be judged from another one."""
    pid = os.getpid()
    started = process_identity(pid)
    if started is None:
        raise SigmaError(
            f"process {pid} cannot find its own entry: neither /proc/{pid}/stat nor `ps -p {pid}` describes it"
        )
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(pid), STARTED_TAG: started}


def died_here(tags: Mapping[str, str]) -> str | None:
    """Return what became of the process of this host that a run's tags name, if it has ended; else None."""
    if tags.get(HOST_TAG) != socket.gethostname() or process_identity(int(tags[PID_TAG])) == tags[STARTED_TAG]:
        return None
    return f"process {tags[PID_TAG]} has ended without finishing it"


def process_identity(pid: int) -> str | None:
    """Return a text that no other process ever has under this pid, or None if no such process runs.

    On Linux it is the boot's id with the start in clock ticks since boot, which setting the clock does not move.
    """
    if not _PROC.joinpath("self", "stat").exists():
        return _started_by_ps(pid)
    start_ticks = _start_ticks(pid)
    if start_ticks is None:
        return None
    return f"{_PROC.joinpath('sys/kernel/random/boot_id').read_text().strip()}/{start_ticks}"


def process_age_seconds(pid: int) -> float | None:
    """Return for how long a process has been running, or None if no such process runs."""
    if not _PROC.joinpath("self", "stat").exists():
        started = _started_by_ps(pid)
        return None if started is None else time.time() - time.mktime(time.strptime(started))
    start_ticks = _start_ticks(pid)
    if start_ticks is None:
        return None
    uptime = float(_PROC.joinpath("uptime").read_text().split()[0])
    return uptime - start_ticks / os.sysconf("SC_CLK_TCK")


def _start_ticks(pid: int) -> int | None:
    """Return field 22 of /proc/PID/stat (proc_pid_stat(5)), or None for a process that is gone or a zombie."""
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before ")" may hold anything
    return None if state in _DEAD_STATES else int(fields[18])


def _started_by_ps(pid: int) -> str | None:
    """Ask ps when a process started, where there is no /proc (macOS); None for one that is gone or a zombie."""
    environment = {**os.environ, "LC_ALL": "C"}
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout.split(None, 1)
    return None if len(answer) < 2 or answer[0][0] in _DEAD_STATES else answer[1].strip()
