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
    "analytics/performance/performance.py": ["analytics/performance/test_performance.py"],
    "analytics/risk/volatility.py": _VOLATILITY,
    "analytics/risk/volatility_measures.py": _VOLATILITY,
    "analytics/risk/held.py": [
        "analytics/risk/test_portfolio_volatility.py",
        "analytics/risk/test_correlation.py",
        *_VOLATILITY,
    ],
    "analytics/series/metrics.py": ["analytics/series/test_metrics.py", "verification/test_methodology.py"],
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

EXPLAINED = {
    ("analytics/series/metrics.py", "for lag in range(reach + 1):", "1"): "further lags, at which nothing is due",
    (
        "analytics/factors/regression.py",
        "is_known = np.isfinite(fitted.beta).all(axis=0)",
        "all",
    ): "betas of a fit are known together",
    (
        "analytics/risk/volatility.py",
        "width = max(1, _CELLS // max(1, len(days)))",
        "1",
    ): "how many symbols come at once",
    (
        "analytics/risk/tails.py",
        "return returns <= TIE - var[:, None]",
        "<=",
    ): "a return that lies exactly a rounding above the quantile",
    (
        "analytics/risk/backtest.py",
        "return np.where(n > 0, np.maximum(2.0 * (observed - expected), 0.0), np.nan)",
        ">",
    ): "of no session the share of exceptions is not known anyway",
    (
        "analytics/risk/backtest.py",
        "_x_log(counts[i, j], counts[i, j] / np.where(from_state[i] > 0, from_state[i], 1.0))",
        "0",
    ): "1 or the count of a state that came once, which is 1",
    (
        "analytics/risk/backtest.py",
        "return total[..., ends] - total[..., np.maximum(ends - window, 0)]",
        "0",
    ): "the first session is judged by no session before it, so its flag is never set",
    (
        "analytics/risk/stress/shocks.py",
        "padded = np.pad(series, (DEVIATION_WINDOW - 1, 0), constant_values=np.nan)",
        "0",
    ): "one window more, which ends at no session",
    (
        "analytics/risk/stress/contracts.py",
        "known = np.isfinite(spot) & np.isfinite(volatility)",
        "&",
    ): "what one of the two is unknown of has no value, as what is left out",
    ("analytics/risk/nonnegative.py", "explained = np.zeros(target.shape[1:])", "1"): "one zero serves all problems",
    (
        "analytics/risk/nonnegative.py",
        "is_better = is_allowed & (gain > explained * (1.0 + 1e-14))",
        ">",
    ): "a gain of 0, whose coefficients are 0, or one that lies exactly a rounding above",
    ("analytics/risk/nonnegative.py", "is_allowed &= value > SINGULAR", ">"): "an angle that is exactly the limit",
    (
        "analytics/risk/nonnegative.py",
        "factor[i, i] = np.sqrt(np.where(value > SINGULAR, value, 1.0))",
        ">",
    ): "an angle that is exactly the limit",
    (
        "analytics/risk/nonnegative.py",
        "is_allowed &= solution[i] >= 0",
        ">=",
    ): "with a coefficient of 0 the fit is that of the smaller subset, which came before",
    (
        "analytics/risk/forecast.py",
        "_PAIR = {pair: number for number, pair in enumerate(zip(_LEFT.tolist(), _RIGHT.tolist(), strict=True))}",
        "True",
    ): "both halves of np.triu_indices are equally long",
    (
        "analytics/risk/forecast.py",
        "r_squared = np.where(r_squared < NO_SPREAD, 0.0, np.minimum(r_squared, 1.0))  # a constant alone explains nothing",
        "<",
    ): "an R^2 that is exactly the limit",
    (
        "analytics/risk/forecast.py",
        "earlier = np.where((rows >= lag)[:, None], regressors[1, np.maximum(rows - lag, 0)], np.nan)",
        ">=",
    ): "in the first week of a history nothing is forecast",
    (
        "analytics/risk/forecast.py",
        "earlier = np.where((rows >= lag)[:, None], regressors[1, np.maximum(rows - lag, 0)], np.nan)",
        "0",
    ): "in the first week of a history nothing is forecast",
    (
        "analytics/risk/joint_regression.py",
        "is_used &= _spread(np.where(there, factors, np.nan), there) > FLAT",
        ">",
    ): "a deviation that is exactly the limit",
    (
        "analytics/risk/joint_regression.py",
        "is_used &= squares > FLAT * np.sqrt(counted)",
        ">",
    ): "a deviation that is exactly the limit",
    (
        "analytics/risk/joint_regression.py",
        "moved = np.where(squares > counted * FLAT**2, squares, np.nan)",
        ">",
    ): "a deviation that is exactly the limit",
    (
        "analytics/risk/joint_regression.py",
        "count = np.maximum(there.sum(axis=2), 1)",
        "1",
    ): "a factor with one return does not move, with whatever it is divided by",
    (
        "analytics/performance/money_weighted.py",
        "total = -equity * np.ones_like(growth)",
        "*",
    ): "by one",
    (
        "analytics/performance/money_weighted.py",
        "is_open = (middle > low) & (middle < high)",
        "&",
    ): "a closed interval stays as it is, so that more steps only cost time",
    (
        "analytics/performance/money_weighted.py",
        "is_above = (_surplus(counts, years, equity, middle) >= 0) == rises",
        ">=",
    ): "from which side a root is reached that a step hits exactly",
    ("storage/frames/rows.py", "few = 0 < len(portfolios) <= LOCKED_ONE_BY_ONE", "<="): "which lock 64 portfolios take",
}
"""File, line, token -> why changing the token changes no result, so that no test can notice."""


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
