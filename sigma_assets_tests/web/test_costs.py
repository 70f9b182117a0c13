"""What a status costs, counted in queries: the same after one run and after five hundred."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
import sqlalchemy as sa

from sigma_assets.runs.history import RUNS_READ
from sigma_assets_tests.web.pipeline import complete


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the queries that any engine of this process executes."""
    queries: list[str] = []

    def note(connection, cursor, statement, *_):
        if statement.lstrip().startswith(("SELECT", "WITH")):
            queries.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield queries
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def _nights(instance: dg.DagsterInstance, run_id: str, count: int) -> None:
    """Store as many copies of a run."""
    run = instance.get_run_by_id(run_id)
    for number in range(count):
        instance.add_run(run._replace(run_id=f"{number:08d}-{run_id}"))


@pytest.mark.parametrize("fail", ["", "betas"], ids=["complete", "incomplete"])
def test_a_status_costs_the_same_after_one_run_and_after_five_hundred(embedded, fail):
    """A complete portfolio: one query more, since five hundred runs are not looked through at once. One that failed five
    hundred times: the newest runs are read, once each, and never again."""
    embedded.add_portfolio("P1")
    run_id = complete(embedded.instance, ["P1"], fail=fail)
    client = embedded.client()

    def cost() -> tuple[int, dict]:
        with counted() as queries:
            status = client.get("/api/v1/onboarding/status/P1").json()
        return len(queries), status

    first, (one, before) = cost(), cost()
    _nights(embedded.instance, run_id, 500)
    many_first, (many, after) = cost(), cost()

    assert before["status"] == after["status"] == ("partial" if fail else "completed")
    assert many <= one + 10, "the newest runs, and the portfolio's own ones"
    assert many_first[0] <= (first[0] + 10 if not fail else first[0] + 10 + 4 * RUNS_READ)
