"""deploy/celery/: the team's configuration but for what several hosts need, compose files that hold together."""

import re
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from sigma_assets.base.errors import SettingsError
from sigma_assets.instance.code_version import code_version
from sigma_assets_tests.cli.conftest import invoked
from sigma_assets_tests.deployment.deployment import CHECKOUT, Deployment, configured

DEPLOY = CHECKOUT / "deploy"
CELERY = DEPLOY / "celery"
BROKER = "rediss://:open-sesame@127.0.0.1:1/0?ssl_cert_reqs=required"


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def test_several_hosts_differ_from_one_in_what_the_readme_says() -> None:
    one, several = read(DEPLOY / "dagster.yaml"), read(CELERY / "dagster.yaml")

    assert several.pop("run_launcher")["class"] == "HostsRunLauncher"
    assert several.pop("compute_logs")["class"] == "NoOpComputeLogManager"
    for name, number in (("pools", "op_granularity_run_buffer"), ("runs", "max_concurrent_runs")):
        assert (several["concurrency"][name].pop(number), one["concurrency"][name].pop(number)) == (4, 8)
    assert several["run_queue"].pop("max_user_code_failure_retries") > 500
    del one["run_launcher"], one["run_queue"]["max_user_code_failure_retries"]
    assert several == one


@pytest.mark.parametrize("file", ["docker-compose.yml", "worker.yml"])
def test_the_compose_files_hold_together(file: str) -> None:
    services = read(CELERY / file)["services"]
    base = read(DEPLOY / "docker-compose.yml")["services"]
    ours = services.keys() - {"postgres", "broker"}

    assert ours == (base.keys() - {"postgres"} if file == "docker-compose.yml" else {"worker"})
    for name in ours:
        assert any(
            volume.endswith("celery/dagster.yaml:/opt/dagster/dagster.yaml:ro") for volume in services[name]["volumes"]
        ) or ("./dagster.yaml:/opt/dagster/dagster.yaml:ro" in services[name]["volumes"])
    text = (CELERY / file).read_text()
    for password in re.findall(r"(?:PASSWORD|TOKEN|KEY)\w*: (.+)", text):
        assert password.startswith("${"), password


def test_the_broker_wants_tls_and_a_password() -> None:
    broker = read(CELERY / "docker-compose.yml")["services"]["broker"]
    command = " ".join(broker["command"])

    assert "requirepass" in command
    assert "--port 0 --tls-port 6379" in command
    assert broker["ports"] == ["${SIGMA_PRIVATE_ADDRESS}:6379:6379"]


def test_what_the_compose_files_need_and_the_slots_are_in_the_example_of_an_environment() -> None:
    """With the default of SIGMA_RUN_WORKERS a night is cut in two, however many hosts there are."""
    listed = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    needed = re.findall(r"\$\{(\w+):\?", (CELERY / "docker-compose.yml").read_text())
    readme = (CELERY / "README.md").read_text()

    assert {*needed, "SIGMA_RUN_WORKERS"} <= listed
    assert all(f"`{name}`" in readme for name in (*needed, "SIGMA_RUN_WORKERS"))


def test_a_worker_finds_the_certificate_where_its_addresses_name_it() -> None:
    readme, (worker,) = (CELERY / "README.md").read_text(), read(CELERY / "worker.yml")["services"].values()
    named = set(re.findall(r"(?:sslrootcert|ssl_ca_certs)=(\S+)", readme))

    assert named == {"/etc/sigma/ca.pem"}
    assert "./tls/ca.pem:/etc/sigma/ca.pem:ro" in worker["volumes"]


@pytest.mark.parametrize("file", [".env", "celery/worker.env", "celery/tls/ca.key", "celery/tls/server.key"])
def test_git_takes_no_file_with_passwords_or_keys(file: str) -> None:
    command = ["git", "check-ignore", "--quiet", "--no-index", f"deploy/{file}"]

    assert subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0


def test_work_is_not_given_away_before_the_database_has_freed_it(deployment: Deployment) -> None:
    impatient = _on_hosts(deployment, dead_after_seconds=20.0)

    with pytest.raises(SettingsError, match="is 20; expected more than 30"), impatient.entered() as instance:
        _ = instance.run_launcher


def test_a_broker_that_cannot_be_reached_is_named_without_its_password(deployment: Deployment) -> None:
    with _on_hosts(deployment).entered() as instance:
        told = str(instance.run_launcher.get_run_worker_debug_info(dg.DagsterRun(job_name="portfolios")))

    assert "127.0.0.1:1" in told
    assert code_version() in told
    assert "open-sesame" not in told


def test_a_worker_of_an_instance_without_a_broker_says_what_it_needs(deployment: Deployment) -> None:
    answer = invoked(deployment.home, deployment.environment, "worker")

    assert answer.exit_code == 2
    assert "run_launcher is MonitoredRunLauncher; a worker needs HostsRunLauncher" in answer.stderr


def _on_hosts(deployment: Deployment, **config: float) -> Deployment:
    made = configured(deployment.home, deployment.environment["SIGMA_DATABASE_URL"], CELERY / "dagster.yaml")
    file = made.home / "dagster.yaml"
    content = read(file)
    content["run_launcher"]["config"] |= {"broker": BROKER, **config}
    file.write_text(yaml.safe_dump(content))
    return made
