"""DataFrames in and out of tables, many rows at once."""
