"""Asking a Dagster webserver for a run, over GraphQL: what an import does, so that nobody waits for a sensor.

Knows no Dagster, so that importing a portfolio costs no import of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from sigma_assets.base.errors import SigmaError
from sigma_assets.base.masking import without_login
from sigma_assets.runs.tags import PORTFOLIO_JOB

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "sigma_assets"}
DIMENSION = "portfolio"
CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 15.0

_LOCATION = """query($s: RepositorySelector!) {
  repositoryOrError(repositorySelector: $s) { __typename ... on PythonError { message } } }"""
_ADD = """mutation($s: RepositorySelector!, $d: String!, $k: String!) {
  addDynamicPartition(repositorySelector: $s, partitionsDefName: $d, partitionKey: $k) {
    __typename ... on PythonError { message } ... on UnauthorizedError { message } } }"""
_LAUNCH = """mutation($p: ExecutionParams!) {
  launchRun(executionParams: $p) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on UnauthorizedError { message } ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message } } }"""

_MADE = "AddDynamicPartitionSuccess"


class WebserverError(SigmaError):
    """The Dagster webserver is not there, or does not do what it is asked."""


@dataclass(frozen=True)
class Webserver:
    """A Dagster webserver that serves the code location `sigma_assets`."""

    url: str

    @property
    def shown(self) -> str:
        """The address for messages, without a login."""
        return without_login(self.url)

    def check(self) -> None:
        """Make sure that it answers and has loaded our code.

        Raises
        ------
        WebserverError
            It does not, or has not.
        """
        self._ask(_LOCATION, "repositoryOrError", "Repository", {"s": REPOSITORY})

    def request_onboarding(self, partition_name: str, tags: Mapping[str, str]) -> str:
        """Make a portfolio a partition and launch the run that these tags describe; return the run's id.

        Raises
        ------
        WebserverError
            The webserver cannot be reached, or refuses.
        """
        added = {"s": REPOSITORY, "d": DIMENSION, "k": partition_name}
        self._ask(_ADD, "addDynamicPartition", (_MADE, "DuplicateDynamicPartitionError"), added)
        return self.launch(tags)

    def launch(self, tags: Mapping[str, str]) -> str:
        """Launch the run of portfolios that these tags describe; return its id.

        Raises
        ------
        WebserverError
            The webserver cannot be reached, or refuses.
        """
        parameters = {
            "selector": {**REPOSITORY, "jobName": PORTFOLIO_JOB},
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = self._ask(_LAUNCH, "launchRun", "LaunchRunSuccess", {"p": parameters})
        return str(launched["run"]["runId"])

    def _ask(self, query: str, field: str, wanted: str | tuple[str, ...], variables: Mapping[str, Any]) -> Any:
        try:
            response = requests.post(
                f"{self.url.rstrip('/')}/graphql",
                json={"query": query, "variables": dict(variables)},
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            )
        except requests.RequestException as error:
            raise WebserverError(f"no Dagster webserver at {self.shown}") from error
        try:
            body = response.json()
        except ValueError as error:
            raise WebserverError(
                f"{self.shown} answers {response.status_code}, which is not a Dagster response"
            ) from error
        answer = (body.get("data") or {}).get(field) if isinstance(body, dict) else None
        if not isinstance(answer, dict):
            raise WebserverError(f"{self.shown} answers {response.status_code}: {str(body)[:300]}")
        if answer["__typename"] not in ((wanted,) if isinstance(wanted, str) else wanted):
            said = answer.get("message", "").strip()
            raise WebserverError(f"{self.shown}: {field} answers {answer['__typename']}{f': {said}' if said else ''}")
        return answer
