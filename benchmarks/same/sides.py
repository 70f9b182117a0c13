"""A side is a tree of code with a home of its own; what runs there runs in processes that import that tree's package."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.same.comparing import CompareError
from benchmarks.same.fixed_ids import COUNTER, SITECUSTOMIZE, TREE

COMMAND = "sigma-assets"
OURS = ("SIGMA_", "DAGSTER_", "MASSIVE_", "PYTHON")
"""Variables of the caller that must not reach a side."""
NOBODY = "http://127.0.0.1:9"
"""Where no webserver listens, so that an import asks none for a run."""
CALL = "import sys; from {module} import {attribute} as main; sys.argv[0] = '{command}'; sys.exit(main())"
EXPORTS = """
import contextlib, csv, io, json, sys
from {module} import {attribute} as main
printed = {{}}
for asset in json.loads(sys.argv[1]):
    sys.argv = ["{command}", "export", asset]
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    if code not in (0, None, 1):
        sys.exit(f"export {{asset}} ended with {{code}}: {{stderr.getvalue()}}")
    if code:
        stdout = io.StringIO()
        csv.writer(stdout).writerows([["refused"], [stderr.getvalue()]])
    printed[asset] = stdout.getvalue()
json.dump(printed, sys.stdout)
"""
"""All exports in one process: importing the package takes longer than an export. A refusal is what that export prints."""


@dataclass
class Side:
    """One version of the code, running one history in a fresh DAGSTER_HOME."""

    name: str
    tree: Path
    work: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Return its DAGSTER_HOME."""
        return self.work / "home"

    @property
    def database(self) -> Path:
        """Return its embedded database."""
        return self.home / "sigma.sqlite"

    def prepare(self, settings: Mapping[str, str]) -> None:
        """Make the folders, the start-up file and the environment of its processes."""
        startup = self.work / "startup"
        for folder in (startup, self.home):
            folder.mkdir(parents=True)
        (startup / "sitecustomize.py").write_text(SITECUSTOMIZE)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = {
            **inherited,
            "PYTHONPATH": os.pathsep.join([str(startup), str(self.tree)]),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "DAGSTER_HOME": str(self.home),
            "SIGMA_DAGSTER_URL": NOBODY,
            COUNTER: str(self.work / "counter"),
            TREE: str(self.tree),
            **settings,
        }

    def call(self, *arguments: str) -> str:
        """Run the command line with these arguments and return what it printed.

        Raises
        ------
        CompareError
            It failed; the message has its last lines.
        """
        done = self._python(CALL, arguments)
        if done.returncode:
            raise CompareError(
                f"{self.name}: `{COMMAND} {' '.join(arguments)}` ended with {done.returncode}:\n{_last(done)}"
            )
        return done.stdout

    def exportable(self) -> list[str]:
        """Return what `export` takes: the choices that it names when asked for something else."""
        done = self._python(CALL, ["export", "?"])
        found = re.findall(r"'([a-z][a-z0-9_]*)'", done.stderr)
        if done.returncode != 2 or not found:
            raise CompareError(
                f"{self.name}: `{COMMAND} export ?` names no assets; expected a usage error with the choices in quotes:"
                f"\n{_last(done)}"
            )
        return found

    def exports(self, assets: Sequence[str]) -> dict[str, str]:
        """Return what `export` prints for each asset."""
        done = self._python(EXPORTS, [json.dumps(list(assets))])
        if done.returncode:
            raise CompareError(f"{self.name}: `{COMMAND} export` failed:\n{_last(done)}")
        return json.loads(done.stdout)

    def _python(self, code: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        module, attribute = _entry_point(self.tree)
        program = code.format(module=module, attribute=attribute, command=COMMAND)
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, cwd=self.work, env=self.environment, capture_output=True, text=True, check=False)


def _entry_point(tree: Path) -> tuple[str, str]:
    scripts = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]
    if COMMAND not in scripts:
        raise CompareError(f"{tree / 'pyproject.toml'}: [project.scripts] has no {COMMAND}; found {', '.join(scripts)}")
    module, _, attribute = scripts[COMMAND].partition(":")
    return module, attribute


def _last(done: subprocess.CompletedProcess[str], lines: int = 25) -> str:
    return "\n".join(f"  {line}" for line in (done.stdout + done.stderr).splitlines()[-lines:])


@contextmanager
def checked_out(root: Path, reference: str) -> Iterator[Path]:
    """Check a commit out into a temporary worktree of git, and remove it afterwards, whatever happens.

    Raises
    ------
    CompareError
        There is no such commit.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if commit.returncode:
        raise CompareError(f"--ref {reference}: no such commit in {root}; expected a commit, branch or tag")
    folder = Path(tempfile.mkdtemp(prefix="sigma_same_"))
    tree = folder / "tree"
    try:
        added = _git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit.stdout.strip())
        if added.returncode:
            raise CompareError(f"git worktree add failed: {added.stderr.strip()}")
        yield tree
    finally:
        _git(root, "worktree", "remove", "--force", str(tree))
        shutil.rmtree(folder, ignore_errors=True)


def copy_tree(root: Path, folder: Path) -> None:
    """Copy the files of a working tree, new ones included, so that edits made meanwhile do not mix two versions."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode:
        raise CompareError(f"{root}: git cannot list its files: {listed.stderr.strip()}")
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():  # one that was deleted is listed until the deletion is committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
