"""What if: shocks of one factor at a time, and replays of what happened before."""
