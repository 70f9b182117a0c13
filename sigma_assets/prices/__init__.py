"""Load prices, correct them, read them: the only room that knows providers and price tables."""
