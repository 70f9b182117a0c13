"""What a command costs before it does anything: no library is imported that it does not use."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from sigma_assets.base.garbage import YOUNG_OBJECTS
from sigma_assets.cli.main import COMMANDS, cli

HEAVY = ("dagster", "exchange_calendars", "fastapi", "numpy", "pandas", "pyarrow", "requests", "rich", "scipy", "sklearn",
         "sqlalchemy")  # fmt: skip
MODULES = sorted({f"sigma_assets.cli.{target.partition(':')[0]}" for target, _ in COMMANDS.values()})
PROGRAM = """
import importlib, json, os, sys
import sigma_assets.cli.main
def loaded():
    return sorted(name for name in {heavy} if name in sys.modules)
found = {{"--help": loaded()}}
for module in {modules}:
    reading, writing = os.pipe()
    if os.fork() == 0:
        importlib.import_module(module)
        os.write(writing, json.dumps(loaded()).encode())
        os._exit(0)
    os.close(writing)
    found[module] = json.loads(os.read(reading, 10_000))
    os.wait()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Return the heavy libraries that each command's module has loaded when it is there, each in a process of its own."""
    program = PROGRAM.format(heavy=HEAVY, modules=MODULES)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_help_loads_none_of_the_heavy_libraries(loaded):
    assert loaded["--help"] == []


@pytest.mark.parametrize("library", ["dagster", "exchange_calendars", "fastapi", "scipy", "sklearn"])
def test_no_command_loads_them_before_it_is_called(loaded, library):
    assert [module for module, libraries in loaded.items() if library in libraries] == []


@pytest.mark.parametrize(
    "module", ["access", "installation", "servers", "pipeline", "reading.checks", "reading.history"]
)
def test_commands_that_read_no_table_at_their_start_load_no_pandas(loaded, module):
    """Its 0.4 s and pyarrow's; what such a command needs, it loads when it is called."""
    assert {"pandas", "pyarrow"} & set(loaded[f"sigma_assets.cli.{module}"]) == set()


def test_a_command_that_reads_our_tables_loads_neither_dagster_nor_alembic_nor_a_calendar(tmp_path):
    """The whole of `portfolios`, not its start alone, on a database that has its tables."""
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path)}
    program = f"""
import json, sys
from sigma_assets.cli.main import cli
cli(["portfolios", "--json"], standalone_mode=False)
print(json.dumps(sorted(name for name in {(*HEAVY, "alembic", "uvicorn")} if name in sys.modules)))
"""
    for _ in range(2):  # the first makes the tables
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
        )
        assert answer.returncode == 0, answer.stderr

    assert json.loads(answer.stdout.splitlines()[-1]) == ["numpy", "pandas", "pyarrow", "rich", "sqlalchemy"]


def test_help_has_every_command_in_one_uncut_line():
    shown = CliRunner().invoke(cli, ["--help"], terminal_width=80, color=False).stdout

    assert [name for name, (_, line) in COMMANDS.items() if f"  {name}  " not in shown or line not in shown] == []
    assert [
        line for line in shown.splitlines() if len(line) > 80 or (line.endswith("...") and "Usage" not in line)
    ] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_fits_eighty_columns(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None

    shown = CliRunner().invoke(cli, [name, "--help"], terminal_width=80).stdout

    assert "Usage:" in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("module", ["sigma_assets.cli.main", "sigma_assets.instance.in_process"])
def test_our_processes_collect_garbage_seldom(module: str):
    told = subprocess.run(
        [sys.executable, "-c", f"import {module}, gc; print(gc.get_threshold()[0], gc.isenabled())"],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    assert told.stdout.split() == [str(YOUNG_OBJECTS), "True"]
