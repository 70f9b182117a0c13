"""What is not known of a portfolio, for every place that shows it."""
