"""The launcher of several hosts: Dagster's launcher for Celery, except that Celery is only asked to carry messages.

Whether a run lives is told by the process that executes it (`instance.health.heartbeats`); a run is canceled in Dagster's
storage, where that process sees it on whatever host it is. So the broker may be away, or restart, while runs go on, and
it needs neither a result backend nor remote control. Named in deploy/celery/dagster.yaml::

    run_launcher:
      module: sigma_assets.instance.celery.launcher
      class: HostsRunLauncher
      config: {broker: {env: SIGMA_BROKER_URL}}
"""

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from sigma_assets.base.errors import SettingsError
from sigma_assets.instance.code_version import code_version
from sigma_assets.instance.health.heartbeats import DEAD_AFTER_SECONDS, Heartbeats, SilenceWatch, health
from sigma_assets.instance.postgres import required_heartbeats
from sigma_assets.storage.connection.timeouts import SILENT_SECONDS

EXECUTE_RUN = "sigma_assets.execute_run"
QUEUE = "dagster"
_BROKER = {
    "socket_connect_timeout": 5,
    "socket_timeout": 10,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "max_retries": 2,
    "interval_start": 0.2,
    "interval_step": 0.5,
    "interval_max": 1.0,
}
_CELERY: dict[str, Any] = {
    "broker_transport_options": _BROKER,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # a worker waits for its broker however long it is away
    "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 1.0},
    "task_ignore_result": True,
    "task_acks_late": False,  # a run of a lost host is retried by Dagster, as a new run; the same one never runs twice
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,  # or a busy host keeps a run waiting that an idle host could do
    "worker_enable_remote_control": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}


class BrokerAwayError(DagsterUserCodeUnreachableError):
    """The broker cannot be reached; the name of its class makes Dagster put the run back into its queue."""


class HostsRunLauncher(CeleryRunLauncher):
    """Launches runs on whichever host has a free slot, and tells run monitoring which of them are lost.

    Parameters
    ----------
    broker : address of Redis, `rediss://:PASSWORD@HOST:PORT/0?ssl_cert_reqs=required&ssl_ca_certs=FILE` over TLS.
    dead_after_seconds : silence after which the work of a host is given away.
    """

    def __init__(
        self,
        broker: str,
        dead_after_seconds: float = DEAD_AFTER_SECONDS,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        self._code = code_version()
        self._watch = SilenceWatch(dead_after_seconds)
        super().__init__(QUEUE, broker, None, None, _CELERY, inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand a run to the broker.

        Raises
        ------
        BrokerAwayError
            It cannot be reached. The run goes back into Dagster's queue.
        """
        run = context.dagster_run
        message = {"run_id": run.run_id, "code": self._code}
        signature = self.celery.signature(EXECUTE_RUN, kwargs=message, immutable=True)
        try:
            self._launch_celery_task_run(run, signature, EXECUTE_RUN)
        except OperationalError as error:
            raise BrokerAwayError(
                f"the broker {maybe_sanitize_url(self.broker)} cannot be reached ({error}): check that Redis runs there, and"
                " that SIGMA_BROKER_URL is right. The run waits in Dagster's queue"
            ) from error

    def terminate(self, run_id: str) -> bool:
        """Cancel a run in Dagster's storage: its process, on whatever host, sees that within seconds and stops."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return True

    @property
    def supports_resume_run(self) -> bool:
        """A lost run is retried as a new one."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Judge a started run by how long ago the process that executes it showed a sign of life."""
        return health(run, self._instance, self._heartbeats, self._watch)

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Say where a run was last, or why none may have begun with it."""
        beat = self._heartbeats.last(run.run_id)
        if beat is not None:
            return f"executed by {beat}, heard of {beat.age:.0f} s ago"
        return (
            f"no worker has begun with it: check that `sigma-assets worker` runs on some host, reaches"
            f" {maybe_sanitize_url(self.broker)} and has the code {self._code}; and that max_concurrent_runs is not more"
            " than the slots of all workers together"
        )

    @property
    def _heartbeats(self) -> Heartbeats:
        return required_heartbeats(self._instance, type(self).__name__, "celery")

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """See the class's parameters."""
        return {
            "broker": dg.StringSource,
            "dead_after_seconds": dg.Field(float, is_required=False, default_value=DEAD_AFTER_SECONDS),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Return the launcher that dagster.yaml describes.

        Raises
        ------
        SettingsError
            Work would be given away before PostgreSQL has freed the locks of the host that is lost.
        """
        if config_value["dead_after_seconds"] <= SILENT_SECONDS:
            raise SettingsError(
                f"dagster.yaml: dead_after_seconds is {config_value['dead_after_seconds']:g}; expected more than"
                f" {SILENT_SECONDS}, the seconds after which PostgreSQL rolls back what a lost host had begun"
            )
        return cls(inst_data=inst_data, **config_value)
