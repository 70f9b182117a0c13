"""A pooler in front of PostgreSQL: one that leaves sessions alone works, one that shares them is refused."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sigma_assets.base.errors import StorageError
from sigma_assets.instance.postgres import SharedPostgresStorage
from sigma_assets.storage.connection import pooler
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.conftest import cannot_run
from sigma_assets_tests.postgres import PostgresServer, free_port


@pytest.fixture
def pooled(postgres_server: PostgresServer) -> Iterator[Callable[..., str]]:
    """Return what starts PgBouncer in a mode and returns the address of a database behind it."""
    with ExitStack() as stack:
        yield lambda mode, **more: stack.enter_context(_pgbouncer(postgres_server, mode, **more))


@contextmanager
def _pgbouncer(server: PostgresServer, mode: str, *, sessions: int = 20) -> Iterator[str]:
    program, port = shutil.which("pgbouncer"), free_port()
    if not server.is_ours:
        pytest.skip("the server given is not ours")
    if program is None:
        cannot_run("pgbouncer is not installed")
    with tempfile.TemporaryDirectory(prefix="sigma_pooler_", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host={server.url.host} port={server.url.port} user={server.url.username}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
            f"default_pool_size = {sessions}\n"
        )
        configuration.chmod(0o644)  # read as another user, whatever umask a command has left in this process
        process = subprocess.Popen([*server.as_user(), program, "-q", str(configuration)], stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield server.url.set(port=port).render_as_string(hide_password=False)
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused(pooled: Callable[..., str], mode: str) -> None:
    """Seen: a run that was interrupted as if somebody had canceled it; and "server closed the connection unexpectedly"."""
    address = pooled(mode)

    with pytest.raises(StorageError, match="PgBouncer: pool_mode = session"), Database(address).begin():
        pass
    with pytest.raises(StorageError, match="PgBouncer: pool_mode = session"):
        SharedPostgresStorage(address, should_autocreate_tables=False)


@pytest.mark.parametrize("sessions", [1, 20])
def test_a_pooler_that_leaves_sessions_alone_is_used(
    pooled: Callable[..., str], monkeypatch: pytest.MonkeyPatch, sessions: int
) -> None:
    """Also one that has no second session to give: processes that all start at once would wait for each other's."""
    monkeypatch.setattr(pooler, "PATIENCE_SECONDS", 0.2)
    database = Database(pooled("session", sessions=sessions))

    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW timezone").scalar_one() == "UTC"
    database.dispose()
