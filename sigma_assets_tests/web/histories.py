"""Histories to judge: runs and step events, made by hand or at random."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from sigma_assets.runs.fold.facts import RunFacts, StepEvent
from sigma_assets.runs.fold.phases import PHASES
from sigma_assets.runs.fold.progress import Progress, onboarding_progress

ASSETS = tuple(phase.asset for phase in PHASES)
SESSIONS = 20


def run(number: int = 0, state: str = "running", first: int = 0, stop: int = SESSIONS, **other) -> RunFacts:
    """Return a run over some sessions, asked for all assets, started a hundred seconds after the one before."""
    begun = 1_000.0 + 100.0 * number
    facts = RunFacts(
        run_id=f"run-{number}",
        source="onboarding",
        state=state,
        created=begun,
        started=None if state == "queued" else begun,
        ended=None if state in ("queued", "running") else begun + 60.0,
        first=first,
        stop=stop,
        assets=frozenset(ASSETS),
        cells=stop - first,
    )
    return replace(facts, **other)


def events(*steps: tuple[str, str], begun: float = 1_000.0) -> tuple[StepEvent, ...]:
    """Return (kind, asset) events, one second apart."""
    return tuple(StepEvent(kind, asset, begun + second) for second, (kind, asset) in enumerate(steps, start=1))


def worked(*assets: str) -> list[tuple[str, str]]:
    """Return the events of steps that succeeded, one after another."""
    return [(kind, asset) for asset in assets for kind in ("start", "success")]


def there_of(*runs: RunFacts) -> dict[str, np.ndarray]:
    """Return what a history has materialised: all that steps which succeeded, or were cut off at their end, covered."""
    there = {asset: np.zeros(100, dtype=bool) for asset in ASSETS}
    for each in runs:
        done = {event.asset for event in each.events if event.kind == "success"} | each.materialized.keys()
        for asset in done & each.assets:
            there[asset][max(each.first, 0) : max(each.stop, 0)] = True
    return there


def judged(*runs: RunFacts) -> Progress:
    """Return where an onboarding with this history stands."""
    return onboarding_progress(0, runs, there_of(*runs))


@st.composite
def growing_histories(draw: st.DrawFn) -> list[list[RunFacts]]:
    """Return what a reader sees at one moment after another: each history continues the one before.

    Anything may happen in any order, also what Dagster would never do.
    """
    runs: list[RunFacts] = []
    seen: list[list[RunFacts]] = [[]]
    for _ in range(draw(st.integers(1, 40))):
        move = draw(st.sampled_from(["new run", "event", "event", "event", "event", "end"]))
        if move == "new run" or not runs:
            first = draw(st.sampled_from([0, 0, 0, -5, 3, 19]))
            stop = first + draw(st.integers(1, 30))
            assets = draw(st.frozensets(st.sampled_from(ASSETS), min_size=1) | st.just(frozenset(ASSETS)))
            state = draw(st.sampled_from(["queued", "running"]))
            runs = [*runs, run(len(runs), state, first, stop, assets=assets)]
        else:
            runs = _changed(draw, runs, move)
        seen.append(runs)
    return seen


def _changed(draw: st.DrawFn, runs: list[RunFacts], move: str) -> list[RunFacts]:
    at = draw(st.integers(0, len(runs) - 1))
    old = runs[at]
    if move == "end":
        if not old.in_flight:
            return runs
        new = run(at, draw(st.sampled_from(["succeeded", "failed", "canceled"])), old.first, old.stop)
        put_out = sorted({event.asset for event in old.events if event.kind == "output"} & old.assets)
        killed_late = draw(st.sets(st.sampled_from(put_out))) if put_out else set()
        there = dict.fromkeys(killed_late, new.cells)
        return [*runs[:at], replace(new, events=old.events, assets=old.assets, materialized=there), *runs[at + 1 :]]
    total = draw(st.none() | st.integers(0, 10))
    event = StepEvent(
        kind=draw(st.sampled_from(["start", "progress", "output", "retry", "success", "success", "failure", "skip"])),
        asset=draw(st.sampled_from([*ASSETS, "another_step"])),
        moment=old.created + len(old.events),
        current=draw(st.none() | st.integers(-1, 12)),
        total=total,
        text="ValueError: no",
    )
    return [*runs[:at], replace(old, events=(*old.events, event)), *runs[at + 1 :]]
