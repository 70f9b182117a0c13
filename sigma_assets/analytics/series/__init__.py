"""Series of prices and returns: windows, metrics, coverage."""
