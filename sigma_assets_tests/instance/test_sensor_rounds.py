"""The daemon looks every second which sensor is due."""

import subprocess
import sys

import pytest
from dagster._daemon import sensor


@pytest.mark.parametrize("module", ["sqlite.storage", "postgres"])
def test_a_daemon_that_opens_the_instance_has_short_rounds(module):
    told = (
        f"import dagster._daemon.sensor as loop; before = loop.MIN_INTERVAL_LOOP_TIME;"
        f"import sigma_assets.instance.{module}; print(before, loop.MIN_INTERVAL_LOOP_TIME)"
    )

    printed = subprocess.run([sys.executable, "-W", "ignore", "-c", told], capture_output=True, text=True, check=True)

    assert printed.stdout.split() == ["5", "1"]


def test_the_daemon_s_loop_reads_the_number_with_each_round():
    assert "MIN_INTERVAL_LOOP_TIME" in sensor.execute_sensor_iteration_loop.__code__.co_names
