"""What the pipeline costs, measured: `python -m benchmarks`, `python -m benchmarks --full`."""

import sigma_assets  # noqa: F401  (before numpy: it keeps linear algebra to one thread, as in a run worker)
