"""The formulas in docs/methodology.md, from where they stand: `python -m sigma_assets_tests.reports.explain.document PAGE`.

A page has a block between two marks for each asset; everything else on it is left as it is.
"""

import re
import sys
from pathlib import Path

from sigma_assets.base.conventions import FACTORS
from sigma_assets.base.formulas import Formula
from sigma_assets.reports.explain.formulas import FORMULAS
from sigma_assets.storage.schema import FAMILIES

BLOCK = re.compile(r"<!-- formulas: (\w+) -->\n.*?<!-- end of formulas -->\n", re.DOTALL)
SCENARIO = re.compile(r"scenario_\d\d|stress_\d+(?=\.)")
FEW = 2
"""Columns of a kind that are still written one by one; more are one line."""


def rewritten(page: str) -> str:
    """Return a page with the formulas of the code in its blocks."""
    return BLOCK.sub(
        lambda block: f"<!-- formulas: {block[1]} -->\n{_tables(block[1])}<!-- end of formulas -->\n", page
    )


def _tables(asset: str) -> str:
    parts = []
    for table in FAMILIES[asset]:
        parts.append(f"\n| `{table.name}` | formula | null where |\n|---|---|---|\n")
        kinds: dict[tuple[str, str, str], list[str]] = {}
        for column, formula in FORMULAS[table.name].items():
            kinds.setdefault(_kind(table.name, column, formula), []).append(column)
        for kind, columns in kinds.items():
            parts += (
                [_line(*kind, columns)]
                if len(columns) > FEW
                else [_line(*_cells(c, FORMULAS[table.name][c]), []) for c in columns]
            )
    return "".join(parts) + "\n"


def _kind(table: str, column: str, formula: Formula) -> tuple[str, str, str]:
    """Return the cells of a column with FACTOR and SCENARIO for its own, alike for all columns of a kind."""
    cells = _cells(column, formula)
    factor = next((name for name in sorted(FACTORS, key=len, reverse=True) if column.startswith(f"{name}_")), None)
    if factor is not None and f"{factor}_" in column and table != "risk_by_factor":
        return tuple(re.sub(rf"\b{factor}(?=_|\b)", "FACTOR", cell) for cell in cells)  # type: ignore[return-value]
    return tuple(SCENARIO.sub("SCENARIO", cell) for cell in cells)  # type: ignore[return-value]


def _cells(column: str, formula: Formula) -> tuple[str, str, str]:
    source = f" ({formula.source})" if formula.source else ""
    return column, formula.symbols + source, Formula(formula.unknown).symbols


def _line(name: str, formula: str, unknown: str, columns: list[str]) -> str:
    factors = [factor for factor in FACTORS if any(column == name.replace("FACTOR", factor) for column in columns)]
    which = f" of {', '.join(factors)}" if factors else f" ({len(columns)})" if columns else ""
    cells = f"`{name}`{which}", formula, unknown
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(rewritten(file.read_text(encoding="utf-8")), encoding="utf-8")
