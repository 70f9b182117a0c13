"""The formula of a column, written once, beside the function that computes it: for docs, explanations and readers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

TERM = re.compile(r"\{([a-z_.0-9]+)\}")


@dataclass(frozen=True)
class Formula:
    """How a number is made.

    Attributes
    ----------
    text : with `{name}` for each number that it is made of: a column of the same row; `{before.equity}` one of the session
        before, `{snapshot.equity}` one of the portfolio's snapshot, `{position.price}`, `{lot.quantity}`, `{factors.beta}`,
        `{model.window}` a setting. A text made of these and of + - x / ( ) alone is arithmetic: filled in, it is the value.
    unknown : why the number is null where it is.
    source : where the method comes from; a number without one is a first chapter of a textbook.
    over : the table whose rows the text is summed over: those of the same portfolio and session.
    """

    text: str
    unknown: str = ""
    source: str = ""
    over: str = ""

    @property
    def symbols(self) -> str:
        """The formula in names."""
        plain = TERM.sub(lambda term: term.group(1), self.text)
        return f"sum of {plain} over {self.over}" if self.over else plain

    @property
    def names(self) -> list[str]:
        """The names of the numbers that it is made of."""
        return TERM.findall(self.text)

    @property
    def is_arithmetic(self) -> bool:
        """Whether the formula is made of numbers and operators alone."""
        return re.fullmatch(r"[-+/()\d., x]*", TERM.sub("", self.text)) is not None

    def filled(self, value_of: Callable[[str], str]) -> str:
        """Return the formula with numbers for its names."""
        return TERM.sub(lambda term: value_of(term.group(1)), self.text)


Formulas = dict[str, dict[str, Formula]]
"""Table -> column -> formula."""
