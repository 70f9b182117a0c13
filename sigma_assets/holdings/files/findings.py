"""What is noticed while a file is read: problems, doubts, skipped lines, warnings."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sigma_assets.base.errors import Problem
from sigma_assets.holdings.files.layout.dialects import MAX_PROBLEMS


class Skipped(NamedTuple):
    """A line of the file that is not imported, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that could be read in two ways: it is asked, or refused with its remedy, never guessed."""

    code: str
    line: int | None
    column: str | None
    value: str | None
    question: str
    remedy: str
    answer: str = ""
    """The option that a `yes` stands for, as a name of `ReadOptions`; empty where only a person can answer."""

    @classmethod
    def of_column(cls, code: str, line: int, column: str, value: str, question: str, remedy: str) -> "Doubt":
        """Ask about a column by one of its cells; leaving it out, which `{}` in the remedy names, is one answer."""
        return cls(code, line, column, value, question, remedy.format(shlex.quote(column)), "ignore_columns")

    def as_problem(self) -> Problem:
        """Return the refusal of who cannot be asked."""
        return Problem(self.code, self.line, self.column, self.value, self.remedy, self.question)


@dataclass
class Findings:
    """What was noticed while a file was read."""

    problems: list[Problem] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether there are enough problems to stop looking for more."""
        return len(self.problems) >= MAX_PROBLEMS

    def skip(self, line: int, cells: Iterable[str], reason: str) -> None:
        """Note a record that is not imported."""
        text = ",".join(cell for cell in cells if cell)[:80].replace("\n", " ")
        self.skipped.append(Skipped(line, text, reason))
