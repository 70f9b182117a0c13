"""dagster.yaml and workspace.yaml say what Dagster understands, and several processes may start on them at once."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.workspace.config_schema import process_workspace_config
from dagster._serdes import deserialize_value, serialize_value

from sigma_assets.automation.planner import MAX_CELLS
from sigma_assets.instance.event_log.batching import BATCH_SIZE
from sigma_assets.instance.launcher import MonitoredRunLauncher
from sigma_assets.instance.sqlite.events import BatchedSqliteEventLogStorage
from sigma_assets_tests.together import work_together

CHECKOUT = Path(__file__).parents[2]

STARTER = """
import dagster as dg
import sigma_assets.instance.launcher, sigma_assets.instance.sqlite.storage

@dg.job
def nothing():
    pass

def work(_):
    with dg.DagsterInstance.get() as instance:
        for number in range(25):
            run = instance.create_run_for_job(nothing, tags={"number": str(number)})
            instance.add_run_tags(run.run_id, {"again": str(number)})
            instance.report_run_canceled(run)
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    (tmp_path / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def test_the_instance_is_what_dagster_yaml_says(home):
    with dg.DagsterInstance.get() as instance:
        queue = instance.get_concurrency_config().run_queue_config

        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        assert isinstance(instance.run_launcher, MonitoredRunLauncher)
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 30 * 60
        assert instance.run_monitoring_start_timeout_seconds + instance.run_monitoring_poll_interval_seconds < 120
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert queue.max_concurrent_runs == 4
        assert [limit["key"] for limit in queue.tag_concurrency_limits] == ["sigma/portfolio_id"]
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.managed_python_loggers == ["sigma_assets"]
        assert not instance.telemetry_enabled
    databases = {str(path.relative_to(home)) for path in home.rglob("*.db")}
    assert databases == {"history/runs.db", "history/event_log.db", "schedules/schedules.db"}


def test_an_instance_rebuilt_from_its_reference_is_the_same_one(home):
    """Run workers open the instance from a reference that travelled through JSON."""
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("portfolio", ["p1"])
        reference = deserialize_value(serialize_value(instance.get_ref()))

        with dg.DagsterInstance.from_ref(reference) as rebuilt:
            assert rebuilt.get_dynamic_partitions("portfolio") == ["p1"]


def test_opening_the_instance_turns_batching_on(home, monkeypatch):
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    monkeypatch.delenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", raising=False)
    question = (
        "import dagster as dg; i = dg.DagsterInstance.get(); s = i.event_log_storage;"
        " print(i._get_event_batch_size(), s.supports_partition_subset_in_asset_materialization_planned_events)"
    )

    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert answer.stdout.split() == ["5000", "True"]
    assert BATCH_SIZE >= MAX_CELLS, "a step is recorded whole or not at all"


def test_six_processes_that_create_an_instance_together_lose_no_run(home):
    work_together(STARTER, *"123456")

    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert len(runs) == 6 * 25
        assert {run.status for run in runs} == {dg.DagsterRunStatus.CANCELED}
        assert all(run.tags["number"] == run.tags["again"] for run in runs)


def test_the_workspace_has_one_code_location():
    workspace = process_workspace_config(yaml.safe_load((CHECKOUT / "workspace.yaml").read_text()))

    assert workspace.success
    (location,) = workspace.value["load_from"]
    assert location["python_module"]["module_name"] == "sigma_assets.definitions"
