"""What an alert says: the run, whose it was, how far it got, and the check or exception that failed it."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from sigma_assets.base.errors import StorageError
from sigma_assets.base.masking import masked
from sigma_assets.runs.history import story_of
from sigma_assets.runs.tags import SYMBOL_JOB
from sigma_assets.settings import Settings
from sigma_assets.storage.database import Database
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.roster import Roster, read_roster

logger = logging.getLogger(__name__)

Alert = Mapping[str, object]

CHECK_FAILED = "DagsterAssetCheckFailedError"
NAMED = 3
"""Portfolios of a run that an alert names; the rest is counted."""
PORTFOLIO_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class FailedCheck:
    """An asset check of severity ERROR that failed in a run.

    Attributes
    ----------
    finding : the first thing that the check found, one line; it may name a portfolio by its id.
    findings : how many things it found.
    """

    asset: str
    check: str
    finding: str
    findings: int


def alert_of(instance: dg.DagsterInstance, run_id: str, configured: Settings) -> Alert:
    """Return what there is to say about a failed run, as plain values with a line of text."""
    url = f"{configured.dagster_link}/runs/{run_id}"
    story = story_of(instance, _roster(configured), run_id, configured.calendar)
    if story is None:
        return {"run_id": run_id, "text": f"run {run_id} failed", "url": url}
    checks = failed_checks(instance, run_id)
    ids = story.cover.portfolio_ids
    mentioned = {found for check in checks for found in PORTFOLIO_ID.findall(check.finding)}
    names = _names(configured, {*ids[:NAMED], *mentioned})
    told = [_check_record(check, ids, names) for check in checks]
    blamed = {check.asset for check in checks}
    causes = [f"check {each['check']} of {each['asset']}{_of(each)}: {each['finding']}" for each in told]
    causes += [
        f"{asset or 'run'}: {kind}: {message}"
        for asset, kind, message in story.failures
        if not (kind == CHECK_FAILED and asset in blamed)
    ]
    if story.cover.job == SYMBOL_JOB:
        who = "the universe"
    else:
        who = _listed([names.get(each, each) for each in ids[:NAMED]], len(ids)) if ids else "portfolios"
    text = f"{story.cover.source} run of {who}, {story.cover.first} to {story.cover.last}, failed: {'; '.join(causes)}"
    plain = {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in story.record().items()}
    named = {each: names.get(each) for each in ids[:NAMED]}
    return {**plain, "portfolios": named, "checks": told, "text": masked(text), "url": url}


def _roster(configured: Settings) -> Roster:
    """Return the roster; an empty one where our database is away, which may be just what there is to tell."""
    try:
        return read_roster(Database(configured.database))
    except StorageError as error:
        logger.warning("the alert does not count portfolios: %s", error)
        return Roster((), (), ())


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[FailedCheck]:
    """Return the checks of severity ERROR that failed in a run, in the order of their evaluation."""
    failed = []
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    for record in instance.get_records_for_run(run_id, of_type=evaluated).records:
        found = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
        if found.passed or found.severity is not dg.AssetCheckSeverity.ERROR:
            continue
        rows = found.metadata.get("rows")
        text = str(rows.value) if rows is not None else found.description or "no finding was recorded"
        count = found.metadata.get("findings")
        findings = int(str(count.value)) if count is not None else 1
        failed.append(FailedCheck(found.asset_key.to_user_string(), found.check_name, text.splitlines()[0], findings))
    return failed


def _check_record(check: FailedCheck, ids: Sequence[str], names: Mapping[str, str]) -> dict[str, object]:
    """Return a failed check as plain values, its finding with names in place of ids."""
    mentioned = PORTFOLIO_ID.findall(check.finding)
    portfolio_id = mentioned[0] if mentioned else ids[0] if len(ids) == 1 else None
    finding = PORTFOLIO_ID.sub(lambda found: names.get(found[0], found[0]), check.finding)
    rest = f" (and {check.findings - 1:,} more)" if check.findings > 1 else ""
    return {
        "asset": check.asset,
        "check": check.check,
        "portfolio_id": portfolio_id,
        "portfolio": names.get(portfolio_id) if portfolio_id else None,
        "finding": finding + rest,
        "findings": check.findings,
    }


def _of(record: Mapping[str, object]) -> str:
    return f" failed for {record['portfolio'] or record['portfolio_id']}" if record["portfolio_id"] else " failed"


def _names(configured: Settings, ids: Collection[str]) -> dict[str, str]:
    """Return the names of portfolios, removed ones included; where our database is away, the alert goes out with ids."""
    database = Database(configured.database)
    try:
        known = portfolios(database, include_removed=True)
    except StorageError:
        return {}
    finally:
        database.dispose()
    return {row.portfolio_id: row.name for row in known.itertuples() if row.portfolio_id in ids}


def _listed(names: Sequence[str], total: int) -> str:
    rest = total - len(names)
    return f"{', '.join(names)} and {rest:,} more" if rest else ", ".join(names)
