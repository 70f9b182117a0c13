"""Runs on Kubernetes: the job that our launcher makes of one, and a silence that it does not take for death."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes_validate
import sqlalchemy as sa
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from sigma_assets.instance.health.heartbeats import TABLE, SilenceWatch
from sigma_assets.instance.postgres import heartbeats_of
from sigma_assets_tests.deployment.cluster import (
    CODE_SERVER,
    README,
    RESTRICTED,
    VALUES,
    kubernetes_api,
    new_run,
    on_kubernetes,
    pods,
)
from sigma_assets_tests.deployment.deployment import Deployment


def test_every_pod_that_connects_to_the_database_finds_the_certificate_that_the_readme_names(
    deployment: Deployment, tmp_path: Path
) -> None:
    named = re.findall(r"sslmode=(\S+)&sslrootcert=([^'\s]+)'", README)
    containers = [container for _, pod in pods() for container in pod["containers"]]
    of_chart = [CODE_SERVER, VALUES["dagsterDaemon"]]
    mounts = [each["volumeMounts"] for each in (*containers, *of_chart, launched(deployment, tmp_path)[1])]

    assert named == [("verify-full", "/etc/sigma/ca.pem")]
    assert all({"name": "sigma-ca", "mountPath": "/etc/sigma"} in each for each in mounts)
    assert "create configmap sigma-ca --from-file=ca.pem=" in README


def test_a_run_gets_the_resources_that_the_readme_promises(deployment: Deployment, tmp_path: Path) -> None:
    """Not those of the code server, which the chart writes into each run's configuration unless told otherwise."""
    job, container = launched(deployment, tmp_path)
    pod = job["spec"]["template"]["spec"]

    kubernetes_validate.validate(job, "1.37", strict=True)
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1536Mi"}}
    assert "A run's pod asks for one CPU and 1 GiB" in README
    assert container["image"] == "registry.example/sigma-assets:0.2.0"
    assert container["securityContext"] == container["securityContext"] | RESTRICTED
    assert {"name": "DAGSTER_HOME", "value": "/opt/dagster"} in container["env"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "sigma-settings"}},
        {"secretRef": {"name": "sigma-secrets"}},
    ]
    paths = [each["mountPath"] for each in container["volumeMounts"]]
    assert sorted(paths) == ["/etc/sigma", "/opt/dagster/dagster.yaml"]
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert pod["serviceAccountName"] == VALUES["serviceAccount"]["name"]


def launched(deployment: Deployment, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Launch a run of a code server with our values; return the job that Kubernetes gets, and its container."""
    image = f"{CODE_SERVER['image']['repository']}:{CODE_SERVER['image']['tag']}"
    repository = RepositoryPythonOrigin(
        "python",
        ModuleCodePointer("sigma_assets.definitions", "definitions"),
        container_image=image,
        container_context=container_context(),
    )
    with kubernetes_api(200, {}) as api, on_kubernetes(deployment, tmp_path, api.port) as instance:
        run = new_run(instance, JobPythonOrigin("portfolios", repository))
        instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    ((path, job),) = api.posted
    assert path == "/apis/batch/v1/namespaces/sigma/jobs"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return job, container


def container_context() -> dict[str, Any] | None:
    """Return what the chart has the code server put into its runs; it does so unless told otherwise."""
    if not CODE_SERVER.get("includeConfigInLaunchedRuns", {"enabled": True})["enabled"]:
        return None
    return {
        "k8s": {
            "image_pull_policy": CODE_SERVER["image"]["pullPolicy"],
            "env_config_maps": [each["name"] for each in CODE_SERVER["envConfigMaps"]],
            "env_secrets": [each["name"] for each in CODE_SERVER["envSecrets"]],
            "env": CODE_SERVER["env"],
            "volume_mounts": CODE_SERVER["volumeMounts"],
            "volumes": CODE_SERVER["volumes"],
            "resources": CODE_SERVER["resources"],
            "namespace": "sigma",
            "service_account_name": VALUES["global"]["serviceAccountName"],
        }
    }


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Return a run that this process has begun with, as its heartbeat says."""
    run = new_run(instance, None)
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
    with kubernetes_api(403, refused) as api, on_kubernetes(deployment, tmp_path, api.port) as instance:
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
    with kubernetes_api(200, failed) as api, on_kubernetes(deployment, tmp_path, api.port) as instance:
        run = started_run(instance)
        silent_for(instance, 20)
        answer = instance.run_launcher.check_run_worker_health(run)

    assert answer.status is WorkerStatus.FAILED
