"""Shared by commands: options, printing, opening the installation."""
