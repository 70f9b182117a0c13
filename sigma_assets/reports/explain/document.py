"""The page of all formulas, written from where they stand: `python -m sigma_assets.reports.explain.document`."""

import sys

from sigma_assets.base.formulas import Formula
from sigma_assets.reports.explain.formulas import FORMULAS, INPUTS
from sigma_assets.storage.schema import TABLES as SCHEMA

HEAD = """\
# Formulas

Every number that is stored, with its formula; `docs/methodology.md` explains the methods. This page is written from the
formulas beside the functions that compute (`make formulas`), which `sigma-assets explain` fills in with numbers, too.
`before.` is the session before, `snapshot.` the portfolio's snapshot, `position.` the lot's value, `lot.` the entered lot,
`ledger.` sums over the lots, `factors.` the symbol's betas, `risk.` the portfolio's risk, `model.` a setting.
"""


def document() -> str:
    """Return the page."""
    parts = [HEAD]
    for table, formulas in FORMULAS.items():
        if table in INPUTS:
            continue
        parts.append(f"\n## `{table}`\n\n{SCHEMA[table].comment}\n\n| number | formula | null where |\n|---|---|---|\n")
        parts += [_line(column, formula) for column, formula in formulas.items()]
    return "".join(parts)


def _line(column: str, formula: Formula) -> str:
    source = f" ({formula.source})" if formula.source else ""
    cells = f"`{column}`", formula.symbols + source, Formula(formula.unknown).symbols
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
