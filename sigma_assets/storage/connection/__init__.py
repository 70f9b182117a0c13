"""The database: how it is opened, waited for, and fenced."""
