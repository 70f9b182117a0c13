"""A user's terminal: an empty home folder, simulated prices up to a fixed day, and the real command."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sigma_assets.cli.main import cli
from sigma_assets.settings import settings
from sigma_assets_tests.cli.files import HOLDINGS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's working folder with a holdings file."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "growth.csv").write_text(HOLDINGS)
    return folder


@pytest.fixture(scope="module")
def variables(folder: Path) -> dict[str, str]:
    """Return the user's environment: simulated prices up to 2024-03-15, and no Dagster anywhere."""
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "SIGMA_PRICES": "simulated:last=2024-03-15",
        "SIGMA_DAGSTER_URL": "http://127.0.0.1:9",
        "COLUMNS": "200",
    }


@pytest.fixture(scope="module")
def terminal(folder: Path, variables: dict[str, str]) -> Callable[..., subprocess.CompletedProcess]:
    """Return the command in a process of its own, as a user runs it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SIGMA_", "DAGSTER_"))}
    environment |= {**variables, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-W", "ignore", "-m", "sigma_assets.cli.main", *words]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    return run


@pytest.fixture(scope="module")
def sigma(folder: Path, variables: dict[str, str]) -> Callable[..., Result]:
    """Return the command in this process: the same code, without the start of an interpreter each time."""

    def run(*words: str, **more: str) -> Result:
        return invoked(folder, variables | more, *words)

    return run


def invoked(folder: Path, environment: Mapping[str, str], *words: str) -> Result:
    """Run the command in this process, as if it had started in a folder with an environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in [name for name in os.environ if name.startswith(("SIGMA_", "DAGSTER_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        settings.cache_clear()
        try:
            return CliRunner().invoke(cli, list(words), prog_name="sigma-assets")
        finally:
            settings.cache_clear()
