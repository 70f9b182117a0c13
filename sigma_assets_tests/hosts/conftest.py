"""Fixture: a deployment over three hosts, made once for a module and stopped with it; without hosts its tests skip."""

from collections.abc import Iterator

import pytest

from sigma_assets_tests.conftest import cannot_run, fresh_database
from sigma_assets_tests.hosts.deployment import Broker, HostsDeployment
from sigma_assets_tests.hosts.network import NoHostsError, network
from sigma_assets_tests.postgres import NoPostgresError, PostgresServer


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostsDeployment]:
    """Return a deployment without any process but its database and its broker; fails, not skips, where CI=true."""
    try:
        server = PostgresServer()
        if not server.is_ours:
            raise NoHostsError(
                "the tests of several hosts start a PostgreSQL of their own: unset SIGMA_TEST_DATABASE_URL"
            )
        with network() as made:
            yield from _deployed(tmp_path_factory, made, server)
    except (NoHostsError, NoPostgresError) as error:
        cannot_run(str(error))


def _deployed(tmp_path_factory, made, server) -> Iterator[HostsDeployment]:
    folder = tmp_path_factory.mktemp("hosts")
    broker = Broker(folder, made.address)
    if made.has_namespaces:
        server.listen_also_on(made.address, made.subnet)
    broker.start()
    files = {name: broker.tls / name for name in ("server.pem", "server.key")}
    tls = {"ssl": "on", "ssl_cert_file": "server.pem", "ssl_key_file": "server.key"}
    try:
        with server.configured(tls, files):
            deployment = HostsDeployment(folder, made, server, fresh_database(server), broker)
            try:
                yield deployment
            finally:
                deployment.stop()
    finally:
        broker.stop()
        server.stop()
