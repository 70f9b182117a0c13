"""docs/dagster.md lists every file that imports a private module of Dagster, and the test that notices if it is gone."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import sigma_assets

PACKAGE = Path(sigma_assets.__file__).parent
ROOT = PACKAGE.parent


def rows() -> list[tuple[list[str], list[str]]]:
    """Return, of each row of the list, its files and its tests."""
    section = (ROOT / "docs" / "dagster.md").read_text().split("## Use of private modules")[1]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", row[0]), re.findall(r"`([\w/]+\.py)", row[-1])) for row in cells]


def importing_files() -> set[str]:
    """Return the files of the package that import from `dagster._*`, relative to it."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(module.startswith("dagster._") for module in modules):
                found.add(str(file.relative_to(PACKAGE)))
    return found


def test_the_list_names_every_file_with_a_private_import_and_no_other() -> None:
    patterns = [pattern for files, _ in rows() for pattern in files]
    importing = importing_files()

    assert [file for file in importing if not any(fnmatch(file, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(file, pattern) for file in importing)] == []


def test_the_tests_that_the_list_names_exist() -> None:
    named = [test for _, tests in rows() for test in tests]

    assert named
    assert [test for test in named if not (ROOT / "sigma_assets_tests" / test).exists()] == []
