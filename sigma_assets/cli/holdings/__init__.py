"""Commands about what portfolios hold: import, lots, trades, flows, sync."""
