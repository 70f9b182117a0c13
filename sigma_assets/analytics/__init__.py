"""Pure calculations on arrays and frames."""
