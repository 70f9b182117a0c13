"""The newest Dagster, pre-releases included, in an environment of its own: do the definitions load, does an onboarding run?

`make canary` tells months ahead what a new release breaks. What it installs is thrown away.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("dagster>=1.13.27", "dagster-webserver>=1.13.27", "dagster-postgres>=0.29.27")
"""Without upper bounds: that is what a canary is for."""
HOLDINGS = "Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,10,180,2026-01-06\nSPY,5,500,2026-01-06\n"


def main() -> int:
    """Install, load, onboard; return the exit code of what failed first."""
    with tempfile.TemporaryDirectory(prefix="canary_") as folder:
        environment = Path(folder) / "venv"
        binaries = environment / "bin"
        uv = Path(sys.executable).with_name("uv")
        steps = [
            [str(uv), "venv", "--quiet", "--python", sys.executable, str(environment)],
            _install(uv, binaries, "--constraint", str(ROOT / "requirements.lock"), "--editable", str(ROOT)),
            _install(uv, binaries, "--prerelease", "allow", "--upgrade", "--constraint", _others(folder), *PACKAGES),
            [str(binaries / "python"), "-c", "import dagster; print('dagster', dagster.__version__)"],
            [str(binaries / "python"), "-c", "from sigma_assets.definitions import defs; defs.get_repository_def()"],
            [str(binaries / "sigma-assets"), "import", _holdings(folder), "--name", "Canary", "--equity", "100000"],
            [str(binaries / "sigma-assets"), "run"],
        ]
        home = str(Path(folder) / "home")
        variables = {**os.environ, "DAGSTER_HOME": home, "SIGMA_PRICES": "simulated", "UV_SYSTEM_CERTS": "1"}
        for step in steps:
            code = subprocess.run(step, env=variables, cwd=folder, check=False).returncode
            if code:
                print(f"the canary is dead: {' '.join(step)} ended with {code}", file=sys.stderr)  # noqa: T201
                return code
    return 0


def _install(uv: Path, binaries: Path, *what: str) -> list[str]:
    return [str(uv), "pip", "install", "--quiet", "--python", str(binaries / "python"), *what]


def _others(folder: str) -> str:
    """Return a file that holds every other package at our version: one thing is tried at a time."""
    file = Path(folder) / "others.txt"
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    file.write_text("\n".join(line for line in lock if not line.startswith("dagster")))
    return str(file)


def _holdings(folder: str) -> str:
    file = Path(folder) / "canary.csv"
    file.write_text(HOLDINGS)
    return str(file)


if __name__ == "__main__":
    sys.exit(main())
