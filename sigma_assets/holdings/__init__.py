"""Holdings files: checked lots, or every problem at once."""
