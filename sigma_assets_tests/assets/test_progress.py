"""A running step says how far it is: about once a second, in the end, and never so often that it costs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from sigma_assets.assets.progress import MAX_LINES, Progress
from sigma_assets.runs.fold.events import read_events


@dataclass
class Clock:
    """Seconds that a test moves on."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return a fresh Dagster instance."""
    with dg.DagsterInstance.ephemeral() as fresh:
        yield fresh


def _observed(instance: dg.DagsterInstance, work: Callable[[Progress, Clock], None], total: int = 100) -> list:
    """Run a step that works; return its progress as a reader of the event log gets it."""

    @dg.asset
    def betas(context: dg.AssetExecutionContext) -> None:
        clock = Clock()
        work(Progress(context, "positions", total, clock), clock)

    run = dg.materialize([betas], instance=instance)
    events = read_events(instance, run.run_id).events
    kinds = [event.kind for event in events]
    assert kinds[0] == "start"
    assert kinds[-2:] == ["output", "success"]
    return [event for event in events if event.kind == "progress"]


def test_counts_are_written_once_a_second_and_in_the_end(instance):
    """Hundred positions, ten in a second: ten seconds, ten observations, the last of them also the final one."""

    def work(progress: Progress, clock: Clock) -> None:
        for _ in range(100):
            clock.now += 0.1
            progress.advance()
        progress.finish()

    seen = _observed(instance, work)

    assert 9 <= len(seen) <= 10
    assert seen[-1].current == seen[-1].total == 100
    assert {event.unit for event in seen} == {"positions"}
    counts = [event.current for event in seen]
    assert counts == sorted(set(counts))


def test_a_step_shorter_than_a_second_writes_one_observation(instance):
    """A thousand counts, nothing but the end."""

    def work(progress: Progress, clock: Clock) -> None:
        for _ in range(1000):
            clock.now += 0.0005
            progress.advance()
        progress.finish()

    assert [event.current for event in _observed(instance, work, total=1000)] == [1000]


def test_a_step_without_work_says_so(instance):
    """An empty portfolio: 0 of 0."""
    seen = _observed(instance, lambda progress, _: progress.finish(), total=0)

    assert [(event.current, event.total) for event in seen] == [(0, 0)]


def test_detail_is_kept_until_it_is_written_and_written_once(instance):
    """Line by line, in order."""

    def work(progress: Progress, clock: Clock) -> None:
        progress.advance(1, "AAPL: 254 sessions in 0.3 s")
        clock.now += 1.0
        progress.advance(1, "MSFT: 254 sessions in 0.7 s")
        progress.advance(1, "SPY: 254 sessions in 0.1 s")
        progress.finish()

    assert [event.text.splitlines() for event in _observed(instance, work)] == [
        ["AAPL: 254 sessions in 0.3 s", "MSFT: 254 sessions in 0.7 s"],
        ["SPY: 254 sessions in 0.1 s"],
    ]


def test_detail_of_very_many_is_cut(instance):
    """A universe of a thousand symbols in a second stays one event of bounded size."""

    def work(progress: Progress, clock: Clock) -> None:
        for number in range(1193):
            progress.advance(1, f"S{number}: 1 session")
        progress.finish()

    lines = _observed(instance, work, total=1193)[0].text.splitlines()

    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "... and 693 more"


def test_the_whole_is_reported_when_its_rows_are_stored_and_not_before(instance):
    """Everything is computed for seconds before its transaction ends, and could still be lost."""

    def work(progress: Progress, clock: Clock) -> None:
        for _ in range(4):
            clock.now += 1.0
            progress.reach(1.0)
        before.append(clock.now)
        progress.finish()

    before: list[float] = []
    assert [event.current for event in _observed(instance, work)] == [100]
    assert before == [104.0]


def test_a_share_of_the_whole_is_counted_once(instance):
    """By a third and again a third: 33, then 66, and never back."""

    def work(progress: Progress, clock: Clock) -> None:
        for share in (1 / 3, 1 / 3, 2 / 3, 0.5):
            clock.now += 1.0
            progress.reach(share)
        progress.finish()

    assert [event.current for event in _observed(instance, work)] == [33, 33, 66, 66, 100]
