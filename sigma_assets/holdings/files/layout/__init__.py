"""From the bytes of a file to the columns of its tables, still as text."""
