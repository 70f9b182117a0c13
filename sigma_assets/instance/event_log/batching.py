"""Turns on Dagster's batched events: without them 1,524 materialisations cost 71 s instead of 2.

Dagster reads both variables with each event, so importing this module at any time is enough. The modules that
dagster.yaml names import it, and so does the code location: nobody has to remember it. An explicit setting wins.
"""

import os

BATCH_SIZE = 5000
"""As many as a run has partitions (`planner.MAX_CELLS`), so that the materialisations of a step are stored together. They
come in no order: a worker killed between two batches left a thousand of them scattered over portfolios and sessions, and
what was missing between them took hundreds of runs."""

os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))
os.environ.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")
