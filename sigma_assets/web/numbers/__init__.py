"""The numbers API: the rows of a portfolio's tables."""
