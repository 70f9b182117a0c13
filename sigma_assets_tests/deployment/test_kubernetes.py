"""deploy/kubernetes/: valid manifests that agree with each other, and our storage in every pod."""

import re
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sigma_assets.automation.webserver import REPOSITORY
from sigma_assets.settings import Settings, read_settings
from sigma_assets_tests.deployment.cluster import (
    CODE_SERVER,
    DEPLOY,
    KUBERNETES,
    MANIFESTS,
    README,
    RESTRICTED,
    VALUES,
    pods,
    services,
)
from sigma_assets_tests.deployment.deployment import SCRIPTS

OF_PODS = {
    "affinity", "annotations", "env", "envConfigMaps", "envSecrets", "image", "labels", "livenessProbe", "nodeSelector",
    "podSecurityContext", "readinessProbe", "resources", "schedulerName", "securityContext", "startupProbe",
    "tolerations", "volumeMounts", "volumes",
}  # fmt: skip
CHART_KEYS = {
    "": {
        "dagster-user-deployments", "dagsterDaemon", "dagsterWebserver", "generatePostgresqlPasswordSecret", "global",
        "postgresql", "runLauncher", "serviceAccount", "telemetry",
    },
    "global": {"dagsterHome", "postgresqlSecretName", "serviceAccountName"},
    "postgresql": {"enabled", "postgresqlDatabase", "postgresqlHost", "postgresqlPassword", "postgresqlUsername"},
    "dagsterWebserver": {*OF_PODS, "replicaCount", "workspace"},
    "dagsterDaemon": {*OF_PODS, "checkDbReadyInitContainer", "heartbeatTolerance", "initContainerResources"},
    "deployment": {*OF_PODS, "dagsterApiGrpcArgs", "includeConfigInLaunchedRuns", "name", "port"},
}  # fmt: skip
"""Keys of the chart's own values.yaml; it would ignore some unknown ones without a word."""


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_the_manifests_are_valid(version: str) -> None:
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_every_pod_of_ours_is_unprivileged_bounded_and_has_the_instance_with_our_storage() -> None:
    for name, pod in pods():
        (container,) = pod["containers"]
        context = pod["securityContext"] | container["securityContext"]
        assert context == context | RESTRICTED, name
        assert {"memory"} <= container["resources"]["limits"].keys(), name
        assert {"memory", "cpu"} <= container["resources"]["requests"].keys(), name
        mounted = [each for each in container["volumeMounts"] if each["mountPath"] == "/opt/dagster/dagster.yaml"]
        assert [each["name"] for each in mounted] == ["sigma-instance"], name
        assert {"configMapRef": {"name": "sigma-settings"}} in container["envFrom"], name


def test_the_charts_pods_read_our_instance_and_nothing_that_the_chart_does_not_know_is_set() -> None:
    for section, known in CHART_KEYS.items():
        place = {"": VALUES, "deployment": CODE_SERVER}.get(section) or VALUES[section]
        assert place.keys() <= known, section
    for pod in (CODE_SERVER, VALUES["dagsterDaemon"]):
        assert pod["env"] == [{"name": "DAGSTER_HOME", "value": "/opt/dagster"}]
        assert pod["volumeMounts"][0] == {
            "name": "sigma-instance", "mountPath": "/opt/dagster/dagster.yaml", "subPath": "dagster.yaml",
        }  # fmt: skip
        assert pod["envSecrets"] == [{"name": "sigma-secrets"}]
        assert pod["securityContext"] == pod["securityContext"] | RESTRICTED
    assert VALUES["dagsterWebserver"]["replicaCount"] == 0, "it has no guard; sigma.yaml starts the one that has"


def test_a_pod_that_read_the_charts_instance_by_mistake_would_find_no_database() -> None:
    """It names Dagster's own storage classes: with our database's address, runs would go on there, without heartbeats."""
    assert VALUES["postgresql"] == {"enabled": False, "postgresqlPassword": "unused"}


def test_what_waits_in_the_daemons_pod_is_bounded_and_the_readme_names_its_image() -> None:
    """The chart lets a pod wait for the database, at port 5432 only, and for the name of the code server's service."""
    daemon = VALUES["dagsterDaemon"]

    assert daemon["checkDbReadyInitContainer"] is False
    assert daemon["initContainerResources"].keys() == {"requests", "limits"}
    assert "`docker.io/busybox:1.28`" in README


def test_the_readme_restarts_every_deployment_by_its_name() -> None:
    """The chart names its deployments after the release, which is `dagster`."""
    ours = {each["metadata"]["name"] for each in MANIFESTS if each["kind"] == "Deployment"}
    of_chart = {"dagster-daemon", f"dagster-dagster-user-deployments-{CODE_SERVER['name']}"}

    restarted = {
        name
        for command in re.findall(r"kubectl rollout restart (.+)", README)
        for name in re.findall(r"deployment/(\S+)", command)
    }

    assert restarted == ours | of_chart


@pytest.mark.parametrize("version", ["1.25", "1.37"])
@pytest.mark.parametrize("values", [CODE_SERVER, VALUES["dagsterDaemon"]], ids=["code server", "daemon"])
def test_the_charts_pods_are_valid_with_our_values(values: dict[str, Any], version: str) -> None:
    """The chart copies these keys into its deployments as they are."""
    copied = ("env", "livenessProbe", "resources", "securityContext", "volumeMounts")
    container = {"name": "dagster", "image": "dagster:1"} | {key: values[key] for key in copied}
    container["envFrom"] = [
        *({"configMapRef": each} for each in values["envConfigMaps"]),
        *({"secretRef": each} for each in values["envSecrets"]),
    ]
    pod = {"containers": [container], "volumes": values["volumes"]}
    labels = {"app": "dagster"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "dagster"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }

    kubernetes_validate.validate(deployment, version, strict=True)
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


@pytest.mark.parametrize("values", [CODE_SERVER, VALUES["dagsterDaemon"]], ids=["code server", "daemon"])
def test_a_daemon_or_code_server_that_hangs_is_restarted_by_a_command_that_exists(values: dict[str, Any]) -> None:
    program, *words = values["livenessProbe"]["exec"]["command"]

    answer = subprocess.run([SCRIPTS / program, *words, "--help"], capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stderr
    assert words[-1] in ("liveness-check", str(CODE_SERVER["port"]))


def test_an_import_in_a_pod_reaches_the_webserver_and_our_code() -> None:
    """It asks for its run under the service's name, of the code location as the chart's workspace names it."""
    assert VALUES["dagsterWebserver"]["workspace"] == {
        "enabled": True,
        "servers": [
            {
                "host": CODE_SERVER["name"],  # the chart names the code server's service after the deployment
                "port": CODE_SERVER["port"],
                "name": REPOSITORY["repositoryLocationName"],
            }
        ],
    }
    (port,) = services()["sigma-webserver"]
    assert f"--from-literal=SIGMA_DAGSTER_REQUEST_URL=http://sigma-webserver:{port}" in README


def test_what_the_readme_puts_into_the_settings_are_settings() -> None:
    names = set(re.findall(r"--from-literal=([^=\s]+)=", README))
    settings = {variable for variable, _, _ in Settings().shown()}

    assert names - settings == {"SIGMA_NAMESPACE"}


def test_a_migration_is_waited_for_longer_than_an_image_takes_to_pull() -> None:
    """kubectl's own limit is half a minute."""
    assert re.search(r"kubectl wait --for=condition=complete\s+--timeout=10m job/sigma-migrate", README)


def test_no_variable_that_kubernetes_makes_of_a_service_is_taken_for_a_setting() -> None:
    """A service `sigma-status` gives every pod SIGMA_STATUS_PORT=tcp://10.0.0.1:3001, which no process would start with."""
    made = {}
    for service, ports in services().items():
        name = service.upper().replace("-", "_")
        made |= {f"{name}_SERVICE_HOST": "10.0.0.1", f"{name}_PORT": f"tcp://10.0.0.1:{ports[0]}"}
        for port in ports:
            made |= {f"{name}_SERVICE_PORT": str(port), f"{name}_SERVICE_PORT_HTTP": str(port)}
            made |= {f"{name}_PORT_{port}_TCP{suffix}": "tcp" for suffix in ("", "_PROTO", "_PORT", "_ADDR")}

    assert read_settings(made) == read_settings({})


def test_all_pods_are_of_one_image() -> None:
    of_chart = [each["image"] for each in (CODE_SERVER, VALUES["dagsterDaemon"], VALUES["dagsterWebserver"])]
    images = {f"{each['repository']}:{each['tag']}" for each in of_chart}

    assert images == {container["image"] for _, pod in pods() for container in pod["containers"]}
    assert len(images) == 1


def test_the_instance_differs_from_that_of_one_host_in_what_pods_need() -> None:
    one, pods_of = (yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (DEPLOY, KUBERNETES))

    assert pods_of.pop("run_launcher")["class"] == "MonitoredK8sRunLauncher"
    assert pods_of.pop("compute_logs")["class"] == "NoOpComputeLogManager"
    for name in ("run_monitoring", "concurrency"):
        assert pods_of.pop(name).keys() == one[name].keys()
        del one[name]
    del one["run_launcher"]
    assert pods_of == one
