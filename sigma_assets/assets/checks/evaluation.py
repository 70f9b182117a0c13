"""Evaluation of checks: read the rows of a scope once, check them partition by partition, report to Dagster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg
import pandas as pd

from sigma_assets.assets.checks.domain import ERROR, DomainCheck, checks_of
from sigma_assets.assets.checks.latest import latest_table
from sigma_assets.assets.run_tables import RunTables
from sigma_assets.assets.tables import Tables
from sigma_assets.runs.failed_checks import FailedCheck
from sigma_assets.runs.partitions import Scope
from sigma_assets.storage.schema import FAMILIES

ROW_COUNT = "dagster/partition_row_count"
SHOWN = 20
"""Findings named in a check's metadata; the rest is counted."""
FIGURES: dict[str, tuple[str, ...]] = {
    "price_coverage": ("needed", "present"),
    "factor_coverage": ("needed", "present"),
    "metric_coverage": ("needed", "present"),
    "portfolio_snapshots": ("equity", "daily_return"),
    "betas": ("market_beta", "rates_beta"),
    "factor_exposures": ("value_exposure", "momentum_exposure"),
    "volatility": ("realized_21d", "expected_21d"),
    "correlations": ("mean_correlation",),
    "risk": ("var_95", "es_95"),
    "performance": ("return_ytd", "drawdown"),
}
"""Columns of an asset's first table, one row per partition, that Dagster plots over its partitions."""


@dataclass(frozen=True)
class Checked:
    """What the checks of an asset found in a scope.

    Attributes
    ----------
    found : what each check found, one line each; nothing where all is well.
    figures : rows stored and some numbers of each partition, by `(session as YYYY-MM-DD, portfolio id or "")`.
    names : portfolio id -> name, of the portfolios in scope.
    latest : what is stored for the last session, as a small Markdown table; empty if nothing is.
    """

    asset: str
    scope: Scope
    found: Mapping[DomainCheck, list[str]]
    figures: Mapping[tuple[str, str], Mapping[str, float]]
    names: Mapping[str, str]
    latest: str = ""

    @cached_property
    def failed(self) -> list[FailedCheck]:
        """What must hold whatever the prices, and does not: one per check and portfolio."""
        first, last = str(self.scope.first), str(self.scope.last)
        return [
            FailedCheck(
                self.asset,
                check.name,
                portfolio_id,
                self.names.get(portfolio_id, ""),
                first,
                last,
                len(lines),
                lines[0],
            )
            for check, findings in self.found.items()
            if check.severity == ERROR
            for portfolio_id, lines in self._by_portfolio(findings).items()
        ]

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """Yield what was found for Dagster, one result per check."""
        for check in self.found:
            yield dg.AssetCheckResult(asset_key=self.asset, check_name=check.name, **self._told(check))

    def evaluations(self) -> Iterator[dg.AssetCheckEvaluation]:
        """Yield what was found outside any run, for the event log."""
        for check in self.found:
            yield dg.AssetCheckEvaluation(asset_key=dg.AssetKey(self.asset), check_name=check.name, **self._told(check))

    def merged(self, other: "Checked") -> "Checked":
        """Return what was found here and in a scope of other sessions or portfolios, as one; without figures."""
        sessions = (
            pd.Index(self.scope.sessions).union(pd.Index(other.scope.sessions)).to_numpy().astype("datetime64[D]")
        )
        portfolio_ids = tuple(dict.fromkeys([*self.scope.portfolio_ids, *other.scope.portfolio_ids]))
        found = {check: [*lines, *other.found[check]] for check, lines in self.found.items()}
        return Checked(self.asset, Scope(sessions, portfolio_ids), found, {}, {**self.names, **other.names})

    def readable(self, finding: str) -> str:
        """Return a finding with the name of its portfolio in the place of the id."""
        owner = self._owner(finding)
        return self.names.get(owner, owner) + finding.removeprefix(owner) if owner else finding

    def _told(self, check: DomainCheck) -> dict[str, Any]:
        findings = self.found[check]
        shown = [self.readable(line) for line in findings[:SHOWN]]
        shown += [f"and {len(findings) - SHOWN} more"] if len(findings) > SHOWN else []
        told: dict[str, Any] = {"findings": len(findings), "sessions": f"{self.scope.first} to {self.scope.last}"}
        if self.scope.portfolio_ids:
            few = len(self.names) == 1
            told["portfolios"] = next(iter(self.names.values())) if few else f"{len(self.scope.portfolio_ids):,}"
        if findings:
            told["rows"] = dg.MetadataValue.md("\n".join(shown))
        return {
            "passed": not findings,
            "severity": check.severity,
            "description": "; ".join(shown[:3]) or None,
            "metadata": told,
        }

    def _by_portfolio(self, findings: Sequence[str]) -> dict[str, list[str]]:
        lines: dict[str, list[str]] = {}
        for finding in findings:
            owner = self._owner(finding)
            lines.setdefault(owner, []).append(finding.removeprefix(owner).removeprefix(":").strip())
        return lines

    def _owner(self, finding: str) -> str:
        head = finding.split(" on ", 1)[0].split(":", 1)[0]
        return head if head in self.names else ""


def specs_of(asset: str) -> list[dg.AssetCheckSpec]:
    """Return the declarations of an asset's checks.

    They belong to the asset's own step: a check of its own over partitions costs Dagster 30 ms per partition.
    """
    return [
        dg.AssetCheckSpec(check.name, asset=asset, description=check.description, blocking=check.severity == ERROR)
        for check in checks_of(asset)
    ]


def checked(asset: str, tables: Tables, scope: Scope) -> Checked:
    """Check what is stored in a scope, all of it as it is at one moment."""
    return RunTables.over(tables).at_one_moment(lambda stored: _checked(asset, stored, scope))


def _checked(asset: str, stored: Tables, scope: Scope) -> Checked:
    found = {check: list(check.find(stored, scope)) for check in checks_of(asset)}
    portfolios = stored.holdings(scope)[0] if scope.portfolio_ids else pd.DataFrame({"portfolio_id": [], "name": []})
    names = dict(zip(portfolios["portfolio_id"], portfolios["name"], strict=True))
    latest = latest_table(asset, stored, scope, names)
    return Checked(asset, scope, found, _figures(asset, stored, scope), names, latest)


def _figures(asset: str, stored: Tables, scope: Scope) -> dict[tuple[str, str], dict[str, float]]:
    """Return the rows of each partition, all tables of the asset together, and the figures of its first table."""
    figures: dict[tuple[str, str], dict[str, float]] = {}
    for table in FAMILIES[asset]:
        is_of_portfolios = "portfolio_id" in table.c
        rows = stored.rows(table.name, scope, None if is_of_portfolios else stored.symbols(scope))
        keys = ["session", "portfolio_id"] if is_of_portfolios else ["session"]
        for key, count in rows.groupby(keys).size().items():
            day, portfolio_id = key if is_of_portfolios else (key, "")
            of_partition = figures.setdefault((f"{day:%Y-%m-%d}", portfolio_id), {ROW_COUNT: 0})
            of_partition[ROW_COUNT] += int(count)
    numbers = FIGURES.get(asset, ())
    if numbers:
        head = stored.rows(FAMILIES[asset][0].name, scope)
        days = head["session"].dt.strftime("%Y-%m-%d")
        for day, portfolio_id, *values in zip(
            days, head["portfolio_id"], *(head[name] for name in numbers), strict=True
        ):
            known = {name: float(value) for name, value in zip(numbers, values, strict=True) if pd.notna(value)}
            figures[day, portfolio_id].update(known)
    return figures
