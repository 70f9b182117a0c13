"""Why something that is there must be run again."""
