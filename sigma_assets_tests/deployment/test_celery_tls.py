"""Broker and PostgreSQL of several hosts speak TLS with the README's certificates, as the compose file starts them."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
import yaml

from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.conftest import cannot_run, drop_database, fresh_database
from sigma_assets_tests.deployment.certificates import ADDRESS, make_certificates, url_of_the_readme
from sigma_assets_tests.deployment.deployment import CHECKOUT, PIPELINE_PASSWORD, make_roles
from sigma_assets_tests.postgres import PostgresServer
from sigma_assets_tests.processes.deployment import free_port, until

SERVICES: dict[str, Any] = yaml.safe_load((CHECKOUT / "deploy" / "celery" / "docker-compose.yml").read_text())[
    "services"
]
PASSWORD = "broker-open-sesame"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of certificates for a first host at 127.0.0.1."""
    if shutil.which("openssl") is None:
        cannot_run("openssl is not installed")
    return make_certificates(tmp_path_factory.mktemp("certificates"), "127.0.0.1")


@contextmanager
def broker(tls: Path, folder: Path) -> Iterator[int]:
    """Start Redis by the compose file's own command; yield its port."""
    if shutil.which("redis-server") is None:
        cannot_run("redis-server is not installed")
    port = free_port()
    shell, option, script = SERVICES["broker"]["command"]
    here = {"$$": "$", "/tls/": f"{tls}/", "/tmp/password.conf": f"{folder}/password.conf", "6379": str(port)}
    for old, new in here.items():
        assert old in script
        script = script.replace(old, new)
    environment = {**os.environ, "SIGMA_BROKER_PASSWORD": PASSWORD}
    command = ["setpriv", "--pdeathsig", "KILL", shell, option, f"{script} --bind 127.0.0.1 --save ''"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: "Ready to accept" in (folder / "log").read_text(), "the broker listens")
        yield port
    finally:
        process.kill()
        process.wait(30)


def test_the_newest_python_trusts_the_broker_and_the_broker_wants_the_password(tls: Path, tmp_path: Path) -> None:
    """Python 3.13 refuses a certificate authority whose certificate does not say that it may sign."""
    context = ssl.create_default_context(cafile=tls / "ca.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # as 3.13 does by default

    with (
        broker(tls, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"PING\r\n")
        stranger = connection.recv(100)
        connection.sendall(f"AUTH {PASSWORD}\r\nPING\r\n".encode())
        welcome = connection.recv(100)
        while b"PONG" not in welcome and len(welcome) < 100:
            welcome += connection.recv(100)

    assert stranger.startswith(b"-NOAUTH")
    assert welcome == b"+OK\r\n+PONG\r\n"


@pytest.fixture
def secured(postgres_server: PostgresServer, tls: Path) -> Iterator[tuple[PostgresServer, str]]:
    """Return PostgreSQL with the settings of the compose file, and a database with our roles."""
    if not postgres_server.is_ours:
        pytest.skip("a server that was given keeps its settings")
    program, *options = SERVICES["postgres"]["command"]
    assert (program, set(options[::2])) == ("postgres", {"-c"})
    files = {f"/tls/{name}": tls / name for name in ("server.pem", "server.key")}
    name = fresh_database(postgres_server)
    make_roles(postgres_server, name)
    with postgres_server.configured(dict(option.split("=") for option in options[1::2]), files):
        yield postgres_server, name
    drop_database(postgres_server, name)


def worker_url(server: PostgresServer, name: str, tls: Path, host: str = "127.0.0.1") -> str:
    replaced = {"PASSWORD": PIPELINE_PASSWORD, ADDRESS: f"{host}:{server.url.port}", "/sigma?": f"/{name}?"}
    return url_of_the_readme("SIGMA_DATABASE_URL", tls, **replaced)


def test_a_worker_reaches_postgresql_over_tls_with_the_address_of_the_readme(
    secured: tuple[PostgresServer, str], tls: Path
) -> None:
    database = Database(worker_url(*secured, tls))

    with database.read() as connection:
        encrypted = connection.execute(sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar_one()
    database.dispose()

    assert encrypted is True


def test_a_worker_refuses_a_server_of_another_name_or_authority(
    secured: tuple[PostgresServer, str], tls: Path, tmp_path: Path
) -> None:
    others = make_certificates(tmp_path, "127.0.0.1")

    for url in (worker_url(*secured, tls, host="localhost"), worker_url(*secured, others)):
        with pytest.raises(psycopg2.OperationalError, match="certificate"):
            psycopg2.connect(url)


def test_neither_server_gets_the_key_that_signs_or_runs_as_root() -> None:
    assert SERVICES["broker"]["user"] == "999:999", "the image becomes redis only if redis-server is its command"
    for name in ("broker", "postgres"):
        mounted = [volume.split(":")[0] for volume in SERVICES[name]["volumes"]]
        assert {"./celery/tls/server.pem", "./celery/tls/server.key"} <= set(mounted)
        assert not {"./celery/tls", "./celery/tls/ca.key"} & set(mounted)
