"""The one fold of the events of runs: what was asked for, what is there, and how far it has come."""
