"""A small pipeline with the names, partitions and job of the real one: what a status shows without what it computes.

Tags of a run steer it: `test/fail` names assets that raise, `test/retry` assets that succeed at the second attempt,
`test/warn` assets whose check finds something.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import date
from zlib import crc32

import dagster as dg

from sigma_assets.assets.progress import Progress
from sigma_assets.instance.in_process import execute_run
from sigma_assets.runs.fold.phases import PHASES, Phase
from sigma_assets.runs.partitions import portfolio_sessions_def, portfolios_def
from sigma_assets.runs.tags import PORTFOLIO_JOB, PlannedRun, run_tags
from sigma_assets.storage.roster import Roster

FIRST, LAST = date(2025, 1, 2), date(2025, 1, 10)
SESSIONS = 6  # 9 January 2025 was a national day of mourning
SYMBOLS = ("AAPL", "MSFT", "SPY")
TROUBLE = 'no <script>alert(1)</script> & "betas" today'

NEEDS = {
    "factor_coverage": ["price_coverage"],
    "metric_coverage": ["price_coverage"],
    "portfolio_snapshots": ["price_coverage"],
    "position_values": ["price_coverage"],
    "betas": ["position_values", "factor_coverage"],
    "factor_exposures": ["position_values", "factor_coverage"],
    "volatility": ["position_values"],
    "correlations": ["position_values"],
    "risk": ["position_values"],
    "stress_tests": ["position_values", "factor_coverage"],
    "performance": ["price_coverage"],
}

logger = logging.getLogger("sigma_assets.web_pipeline")


class EverySecond:
    """A clock that moves a second with each look, so that every count is written."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def _asset(phase: Phase) -> dg.AssetsDefinition:
    @dg.asset(
        name=phase.asset,
        partitions_def=portfolio_sessions_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=NEEDS.get(phase.asset, []),
        retry_policy=dg.RetryPolicy(max_retries=1),
        check_specs=[dg.AssetCheckSpec("complete", asset=phase.asset)],
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        tags = context.run.tags
        progress = Progress(context, phase.unit, len(SYMBOLS), EverySecond())
        for symbol in SYMBOLS:
            logger.info("%s: loaded", symbol)
            progress.advance(1, f"{symbol}: 20 sessions in 0.3 s")
        if phase.asset in tags.get("test/fail", "").split(","):
            raise dg.Failure(TROUBLE, allow_retries=False) from ValueError("the reason")
        if phase.asset in tags.get("test/retry", "").split(",") and context.retry_number == 0:
            raise RuntimeError("the first attempt fails")
        progress.finish()
        found = phase.asset in tags.get("test/warn", "").split(",")
        check = dg.AssetCheckResult(
            passed=not found,
            check_name="complete",
            severity=dg.AssetCheckSeverity.WARN,
            description="MSFT has no price" if found else None,
        )
        return dg.MaterializeResult(metadata={"rows": 1}, check_results=[check])

    return asset


definitions = dg.Definitions(
    assets=[_asset(phase) for phase in PHASES],
    jobs=[dg.define_asset_job(PORTFOLIO_JOB, selection="*")],
    executor=dg.in_process_executor,
)


def ordinal_of(portfolio_id: str) -> int:
    """Return the number that a portfolio has in every roster of these tests; its partition is named like it."""
    return int(portfolio_id[1:]) if portfolio_id[1:].isdigit() else 1_000 + crc32(portfolio_id.encode()) % 1_000_000


def roster_of(*portfolio_ids: str) -> Roster:
    """Return a roster of these portfolios."""
    ordinals, ids = zip(*sorted((ordinal_of(key), key) for key in portfolio_ids), strict=True)
    return Roster(ordinals, ids, ids)


def begin(
    instance: dg.DagsterInstance,
    portfolio_ids: Sequence[str],
    *,
    first: date = FIRST,
    last: date = LAST,
    assets: Sequence[str] = (),
    source: str = "onboarding",
    **steering: str,
) -> tuple[str, Iterator[dg.DagsterEvent]]:
    """Create a run over neighbouring portfolios; return its id and an iterator whose every step executes a bit of it."""
    name = str(portfolios_def.name)
    known = instance.get_dynamic_partitions(name)
    instance.add_dynamic_partitions(name, [key for key in portfolio_ids if key not in known])
    covered = PlannedRun((), first, last, tuple(portfolio_ids))
    tags = run_tags(covered, roster_of(*portfolio_ids), source=source, max_runtime_seconds=600)
    tags |= {f"test/{name}": value for name, value in steering.items()}
    chosen = frozenset(dg.AssetKey(asset) for asset in assets or [phase.asset for phase in PHASES])
    job = definitions.resolve_job_def(PORTFOLIO_JOB).get_subset(asset_selection=chosen)
    run = instance.create_run_for_job(job_def=job, asset_selection=chosen, tags=tags)
    return run.run_id, execute_run(job, run, instance)


def complete(instance: dg.DagsterInstance, portfolio_ids: Sequence[str], **options) -> str:
    """Execute a run to its end and return its id."""
    run_id, events = begin(instance, portfolio_ids, **options)
    for _ in events:
        pass
    return run_id
