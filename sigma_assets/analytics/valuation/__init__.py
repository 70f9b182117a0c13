"""What portfolios are worth: lots, options, snapshots, positions."""
