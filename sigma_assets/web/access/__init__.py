"""Who may ask our servers what: names, tokens, origins, and how much one connection may take."""
