"""The command of a worker host."""

import importlib.util
import os

import click

from sigma_assets.base.errors import SettingsError
from sigma_assets.cli.terminal.world import prepare_home


@click.command()
@click.option("--slots", default=lambda: os.cpu_count() or 1, show_default="number of processors",
              type=click.IntRange(1, 1024), help="How many runs at a time.")  # fmt: skip
def worker(slots: int) -> None:
    """Execute runs on this host, as launched through a broker (deploy/celery/README.md).

    SIGTERM: finish the runs under way, take no more, and end.
    """
    configured = prepare_home()
    if importlib.util.find_spec("dagster_celery") is None:
        raise SettingsError("a worker needs the extra `celery`: pip install 'sigma_assets[celery]'")
    import dagster as dg

    from sigma_assets.assets.tables import Tables
    from sigma_assets.definitions import defs
    from sigma_assets.instance.celery.worker import run_worker
    from sigma_assets.storage.connection.patience import patience

    Tables(configured).opened().dispose()  # refuses an older or newer schema now, not in the first run

    def warm(instance: dg.DagsterInstance) -> None:
        patience.seconds = configured.database_patience_seconds
        for job in defs.get_repository_def().get_all_jobs():
            _ = job.get_job_snapshot_id()
        instance.get_runs(limit=1)

    run_worker(slots, warm)
