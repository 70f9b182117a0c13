"""Which cases are measured, and what is said about them."""

from collections.abc import Iterator, Sequence

from benchmarks.measuring import Measured, exponent, in_child

Section = tuple[list[Measured], list[str]]
NEWEST = ("risk", "stress_tests", "performance")
"""Assets that 0.1 had not: they are to cost at most 35 % of the others."""


def quick() -> Iterator[Section]:
    """A first look: one portfolio at its true size, everything else small."""
    yield _calculations(naive_sessions=4)
    for database in ("sqlite", "postgres"):
        yield _onboarding(database)
    yield in_child("end_to_end", by_sensor=False) + in_child("end_to_end", by_sensor=True), []
    yield in_child("universe", database="sqlite", symbols=300, sessions=60), []
    yield in_child("nightly", database="postgres", symbols=300, portfolios=100), []
    yield in_child("planner_tick", portfolios=100), []


def full() -> Iterator[Section]:
    """Everything in SPEC section 8, then how cost grows."""
    yield _calculations(naive_sessions=20)
    for database in ("sqlite", "postgres"):
        yield _onboarding(database)
    yield in_child("end_to_end", by_sensor=False) + in_child("end_to_end", by_sensor=True), []
    yield in_child("universe", database="sqlite", symbols=1193), []
    yield in_child("nightly", database="postgres", symbols=1193, portfolios=1000), []
    yield in_child("planner_tick", portfolios=100) + in_child("planner_tick", portfolios=1000), []
    yield in_child("backfill", portfolios=19), []
    yield in_child("disk", database="sqlite") + in_child("disk", database="postgres"), []
    yield from scaling()


def scaling() -> Iterator[Section]:
    """Cost against symbols, sessions and portfolios, each with the exponent that fits."""
    axes = {
        "symbols": {n: in_child("universe", database="sqlite", symbols=n)[:1] for n in (27, 300, 1193)},
        "sessions": {n: in_child("onboarding", database="sqlite", sessions=n)[:1] for n in (1, 254, 1260)},
        "portfolios": {n: _portfolios(n) for n in (1, 100, 1000)},
    }
    for axis, points in axes.items():
        overall, last = exponent({size: lines[0].cpu for size, lines in points.items()})
        remark = f"CPU ~ {axis}^{overall:.2f} over all three sizes, ^{last:.2f} between the two largest; 1 is linear"
        yield [line for lines in points.values() for line in lines], [remark]


def _portfolios(count: int) -> list[Measured]:
    lines = in_child("nightly", database="sqlite", symbols=300, portfolios=count)
    return [line for line in lines if line.phase.startswith("portfolios")]


def _calculations(naive_sessions: int) -> Section:
    ours, theirs = in_child("numerics"), in_child("naive", sessions=naive_sessions)
    ratio = theirs[-1].cpu / ours[0].cpu
    remark = f"the naive way takes {ratio:,.0f} times the CPU of ours for the same numbers"
    return [*ours, *theirs], [remark, _newest(ours)]


def _newest(lines: Sequence[Measured]) -> str:
    """Return what the newest assets cost beside the others, of the lines of one case: one per asset."""
    cpu = {line.phase.strip(): line.cpu for line in lines if line.phase.startswith("  ")}
    newest = sum(cpu[name] for name in NEWEST)
    others = sum(cpu.values()) - newest
    return (
        f"{lines[0].case}: {', '.join(NEWEST)} take {newest:.2f} s CPU, {newest / others:.0%} of the {others:.2f} s of"
        f" the other {len(cpu) - len(NEWEST)}"
    )


def _onboarding(database: str) -> Section:
    """An onboarding, and what Dagster alone takes for the same events."""
    run, floor = in_child("onboarding", database=database), in_child("floor", database=database)[:1]
    remark = f"the run takes {run[0].cpu / floor[0].cpu:.2f} times the CPU of Dagster's floor"
    return [*run, *floor], [remark, _newest(run)]
