"""What a run's worker imports at work, ahead of it: the fork server imports this last, and workers are forked from it.

Importing opens nothing: no engine, no connection. The process in which this was imported is remembered, and what was
there then: whoever imports it without having been forked finds its own process id here, so that a cold start shows.
"""

# ruff: noqa: F401
import gc
import multiprocessing.popen_forkserver
import multiprocessing.queues
import multiprocessing.synchronize
import os
import sys

import dagster._core.definitions.external_asset
import dagster._core.definitions.repository_definition.repository_data_builder
import dagster._core.execution.plan.active
import dagster._core.execution.run_cancellation_thread
import dagster._core.execution.run_metrics_thread
import dagster._core.instance.factory
import dagster._core.secrets.env_file
import dagster._core.storage.local_compute_log_manager
import dagster._core.storage.migration.utils
import dagster._core.storage.root
import dagster._core.system_config.composite_descent
import dagster._core.utility_ops
import dagster._core.workspace.autodiscovery
import dagster._utils.test.definitions
import psycopg2.extras
import scipy.special
import upath.implementations.local

import sigma_assets.instance.launcher
import sigma_assets.instance.sqlite.storage
import sigma_assets.instance.warm.run_workers
import sigma_assets.providers.massive.provider
import sigma_assets.providers.simulated.provider
import sigma_assets.storage.migrations.journal_triggers
from sigma_assets.base.garbage import spare

PID = os.getpid()
MODULES = frozenset(sys.modules)

gc.collect()
spare()  # a collection in a worker would write to every object, and so copy the memory that it shares


def reason_for_cold_start(module: str) -> str | None:
    """Return why this process had to import a module by itself; None if it was forked from one that had imported it."""
    if os.getpid() == PID:
        return f"process {PID} was not forked from one with our code"
    if module not in MODULES:
        return f"process {PID}, which it was forked from, could not import {module}"
    return None
