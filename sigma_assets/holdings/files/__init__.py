"""From the bytes of a holdings file to lots and flows, step by step: text, table, cells, instruments, lots or trades."""
