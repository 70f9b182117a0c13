"""Bring a database to the schema of this version of the code, and refuse one that is not there."""

from sigma_assets.storage.migrations.runner import check, current, upgrade

__all__ = ["check", "current", "upgrade"]
