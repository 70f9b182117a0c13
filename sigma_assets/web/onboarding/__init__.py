"""From progress to the answer of the status API."""
