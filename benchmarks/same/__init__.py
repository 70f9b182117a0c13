"""Proof of a refactoring: the same histories through two versions of the code, and every number compared."""
