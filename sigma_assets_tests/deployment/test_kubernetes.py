"""deploy/kubernetes/: valid manifests that agree with each other, our storage in every pod, and a launcher that doubts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes_validate
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.launcher import WorkerStatus

from sigma_assets.instance.health.heartbeats import TABLE, SilenceWatch
from sigma_assets.instance.postgres import heartbeats_of
from sigma_assets_tests.automation.receivers import served
from sigma_assets_tests.deployment.deployment import CHECKOUT, Deployment, configured

DEPLOY = CHECKOUT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = [each for each in yaml.safe_load_all((KUBERNETES / "sigma.yaml").read_text()) if each]
VALUES = yaml.safe_load((KUBERNETES / "values.yaml").read_text())
CHART_KEYS = {
    "global", "dagsterWebserver", "dagster-user-deployments", "postgresql", "generatePostgresqlPasswordSecret",
    "runLauncher", "dagsterDaemon", "serviceAccount", "telemetry",
}  # fmt: skip
"""Keys of Dagster's chart that we use, as its schema names them; an unknown one would be ignored without a word."""


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the pod of each workload."""
    for manifest in MANIFESTS:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_the_manifests_are_valid(version: str) -> None:
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_every_pod_of_ours_is_unprivileged_bounded_and_has_the_instance_with_our_storage() -> None:
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        (container,) = pod["containers"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert {"memory"} <= container["resources"]["limits"].keys(), name
        assert {"memory", "cpu"} <= container["resources"]["requests"].keys(), name
        mounted = [each for each in container["volumeMounts"] if each["mountPath"] == "/opt/dagster/dagster.yaml"]
        assert [each["name"] for each in mounted] == ["sigma-instance"], name
        assert {"configMapRef": {"name": "sigma-settings"}} in container["envFrom"], name


def test_the_charts_pods_read_our_instance_and_nothing_that_the_chart_does_not_know_is_set() -> None:
    (code_server,) = VALUES["dagster-user-deployments"]["deployments"]

    assert set(VALUES) == CHART_KEYS
    for pod in (code_server, VALUES["dagsterDaemon"]):
        assert pod["env"] == [{"name": "DAGSTER_HOME", "value": "/opt/dagster"}]
        assert pod["volumeMounts"][0] == {
            "name": "sigma-instance", "mountPath": "/opt/dagster/dagster.yaml", "subPath": "dagster.yaml",
        }  # fmt: skip
        assert pod["envSecrets"] == [{"name": "sigma-secrets"}]
    assert VALUES["dagsterWebserver"]["replicaCount"] == 0, "it has no guard; sigma.yaml starts the one that has"


def test_all_pods_are_of_one_image() -> None:
    (code_server,) = VALUES["dagster-user-deployments"]["deployments"]
    of_chart = [each["image"] for each in (code_server, VALUES["dagsterDaemon"], VALUES["dagsterWebserver"])]
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


@contextmanager
def kubernetes_api(status: int, body: dict[str, Any]) -> Iterator[int]:
    """Serve one answer to everything; yield the port."""

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Api)
    with served(server):
        yield server.server_port


@contextmanager
def on_kubernetes(deployment: Deployment, tmp_path: Path, port: int) -> Iterator[dg.DagsterInstance]:
    """Open the deployment with the launcher of deploy/kubernetes, outside a cluster."""
    cluster = {"server": f"http://127.0.0.1:{port}"}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    made = configured(deployment.home, deployment.environment["SIGMA_DATABASE_URL"], KUBERNETES / "dagster.yaml")
    made.environment["SIGMA_NAMESPACE"] = "sigma"
    file = made.home / "dagster.yaml"
    content = yaml.safe_load(file.read_text())
    content["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    file.write_text(yaml.safe_dump(content))
    with made.entered() as instance:
        yield instance


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Return a run that this process has begun with, as its heartbeat says."""
    run = instance.create_run(
        job_name="portfolios", run_id=None, run_config=None, status=dg.DagsterRunStatus.STARTED, tags={},
        root_run_id=None, parent_run_id=None, step_keys_to_execute=None, execution_plan_snapshot=None,
        job_snapshot=None, parent_job_snapshot=None, asset_selection=None, asset_check_selection=None,
        resolved_op_selection=None, op_selection=None, remote_job_origin=None, job_code_origin=None, asset_graph=None,
    )  # fmt: skip
    heartbeats_of(instance).begin(run.run_id)
    return run


def silent_for(instance: dg.DagsterInstance, seconds: int) -> None:
    """Let every run's last sign of life be this old."""
    with heartbeats_of(instance)._engine.connect() as connection:
        then = sa.func.clock_timestamp() - sa.text(f"interval '{seconds} seconds'")
        connection.execute(sa.update(TABLE).values(beat_at=then))


def test_a_silent_api_server_is_no_dead_worker_and_a_silent_worker_is(deployment: Deployment, tmp_path: Path) -> None:
    """The stock launcher answers UNKNOWN in all these cases, which run monitoring takes for dead."""
    refused = {"kind": "Status", "message": "forbidden"}
    with kubernetes_api(403, refused) as port, on_kubernetes(deployment, tmp_path, port) as instance:
        run, launcher = started_run(instance), instance.run_launcher
        now = [0.0]
        launcher._watch = SilenceWatch(0.6, clock=lambda: now[0])

        fresh = launcher.check_run_worker_health(run)
        silent_for(instance, 300)
        answers = []
        for _ in range(6):  # silence counts from when it is listened to
            answers.append(launcher.check_run_worker_health(run))
            now[0] += 0.2

    assert (fresh.status, "Kubernetes" in fresh.msg) == (WorkerStatus.RUNNING, False)
    assert answers[0].status is WorkerStatus.RUNNING
    assert "although Kubernetes says" in answers[0].msg
    assert answers[-1].status is WorkerStatus.FAILED
    assert "has not been heard of for 30" in answers[-1].msg


def test_what_kubernetes_knows_of_a_job_counts(deployment: Deployment, tmp_path: Path) -> None:
    pod = {"spec": {"containers": [{"name": "run", "image": "sigma"}]}}
    ended = {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "j"}, "spec": {"template": pod}}
    failed = {**ended, "status": {"failed": 1}}
    with kubernetes_api(200, failed) as port, on_kubernetes(deployment, tmp_path, port) as instance:
        run = started_run(instance)
        silent_for(instance, 20)
        answer = instance.run_launcher.check_run_worker_health(run)

    assert answer.status is WorkerStatus.FAILED
