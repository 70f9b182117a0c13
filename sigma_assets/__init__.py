"""End-of-day portfolio risk as Dagster assets."""
