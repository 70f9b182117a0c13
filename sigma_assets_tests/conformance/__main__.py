"""Fetch the sources of the installed Dagster, which ship its storage suites, and run these on our two storages."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

from sigma_assets_tests.postgres import URL_VARIABLE, PostgresServer

SUITES = Path(__file__).with_name("storage_suites.py")
CACHE = Path(sys.prefix) / "dagster-sources"
"""Below the virtual environment: outside the repository's own files, and gone with `make clean`."""


def fetched(release: str) -> Path:
    """Return the folder of a release's sources, downloaded by pip unless it is there."""
    folder = CACHE / f"dagster-{release}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory() as download:
        wanted = [f"dagster=={release}", "--no-binary", "dagster", "--no-deps", "--dest", download]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *wanted], check=True)
        (archive,) = Path(download).glob("*.tar.gz")
        with tarfile.open(archive) as sources:
            suites = [
                member for member in sources if member.name.startswith(f"{folder.name}/dagster_tests/storage_tests")
            ]
            sources.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # 3.11.2 has none
            sources.extractall(download, suites)
        CACHE.mkdir(exist_ok=True)
        shutil.move(Path(download) / folder.name, folder)
    return folder


def main(arguments: list[str]) -> int:
    """Run the suites, two at a time, against one PostgreSQL server; return pytest's exit code."""
    sources = fetched(version("dagster"))
    server = PostgresServer()
    os.environ[URL_VARIABLE] = server.url.render_as_string(hide_password=False)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(sources), str(SUITES.parents[2])])
    sys.path.insert(0, str(sources))
    options = ["-q", "-n", "2", "-p", "no:cacheprovider", "-o", "addopts=", "-W", "ignore", "-c", os.devnull]
    try:
        return pytest.main([*options, "--rootdir", str(SUITES.parent), str(SUITES), *arguments])
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
