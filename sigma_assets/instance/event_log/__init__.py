"""What our event logs do otherwise than Dagster's."""
