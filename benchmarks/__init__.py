"""What the pipeline costs, measured: `python -m benchmarks`, `python -m benchmarks --full`."""
