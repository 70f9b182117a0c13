"""deploy/: one configuration with the embedded one, batched events everywhere, a compose file that holds together."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigma_assets.automation.webserver import REPOSITORY
from sigma_assets.settings import Settings, read_settings
from sigma_assets_tests.deployment.deployment import CHECKOUT, SCRIPTS, Deployment

DEPLOY = CHECKOUT / "deploy"
QUESTION = """
import dagster as dg
with dg.DagsterInstance.get() as instance:
    storage = instance.event_log_storage
    print(instance._get_event_batch_size(), storage.supports_partition_subset_in_asset_materialization_planned_events)
"""


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def test_both_instances_differ_in_storage_and_in_how_much_runs_at_once() -> None:
    embedded, team = read(CHECKOUT / "dagster.yaml"), read(DEPLOY / "dagster.yaml")

    assert embedded.pop("storage") != team.pop("storage")
    assert embedded["concurrency"]["runs"].pop("max_concurrent_runs") == 4
    assert team["concurrency"]["runs"].pop("max_concurrent_runs") == 8
    assert embedded == team


def test_ticks_of_sensors_are_kept_as_long_everywhere_and_failed_ones_less_long_than_others() -> None:
    """Sensors look up to every two seconds, and a look that fails keeps 5 kB: 300 MB a day where the source is away."""
    folders = (".", "deploy", "deploy/celery", "deploy/kubernetes")
    first, *others = [read(CHECKOUT / folder / "dagster.yaml")["retention"] for folder in folders]

    assert others == [first] * 3
    assert first["sensor"]["purge_after_days"]["failure"] < first["sensor"]["purge_after_days"]["success"]


def test_whoever_opens_the_instance_writes_events_in_batches(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webserver and daemon too, which load none of our definitions."""
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    monkeypatch.delenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", raising=False)

    answer = deployment.command("python", "-c", QUESTION)

    assert answer.stdout.split() == ["5000", "True"], answer.stderr


def test_the_compose_file_runs_the_five_processes_of_the_readme_as_anybody_but_root() -> None:
    services = read(DEPLOY / "docker-compose.yml")["services"]
    ours = {name: service for name, service in services.items() if name != "postgres"}

    assert set(services) == {"postgres", "migrate", "code-server", "daemon", "webserver", "status"}
    assert re.search(r"^USER (?!root|0)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        assert name == "migrate" or service["healthcheck"]["test"], name
        for address in service.get("ports", []):
            assert address.startswith("127.0.0.1:"), name
        for needed in service.get("depends_on", {}):
            assert needed in services, name
    for name, service in ours.items():
        assert service["read_only"], name
        assert service["volumes"] == ["dagster-storage:/opt/dagster/storage"], name  # all that Dagster writes to disk


def test_the_compose_file_hands_every_setting_through() -> None:
    """A setting that is set in deploy/.env and reaches no container is worse than one that is refused."""
    environment = read(DEPLOY / "docker-compose.yml")["x-app"]["environment"]
    of_the_containers = {"DAGSTER_HOME", "SIGMA_DATABASE_URL", "SIGMA_STATUS_HOST", "SIGMA_STATUS_PORT"}
    of_the_status_server = {"SIGMA_STATUS_TOKEN"}
    variables = {variable for variable, _, _ in Settings().shown()}

    assert variables - of_the_containers - of_the_status_server <= environment.keys()
    for name in environment.keys() & variables - of_the_containers:
        assert re.fullmatch(rf"\$\{{{name}:-[^}}]*\}}", environment[name]), name
    assert "SIGMA_STATUS_TOKEN" in read(DEPLOY / "docker-compose.yml")["services"]["status"]["environment"]
    assert read_settings(dict.fromkeys(variables, "")) == read_settings({}), "empty is the default"


def test_the_compose_file_starts_programs_that_are_there() -> None:
    services = read(DEPLOY / "docker-compose.yml")["services"]
    for name, service in services.items():
        program = (service.get("command") or ["sh"])[0]
        assert program == "sh" or (SCRIPTS / program).exists() or program == "sigma-assets", name

    workspace = read(DEPLOY / "workspace.yaml")["load_from"][0]["grpc_server"]
    assert workspace["host"] in services
    assert str(workspace["port"]) in services["code-server"]["command"]


def test_an_import_in_a_container_reaches_the_webserver_and_our_code() -> None:
    """It asks for its run under the name of the service, and of the code location that the webserver has loaded."""
    service = read(DEPLOY / "docker-compose.yml")["services"]["webserver"]
    default = re.fullmatch(r"\$\{\w+:-(.*)\}", service["environment"]["SIGMA_DAGSTER_REQUEST_URL"])
    workspace = read(DEPLOY / "workspace.yaml")["load_from"][0]["grpc_server"]

    assert default is not None
    assert default[1] == f"http://webserver:{service['command'][-1]}"
    assert workspace["location_name"] == REPOSITORY["repositoryLocationName"]


def test_a_container_may_stop_for_longer_than_its_process_needs() -> None:
    """The code server waits for open calls, then for its runs; docker kills after ten seconds unless told otherwise."""
    server = read(DEPLOY / "docker-compose.yml")["services"]["code-server"]
    patience = int(server["environment"]["DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD"])

    assert patience < 10
    assert server["stop_grace_period"] == "2m"
    assert server["environment"].items() >= read(DEPLOY / "docker-compose.yml")["x-app"]["environment"].items()


def test_the_image_is_built_from_what_it_needs_and_from_nothing_else() -> None:
    """What the Dockerfile copies reaches it; passwords, environments and old builds do not."""
    allowed = [line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"deploy/\S+\.yaml", (DEPLOY / "Dockerfile").read_text())

    assert (CHECKOUT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert {*copied, "sigma_assets", "pyproject.toml", "setup.py", "README.md", "requirements.lock"} == set(allowed)
    for path in allowed:
        assert (CHECKOUT / path).exists(), path


def test_the_package_the_changelog_and_the_images_are_of_one_version() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    newest = re.search(r"^## (\S+)", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE)
    pages = "".join(file.read_text() for file in sorted((DEPLOY / "kubernetes").iterdir()))

    assert newest is not None
    assert newest[1] == version
    assert set(re.findall(r"sigma-assets:([\d.]+)", pages)) == {version}
    assert set(re.findall(r'registry.example/sigma-assets, tag: "([\d.]+)"', pages)) == {version}


def test_no_secret_is_written_into_a_file_of_the_deployment() -> None:
    """Secrets come from the environment: every variable of compose that looks like one is taken from there."""
    variables = {variable for variable, _, _ in Settings().shown()}
    for service in read(DEPLOY / "docker-compose.yml")["services"].values():
        for name, value in service["environment"].items():
            assert not name.startswith("SIGMA_") or name in variables | _ONLY_FOR_ROLES, name
            if re.search(r"PASSWORD|TOKEN|KEY|URL", name):
                assert "${" in str(value), name
    for line in (DEPLOY / ".env.example").read_text().splitlines():
        name, _, value = line.partition("=")
        assert line.startswith("#") or value == ("simulated" if name == "SIGMA_PRICES" else ""), line


_ONLY_FOR_ROLES = {"SIGMA_PIPELINE_PASSWORD", "SIGMA_STATUS_PASSWORD"}
