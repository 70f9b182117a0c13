"""The content of an alert: the run, its portfolios, its progress, and the check or exception that made it fail."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from sigma_assets.base.errors import StorageError
from sigma_assets.base.masking import masked
from sigma_assets.runs.failed_checks import failed_checks_of
from sigma_assets.runs.history import story_of
from sigma_assets.runs.tags import SYMBOL_JOB
from sigma_assets.settings import Settings
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.portfolios import portfolios
from sigma_assets.storage.roster import Roster, read_roster

logger = logging.getLogger(__name__)

Alert = Mapping[str, object]

CHECK_FAILED = dg.Failure.__name__
"""What a step raises because of its checks."""
NAMED = 3
"""Portfolios of a run, and failed checks, that the text of an alert names; the rest is counted."""
LISTED = 10
"""Portfolios, checks and failures that an alert lists: some receivers, such as Teams, refuse more than 28 kB."""
LONGEST = 500
"""Characters of a message in an alert."""


def alert_of(instance: dg.DagsterInstance, run_id: str, configured: Settings) -> Alert:
    """Return what there is to say about a failed run, as plain values with a line of text; that it failed, in any case.

    Raises
    ------
    SQLAlchemyError, StorageError
        Dagster's storage cannot be read.
    """
    try:
        return _told(instance, run_id, configured)
    except (SQLAlchemyError, StorageError):
        raise
    except Exception as error:  # whatever it is: that the run failed is told in any case
        logger.exception("run %s: an alert without details", run_id)
        text = (
            f"run {run_id} failed; its details cannot be read ({type(error).__name__}, see the log of the code server)"
        )
        return {"run_id": run_id, "text": text, "url": configured.run_url(run_id)}


def _told(instance: dg.DagsterInstance, run_id: str, configured: Settings) -> Alert:
    url = configured.run_url(run_id)
    roster, names = _known(configured)
    story = story_of(instance, roster, run_id, configured.calendar)
    if story is None:
        return {"run_id": run_id, "text": f"run {run_id} failed", "url": url}
    checks = failed_checks_of(instance, run_id)
    ids = story.cover.portfolio_ids
    told = [
        {**asdict(check), "portfolio": check.portfolio or None, "finding": _shortened(check.finding)}
        for check in checks[:LISTED]
    ]
    blamed = {check.asset for check in checks}
    causes = [str(check) for check in checks[:NAMED]]
    causes += [f"{len(checks) - NAMED:,} more failed checks"] if len(checks) > NAMED else []
    causes += [
        _shortened(f"{asset or 'run'}: {kind}: {message}")
        for asset, kind, message in story.failures
        if not (kind == CHECK_FAILED and asset in blamed)
    ]
    if story.cover.job == SYMBOL_JOB:
        who = "the universe"
    else:
        who = _listed([names.get(each, each) for each in ids[:NAMED]], len(ids)) if ids else "portfolios"
    text = f"{story.cover.source} run of {who}, {story.cover.first} to {story.cover.last}, failed: {'; '.join(causes)}"
    plain = {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in story.record().items()}
    plain |= {
        "portfolio_ids": list(ids[:LISTED]),
        "portfolio_count": len(ids),
        "failures": [
            {"asset": asset, "type": kind, "message": _shortened(message)}
            for asset, kind, message in story.failures[:LISTED]
        ],
    }
    named = {each: names.get(each) for each in ids[:NAMED]}
    return {
        **plain, "portfolios": named, "checks": told, "check_count": len(checks),
        "text": _shortened(masked(text), 3 * LONGEST), "url": url,
    }  # fmt: skip


def _shortened(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _known(configured: Settings) -> tuple[Roster, Mapping[str, str]]:
    """Return the roster, and portfolio id -> name, removed ones included.

    Both are empty where our database is away, which may be just what there is to tell: the alert goes out with ids.
    """
    database = Database(configured.database)
    try:
        known = portfolios(database, include_removed=True)
        return read_roster(database), dict(zip(known["portfolio_id"], known["name"], strict=True))
    except StorageError as error:
        logger.warning("the alert does not count portfolios: %s", error)
        return Roster((), (), ()), {}
    finally:
        database.dispose()


def _listed(names: Sequence[str], total: int) -> str:
    rest = total - len(names)
    return f"{', '.join(names)} and {rest:,} more" if rest else ", ".join(names)
