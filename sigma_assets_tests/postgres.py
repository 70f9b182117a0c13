"""A PostgreSQL server for the tests: SIGMA_TEST_DATABASE_URL, else a temporary one made from a local installation."""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import sqlalchemy as sa

URL_VARIABLE = "SIGMA_TEST_DATABASE_URL"
START_SECONDS = 30
MEMORY, DISK = Path("/dev/shm"), Path("/tmp")
"""Folders that every user may enter, PostgreSQL's too."""
ROOM = 2 * 10**9
"""In bytes: what each server has to find free. None takes a fifth of it, but several start at the same time."""


class NoPostgresError(Exception):
    """There is no server for the tests, and why."""


class PostgresServer:
    """A server on which tests make and drop databases of their own.

    Attributes
    ----------
    url : address of a database that always exists, with the right to make others.
    is_ours : whether it is temporary, so that a test may restart it.
    """

    def __init__(self) -> None:
        given = os.environ.get(URL_VARIABLE)
        self.is_ours = not given
        self._process: subprocess.Popen[bytes] | None = None
        self._binaries: Path | None = None
        self._addresses = ["127.0.0.1"]
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres")
        if given:
            self.url = sa.make_url(given).set(drivername="postgresql+psycopg2")
            return
        self._binaries = _installation()
        self._folder = Path(tempfile.mkdtemp(prefix="sigma_pg_", dir=_roomy_folder()))
        atexit.register(self.stop)
        self._user = _unprivileged_user()
        if self._user:
            shutil.chown(self._folder, self._user)
        self.url = sa.URL.create(
            "postgresql+psycopg2", "sigma", "not-checked-by-trust", "127.0.0.1", free_port(), "postgres"
        )
        self._run("initdb", "-U", "sigma", "-A", "trust", "-E", "UTF8", "--no-sync", "-D", str(self._folder / "data"))
        self._ask_for_passwords("sigma_pipeline", "sigma_status")
        self.start()

    def _ask_for_passwords(self, *roles: str) -> None:
        """Trust everybody but these roles, which log in as in production."""
        rules = self._folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {','.join(roles)} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")

    def listen_also_on(self, address: str, subnet: str) -> None:
        """Restart the temporary server so that other hosts can reach it, too.

        Parameters
        ----------
        subnet : addresses of the hosts that it trusts.
        """
        self.halt()
        self._addresses.append(address)
        with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {subnet} trust\n")
        self.start()

    @contextmanager
    def configured(self, settings: Mapping[str, str], files: Mapping[str, Path]) -> Iterator[None]:
        """Change settings of the temporary server, which must need no restart, and set them back afterwards.

        Parameters
        ----------
        files : path in a setting -> file to copy for the server, which alone may read it.
        """
        copies = {}
        for named, file in files.items():
            copies[named] = Path(shutil.copy(file, self._folder / file.name))
            copies[named].chmod(0o600)
            if self._user:
                shutil.chown(copies[named], self._user)
        self._execute(*(f"ALTER SYSTEM SET {name} = '{copies.get(value, value)}'" for name, value in settings.items()))
        try:
            yield
        finally:
            self._execute(*(f"ALTER SYSTEM RESET {name}" for name in settings))

    def _execute(self, *statements: str) -> None:
        """Execute statements, each by itself, and wait until the server has read its configuration again."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        loaded = "SELECT pg_conf_load_time()"
        with engine.connect() as connection:
            before = connection.exec_driver_sql(loaded).scalar_one()
            for statement in (*statements, "SELECT pg_reload_conf()"):
                connection.exec_driver_sql(statement)
        while True:
            with engine.connect() as connection:
                if connection.exec_driver_sql(loaded).scalar_one() != before:
                    return
            time.sleep(0.02)

    def start(self) -> None:
        """Start the temporary server and wait until it answers; from one thread always, since it dies with that."""
        self._starter.submit(self._start).result()

    def _start(self) -> None:
        log = (self._folder / "log").open("ab")
        assert self._binaries is not None, "a server that was given is not ours to start"
        settings = {
            "listen_addresses": ",".join(self._addresses),
            "port": self.url.port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 60,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [*self.as_user(), str(self._binaries / "postgres"), "-D", str(self._folder / "data"), *options],
            cwd=self._folder,
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def tool(self, name: str) -> str:
        """Return the path of a client program: psql, pg_dump, pg_restore.

        Raises
        ------
        NoPostgresError
            It is not installed.
        """
        beside = None if self._binaries is None else shutil.which(name, path=str(self._binaries))
        found = beside or shutil.which(name)
        if found is None:
            raise NoPostgresError(f"{name} is not installed (PostgreSQL's client programs)")
        return found

    @property
    def folder(self) -> Path:
        """Return the folder of the temporary server; its owner is the user that the server runs as."""
        return self._folder

    def halt(self) -> None:
        """Stop the temporary server at once, breaking every connection; its files stay."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)

    def copied(self) -> Path:
        """Restart the temporary server; return a copy of its files, as a replica has them that hears of nothing more."""
        self.halt()
        replica = self._folder / "replica"
        subprocess.run(["cp", "-a", str(self._folder / "data"), str(replica)], check=True)
        self.start()
        return replica

    def fail_over(self, replica: Path) -> None:
        """Lose the temporary server, and promote a replica in its place."""
        self.halt()
        shutil.rmtree(self._folder / "data")
        replica.rename(self._folder / "data")
        (self._folder / "data" / "standby.signal").touch()
        self.start()
        with sa.create_engine(self.url, poolclass=sa.NullPool).connect() as connection:
            connection.exec_driver_sql("SELECT pg_promote()")

    def stop(self) -> None:
        """End the temporary server for good."""
        if self.is_ours:
            self.halt()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False)).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self.as_user(), self.tool(program), *arguments]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout[-1000:]} {done.stderr[-1000:]}")

    def as_user(self) -> list[str]:
        """Return what to put before a command: another user if we are root, and death with us where Linux offers it."""
        setpriv = shutil.which("setpriv")
        if setpriv is None and self._user:
            raise NoPostgresError(
                "PostgreSQL refuses root, and setpriv (util-linux) is not there to become another user"
            )
        if setpriv is None:
            return []
        if not self._user:
            return [setpriv, "--pdeathsig", "INT"]
        account = pwd.getpwnam(self._user)
        ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        return [setpriv, *ids, "--pdeathsig", "INT"]


def _installation() -> Path:
    """Return the folder of `initdb` and `postgres`, the newest version first."""
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    folders = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if not folders:
        raise NoPostgresError(
            f"no PostgreSQL: set {URL_VARIABLE}, or install it (initdb on PATH or in /usr/lib/postgresql)"
        )
    return max(folders, key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0)


def _roomy_folder() -> Path:
    """Return a folder in memory if there is room, else on the disk, where a copy of a database costs five times as much."""
    in_memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if in_memory else DISK


def _unprivileged_user() -> str | None:
    """Return the user to run as, because PostgreSQL refuses root; None if we are nobody special already."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise NoPostgresError("PostgreSQL refuses root, and there is no user postgres or nobody to run it")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
