"""Factor betas of symbols, exposures of portfolios."""
