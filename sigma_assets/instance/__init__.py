"""What Dagster lacks on its own: storages that processes share, batched events, a launcher that notices dead workers."""

from sigma_assets.base.garbage import collect_seldom

collect_seldom()
