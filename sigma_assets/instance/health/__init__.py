"""Whether the process behind a run lives, and may still write."""
