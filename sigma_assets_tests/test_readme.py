"""The README is true: its commands exist, its settings are the settings, its files and tables are there."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from sigma_assets.base.conventions import SUBTYPES
from sigma_assets.cli.main import COMMANDS, cli
from sigma_assets.prices.registry import FACTORIES
from sigma_assets.settings import read_settings
from sigma_assets.storage.schema import FAMILIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Return every `sigma-assets ...` command line that the README shows in a code block."""
    blocks = re.findall(r"```\n(.*?)```", README, flags=re.S)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line.replace(".venv/bin/", "") for line in lines if "sigma-assets" in line]


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_is_a_command_with_these_options(line):
    words = line.split("#")[0].split()[1:]
    command = cli.get_command(click.Context(cli), words[0])

    assert command is not None, f"{words[0]} is not a command"
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("-")}
    assert {word for word in words[1:] if word.startswith("--")} <= options | {"--help"}


def test_every_command_is_in_the_readme():
    assert [name for name in COMMANDS if f"`{name}" not in README] == []


def test_every_command_has_one_row():
    rows = README.split("| command | what it does |")[1].split("\n\n")[0].splitlines()
    listed = [name for row in rows if row for name in re.findall(r"`([a-z]+)", row.split("|")[1])]

    assert sorted(name for name in listed if name != "db") == sorted(name for name in COMMANDS if name != "db")


@pytest.mark.parametrize("target", ["demo", "test", "check", "dev"])
def test_make_knows_the_targets_that_the_readme_names(target):
    answer = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stderr
    assert f"make {target}" in README


def test_the_table_of_settings_is_that_of_the_code():
    wanted = [
        f"| `{variable}` | {f'`{value}`' if value else ''} | {doc} |"
        for variable, value, doc in read_settings({}).shown()
    ]

    shown = [line for line in README.splitlines() if re.match(r"\| `(SIGMA|DAGSTER|MASSIVE)_", line)]
    assert shown == wanted


def test_every_asset_and_price_source_is_explained():
    assert [asset for asset in FAMILIES if f"`{asset}`" not in README] == []
    assert [source for source in FACTORIES if f"`{source}" not in README] == []


def test_every_file_that_the_readme_names_exists():
    named = re.findall(r"`((?:docs|deploy|sigma_assets)/[\w./]+)`", README)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_investment_classes_are_those_of_the_code():
    assert all(f"`{name}`" in README for name in SUBTYPES)
