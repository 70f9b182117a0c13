"""The queue of a pool, such as the price source's: whoever waits gets the slot that is free.

In Dagster's own way a step looks whether a slot is free, and queues up if none is. If the slot becomes free in between,
nobody gives it to that step, and its run waits until it is ended for taking too long.
"""

from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._utils.concurrency import ConcurrencyClaimStatus

LOOK_SECONDS = 0.5
"""After which a waiting step looks again. Dagster's look after one second at first, and after fifteen in the end; ours keep
the price source for less than one, as a rule."""


class PoolQueue(SqlEventLogStorage):
    """An event log whose waiting steps ask for the free slot again, each time they look."""

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        """Claim a slot of a pool for a step, or queue up for it."""
        claim = super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        if not claim.is_assigned and self.has_unassigned_slots(concurrency_key):
            self.assign_pending_steps([concurrency_key])  # to the first in the queue, which need not be this one
            claim = super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        return claim if claim.is_claimed else claim.with_sleep_interval(LOOK_SECONDS)
