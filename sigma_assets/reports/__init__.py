"""What is told of a portfolio: its gaps, for every place that shows it."""
