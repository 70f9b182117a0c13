"""Processes that begin the same work at the same moment; libraries are imported once, before they are forked."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FORKS = """
import os, sys
reading, writing = os.pipe()
processes = []
for argument in sys.argv[1:]:
    processes.append(os.fork())
    if processes[-1] == 0:
        os.close(writing)
        os.read(reading, 1)  # returns when the last process that could write has closed its end: all are there
        sys.stdout = open(1, "w", closefd=False)  # written at the exit as one piece, PYTHONUNBUFFERED or not
        work(argument)
        sys.exit()
os.close(writing)
sys.exit(sum(os.waitpid(process, 0)[1] != 0 for process in processes))
"""


def work_together(program: str, *arguments: str) -> list[str]:
    """Let a process for each argument do its work at once, check that all succeed, and return the lines they printed.

    Parameters
    ----------
    program : defines `work(argument)`. What it imports beside that, all processes share; it must open no database there:
        no connection may cross a fork.
    """
    done = subprocess.run(
        [sys.executable, "-c", program + FORKS, *arguments],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode} of {len(arguments)} processes failed: {done.stderr}"
    return done.stdout.splitlines()
