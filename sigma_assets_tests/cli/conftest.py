"""A user's terminal: an empty home folder, simulated prices up to a fixed day, and the real command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sigma_assets_tests.cli.files import HOLDINGS

Terminal = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's working folder with a holdings file."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "growth.csv").write_text(HOLDINGS)
    return folder


@pytest.fixture(scope="module")
def sigma(folder: Path) -> Terminal:
    """Return the command `sigma-assets`, run in the user's folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SIGMA_", "DAGSTER_"))}
    environment |= {
        "DAGSTER_HOME": str(folder / "home"),
        "SIGMA_PRICES": "simulated:last=2024-03-15",
        "SIGMA_DAGSTER_URL": "http://127.0.0.1:9",  # nobody listens there
        "COLUMNS": "200",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }

    def run(*words: str, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-W", "ignore", "-m", "sigma_assets.cli.main", *words]
        return subprocess.run(
            command, cwd=folder, env=environment | more, capture_output=True, text=True, timeout=240, check=False
        )

    return run
