"""The code server's thread that reports dead workers survives what hinders it."""

import logging
import threading

import pytest
from dagster._grpc import server as dagster_server
from dagster._grpc.server import DagsterApiServer

from sigma_assets.instance.warm.server import WarmApiServer


def test_what_hinders_the_look_for_dead_workers_is_logged_and_the_look_repeated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With Dagster's own server the first exception ends the thread: no dead worker is noticed, the server never stops."""
    server = object.__new__(WarmApiServer)
    server._logger = logging.getLogger("code server")
    server._server_termination_event = threading.Event()
    looks = []

    def look(_: DagsterApiServer) -> None:
        looks.append("look")
        if len(looks) == 1:
            raise OSError("No space left on device")
        server._server_termination_event.set()

    monkeypatch.setattr(DagsterApiServer, "_check_for_orphaned_runs", look)
    monkeypatch.setattr(dagster_server, "CLEANUP_TICK", 0.01)

    server._cleanup_thread()

    assert looks == ["look", "look"]
    assert "cannot tell which run workers have died" in caplog.text
    assert "No space left on device" in caplog.text
