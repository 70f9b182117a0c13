"""The formula of a column, written once, beside the function that computes it: for docs, explanations and readers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

TERM = re.compile(r"\{([a-z_.0-9]+)\}")
SINCE = {
    "1d": "the previous session",
    "mtd": "the end of the previous month",
    "qtd": "the end of the previous quarter",
    "ytd": "the end of the previous year",
    "1m": "the same day 1 month earlier",
    "3m": "the same day 3 months earlier",
    "1y": "the same day 12 months earlier",
    "inception": "inception",
}
"""The day that a period is counted from, in words."""


@dataclass(frozen=True)
class Formula:
    """How a number is made.

    Attributes
    ----------
    text : with `{name}` for each number that it is made of: a column of the same row; `{before.equity}` one of the session
        before, `{snapshot.equity}` one of the portfolio's snapshot, `{position.price}`, `{lot.quantity}`, `{factors.beta}`,
        `{model.window}` a setting. `{last.63}` is a window of sessions, `{since.mtd}` the day that a period is counted from.
        A text made of numbers and of + - x / ( ) alone is arithmetic: filled in, it is the value.
    unknown : why the number is null where it is.
    source : where the method comes from; a number without one is a first chapter of a textbook.
    over : the table whose rows the text is summed over: those of the same portfolio and session.
    alike : of these the ones whose column of this name is the row's symbol.
    adds_up : whether the numbers of a symbol's lots add up to that of the symbol.
    """

    text: str
    unknown: str = ""
    source: str = ""
    over: str = ""
    alike: str = ""
    adds_up: bool = False

    @property
    def symbols(self) -> str:
        """The formula in names."""
        plain = TERM.sub(lambda term: _in_names(term.group(1)), self.text)
        which = f" of the same {self.alike}" if self.alike else ""
        return f"sum of {plain} over {self.over}{which}" if self.over else plain

    @property
    def names(self) -> list[str]:
        """The names of the numbers that it is made of."""
        return TERM.findall(self.text)

    def filled(self, value_of: Callable[[str], str]) -> str:
        """Return the formula with numbers for its names."""
        return TERM.sub(lambda term: value_of(term.group(1)), self.text)


def _in_names(term: str) -> str:
    kind, _, name = term.rpartition(".")
    if kind == "last":
        return f"the last {name if name.isdigit() else f'model.{name}'} sessions"
    return SINCE[name] if kind == "since" else term


Formulas = dict[str, dict[str, Formula]]
"""Table -> column -> formula."""
