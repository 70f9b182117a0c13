"""Warm run workers: Celery keeps processes that have imported everything, with Redis between them and the daemon."""

import shutil
import socket
import sys
from pathlib import Path

LAUNCHER = """run_launcher:
  module: dagster_celery.launcher
  class: CeleryRunLauncher
  config: {{broker: "{address}/0", backend: "{address}/1"}}

"""
WORKER = """execution:
  config: {{broker: "{address}/0", backend: "{address}/1"}}
"""


def use_warm_workers(home: Path) -> list[list[str]]:
    """Let an instance launch its runs through Celery; return the commands of the two more services that this takes.

    Raises
    ------
    FileNotFoundError
        redis-server is not installed (Debian: redis-server), or dagster-celery is not (`pip install sigma_assets[celery]`).
    """
    redis, celery = shutil.which("redis-server"), Path(sys.executable).with_name("dagster-celery")
    if redis is None or not celery.exists():
        raise FileNotFoundError("warm workers need redis-server on the PATH and dagster-celery in this environment")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"redis://127.0.0.1:{port}"
    instance = home / "dagster.yaml"
    before, _, rest = instance.read_text().partition("run_launcher:")
    _, _, after = rest.partition("run_queue:")
    instance.write_text(f"{before}{LAUNCHER.format(address=address)}run_queue:{after}")
    worker = home / "celery.yaml"
    worker.write_text(WORKER.format(address=address))
    return [
        [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(home)],
        [
            *(sys.executable, str(celery), "worker", "start", "--app", "dagster_celery.app"),
            *("--config-yaml", str(worker), "--includes", "sigma_assets.definitions", "--", "--concurrency=2"),
        ],
    ]
