"""What deploy/kubernetes/ describes, and an API server that our launcher takes for that of Kubernetes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.origin import JobPythonOrigin

from sigma_assets_tests.automation.receivers import served
from sigma_assets_tests.deployment.deployment import CHECKOUT, Deployment, configured

DEPLOY = CHECKOUT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
README = (KUBERNETES / "README.md").read_text()
MANIFESTS = [each for each in yaml.safe_load_all((KUBERNETES / "sigma.yaml").read_text()) if each]
VALUES = yaml.safe_load((KUBERNETES / "values.yaml").read_text())
(CODE_SERVER,) = VALUES["dagster-user-deployments"]["deployments"]
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the Pod Security Standard `restricted` asks of a container or its pod."""


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the pod of each workload."""
    for manifest in MANIFESTS:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def services() -> dict[str, list[int]]:
    """Return the ports of each service that the pods see."""
    ours = [each for each in MANIFESTS if each["kind"] == "Service"]
    ports = {each["metadata"]["name"]: [port["port"] for port in each["spec"]["ports"]] for each in ours}
    return {**ports, CODE_SERVER["name"]: [CODE_SERVER["port"]]}


@dataclass
class ApiServer:
    """A server in place of the API server of Kubernetes.

    Attributes
    ----------
    posted : path and body of what was created.
    """

    port: int = 0
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@contextmanager
def kubernetes_api(status: int, body: dict[str, Any]) -> Iterator[ApiServer]:
    """Serve one answer to every question, and repeat what is created."""
    known = ApiServer()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(status, body)

        def do_POST(self) -> None:
            created = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known.posted.append((self.path, created))
            self._answer(201, created)

        def _answer(self, code: int, content: dict[str, Any]) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Api)
    with served(server):
        known.port = server.server_port
        yield known


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


def new_run(instance: dg.DagsterInstance, origin: JobPythonOrigin | None) -> dg.DagsterRun:
    """Return a run of portfolios; `origin` is what its code server says of itself."""
    return instance.create_run(
        job_name="portfolios", run_id=None, run_config=None, status=dg.DagsterRunStatus.STARTED, tags={},
        root_run_id=None, parent_run_id=None, step_keys_to_execute=None, execution_plan_snapshot=None,
        job_snapshot=None, parent_job_snapshot=None, asset_selection=None, asset_check_selection=None,
        resolved_op_selection=None, op_selection=None, remote_job_origin=None, job_code_origin=origin, asset_graph=None,
    )  # fmt: skip
