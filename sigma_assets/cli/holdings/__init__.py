"""Commands for the holdings of portfolios: import, trade, close, correct, sync, undo, rename."""
