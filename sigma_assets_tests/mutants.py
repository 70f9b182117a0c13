"""Mutation probe: change one token of a calculation in a copy, run its tests, and see whether any notices.

    python -m sigma_assets_tests.mutants [--count 72] [--seed 1] [--only analytics/risk/tails.py] [--list]

Prints one line per mutant and the survivors at the end; exit code 1 if fewer than 95 % were killed. Not part of
`make test`: it takes a quarter of an hour. docs/verification.md has the last outcome and explains what survived.
"""

import argparse
import ast
import io
import random
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sigma_assets_tests.explained_mutants import EXPLAINED

ROOT = Path(__file__).parents[1]
REQUIRED = 0.95
TIMEOUT = 240.0

_VALUATION = [
    "analytics/valuation/test_valuation.py",
    "analytics/valuation/test_snapshots.py",
    "analytics/valuation/test_valuation_missing_prices.py",
    "verification/test_methodology.py",
    "analytics/valuation/test_valuation_identities.py",
    "analytics/valuation/test_valuation_bits.py",
]
_OPTIONS = [
    "analytics/valuation/test_options.py",
    "verification/test_published.py",
    "analytics/valuation/test_valuation_options.py",
    "oracles/test_option_lots.py",
]
_VOLATILITY = [
    "analytics/risk/test_volatility.py",
    "analytics/risk/test_forecast.py",
    "analytics/risk/test_portfolio_volatility.py",
    "verification/test_methodology.py",
    "verification/test_planted_volatility.py",
    "analytics/series/test_metrics.py",
    "analytics/risk/test_risk_independence.py",
]
_REGRESSION = [
    "analytics/factors/test_regression.py",
    "verification/test_published.py",
    "verification/test_methodology.py",
    "verification/test_planted_betas.py",
    "oracles/test_factor_betas.py",
    "analytics/factors/test_regression_independence.py",
]
_CORRELATION = [
    "analytics/risk/test_correlation_matrix.py",
    "analytics/risk/test_correlation.py",
    "verification/test_methodology.py",
    "verification/test_planted_correlations.py",
    "analytics/risk/test_risk_independence.py",
]
_STORAGE = [
    "storage/frames/test_rows.py",
    "cli/test_prices.py",
    "prices/test_gaps.py",
    "storage/test_holdings.py",
    "storage/test_portfolios.py",
    "storage/connection/test_database.py",
]
TESTS: dict[str, list[str]] = {
    "analytics/series/returns.py": ["analytics/series/test_returns.py", "verification/test_methodology.py"],
    "analytics/series/windows.py": ["analytics/series/test_windows.py", *_VOLATILITY],
    "analytics/factors/least_squares.py": _REGRESSION,
    "analytics/factors/regression.py": _REGRESSION,
    "analytics/risk/forecast.py": ["analytics/risk/test_forecast.py"],
    "analytics/risk/nonnegative.py": ["analytics/risk/test_nonnegative.py", "analytics/risk/test_forecast.py"],
    "analytics/risk/tails.py": ["analytics/risk/test_tails.py", "analytics/risk/test_attribution.py"],
    "analytics/risk/backtest.py": ["analytics/risk/test_backtest.py", "analytics/risk/test_attribution.py"],
    "analytics/risk/joint_regression.py": ["analytics/risk/test_joint_regression.py"],
    "analytics/risk/held_book.py": ["analytics/risk/test_attribution.py"],
    "analytics/risk/held_rows.py": ["analytics/risk/test_attribution.py"],
    "analytics/risk/attribution.py": ["analytics/risk/test_attribution.py"],
    "analytics/risk/stress/scenarios.py": ["analytics/risk/stress/test_scenarios.py"],
    "analytics/risk/stress/replays.py": [
        "analytics/risk/stress/test_replays.py",
        "analytics/risk/stress/test_stress.py",
    ],
    "analytics/risk/stress/shocks.py": ["analytics/risk/stress/test_stress.py"],
    "analytics/risk/stress/contracts.py": ["analytics/risk/stress/test_stress.py"],
    "analytics/risk/stress/tables.py": ["analytics/risk/stress/test_stress.py"],
    "analytics/performance/money_weighted.py": ["analytics/performance/test_money_weighted.py"],
    "analytics/performance/ratios.py": ["analytics/performance/test_ratios.py"],
    "analytics/series/moments.py": ["analytics/performance/test_ratios.py"],
    "analytics/performance/performance.py": ["analytics/performance/test_performance.py"],
    "analytics/risk/volatility.py": _VOLATILITY,
    "analytics/risk/volatility_measures.py": _VOLATILITY,
    "analytics/risk/held.py": [
        "analytics/risk/test_portfolio_volatility.py",
        "analytics/risk/test_correlation.py",
        *_VOLATILITY,
    ],
    "analytics/series/metrics.py": ["analytics/series/test_metrics.py", "verification/test_methodology.py"],
    "analytics/series/periods.py": ["analytics/series/test_metrics.py", "analytics/performance/test_performance.py"],
    "analytics/risk/correlation/correlations.py": _CORRELATION,
    "analytics/risk/correlation/matrix.py": _CORRELATION,
    "analytics/risk/correlation/tables.py": _CORRELATION,
    "analytics/series/coverage.py": ["analytics/series/test_coverage.py", "verification/test_methodology.py"],
    "analytics/factors/exposures.py": ["analytics/factors/test_exposures.py", "verification/test_methodology.py"],
    "analytics/valuation/identities.py": ["analytics/valuation/test_identities.py"],
    "analytics/valuation/snapshots.py": _VALUATION,
    "analytics/valuation/values.py": [*_VALUATION, "analytics/valuation/test_valuation_options.py"],
    "analytics/valuation/ledger.py": [
        *_VALUATION,
        "analytics/valuation/test_valuation_options.py",
        "oracles/test_option_lots.py",
    ],
    "analytics/valuation/lots.py": [*_VALUATION, "analytics/valuation/test_valuation_options.py"],
    "analytics/valuation/options.py": [*_OPTIONS, *_VALUATION],
    "analytics/series/suspicion.py": ["analytics/series/test_suspicion.py"],
    "storage/frames/rows.py": [*_STORAGE, "verification/test_checks.py"],
    "prices/tables.py": _STORAGE,
    "prices/history.py": _STORAGE,
    "prices/gaps.py": ["prices/test_gaps.py", *_STORAGE],
    "storage/holdings.py": ["storage/test_holdings.py", *_STORAGE],
    "storage/frames/columns.py": ["storage/frames/test_columns.py", *_STORAGE],
    "storage/contract.py": ["storage/frames/test_columns.py", "verification/test_checks.py"],
    "automation/planner.py": ["automation/test_planner.py"],
}
"""Which tests answer for a file, quickest first."""

SWAPS = {
    "+": "-", "-": "+", "*": "/", "/": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "&": "|", "|": "&", "+=": "-=", "-=": "+=", "*=": "/=", "and": "or", "or": "and", "True": "False",
    "False": "True", "maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max", "any": "all",
    "all": "any", "argmax": "argmin", "isfinite": "isnan", "cumsum": "cumprod", "first": "last",
    '"left"': '"right"', '"right"': '"left"',
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One token replaced: `old` at a line and column of a file under sigma_assets/ becomes `new`."""

    file: str
    line: int
    column: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.old} -> {self.new}"

    def explanation(self, source: str) -> str | None:
        """Return why no test can notice, where that is known."""
        return EXPLAINED.get((self.file, source.splitlines()[self.line - 1].strip(), self.old))

    def applied(self, source: str) -> str:
        """Return the source with the token replaced."""
        lines = source.splitlines(keepends=True)
        text = lines[self.line - 1]
        assert text[self.column :].startswith(self.old)
        lines[self.line - 1] = text[: self.column] + self.new + text[self.column + len(self.old) :]
        return "".join(lines)


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a file that still parses; annotations, imports, error texts and defaults stay as they are."""
    spared = _spared_lines(ast.parse(source))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line, column = token.start
        if line in spared:
            continue
        new = SWAPS.get(token.string)
        if token.type == tokenize.NUMBER and token.string.isdigit():
            new = str(int(token.string) + 1)
        if new is None or token.type not in (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
            continue
        mutant = Mutant(file, line, column, token.string, new)
        try:
            ast.parse(mutant.applied(source))
        except SyntaxError:
            continue
        yield mutant


def _spared_lines(tree: ast.AST) -> set[int]:
    spared: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.AnnAssign):
            spared.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.ClassDef):
            spared.update(decorator.lineno for decorator in node.decorator_list)  # frozen or not, nothing is written
        if isinstance(node, ast.FunctionDef):
            spared.update(range(node.lineno, node.body[0].lineno))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "NDArray":
            spared.add(node.lineno)
    return spared


def killed_by(mutant: Mutant, copy: Path) -> str | None:
    """Return what noticed the mutant, or None if nothing did."""
    target = copy / "sigma_assets" / mutant.file
    original = target.read_text(encoding="utf-8")
    target.write_text(mutant.applied(original), encoding="utf-8")
    tests = [path for path in dict.fromkeys(TESTS[mutant.file]) if (copy / "sigma_assets_tests" / path).exists()]
    command = [
        sys.executable, "-B", "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider",
        "-k", "not postgresql", *(f"sigma_assets_tests/{path}" for path in tests),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return "time-out"
    finally:
        target.write_text(original, encoding="utf-8")
    if done.returncode == 0:
        return None
    if done.returncode not in (1, 2):
        raise RuntimeError(f"{mutant}: pytest ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
    found = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return found[0].removeprefix("FAILED ").partition(" - ")[0] if found else "tests"


def chosen(count: int, seed: int, only: str | None) -> list[Mutant]:
    """Return so many mutants at random, spread evenly over the files."""
    lottery = random.Random(seed)
    pools = []
    for file in sorted(TESTS if only is None else [only]):
        pool = list(mutants_of(file, (ROOT / "sigma_assets" / file).read_text(encoding="utf-8")))
        lottery.shuffle(pool)
        pools.append(pool)
    picked: list[Mutant] = []
    while len(picked) < count and any(pools):
        picked += [pool.pop() for pool in pools if pool]
    return picked[:count]


def main() -> int:
    """Run the probe."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=72)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only")
    options.add_argument("--list", action="store_true", help="print the mutants and stop")
    asked = options.parse_args()
    mutants = chosen(asked.count, asked.seed, asked.only)
    say = sys.stdout.write
    if asked.list:
        say("".join(f"{mutant}\n" for mutant in mutants))
        return 0
    survivors, explained = [], 0
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        copy = Path(folder)
        for name in ("sigma_assets", "sigma_assets_tests", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        shutil.copy(ROOT / "dagster.yaml", copy)
        for number, mutant in enumerate(mutants, start=1):
            if why := mutant.explanation((copy / "sigma_assets" / mutant.file).read_text(encoding="utf-8")):
                explained += 1
                say(f"{number:3d} no result changes: {mutant}  {why}\n")
                continue
            killer = killed_by(mutant, copy)
            survivors += [] if killer else [mutant]
            say(f"{number:3d} {'killed  ' if killer else 'SURVIVED'} {mutant}  {killer or ''}\n")
            sys.stdout.flush()
    total = len(mutants) - explained
    killed = total - len(survivors)
    say(f"\n{killed} of {total} mutants killed ({killed / total:.0%}); {explained} more change no result\n")
    say("".join(f"survived: {mutant}\n" for mutant in survivors))
    return 0 if killed >= REQUIRED * total else 1


if __name__ == "__main__":
    sys.exit(main())
