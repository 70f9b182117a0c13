"""The examples in the package's docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

import sigma_assets

ROOT = Path(sigma_assets.__file__).parent
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def _with_examples() -> list[str]:
    files = sorted(file for file in ROOT.rglob("*.py") if ">>> " in file.read_text())
    return [".".join(("sigma_assets", *file.relative_to(ROOT).with_suffix("").parts)) for file in files]


@pytest.mark.parametrize("module", _with_examples())
def test_the_examples_of_a_module_are_true(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(module), optionflags=OPTIONS)

    assert tried.attempted > 0, "no example was found where one is written"
    assert tried.failed == 0
