"""What is not known of a portfolio, with reason and remedy: `kinds` of gaps, read from what is entered and stored."""
