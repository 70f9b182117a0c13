"""Independent re-computations used as oracles."""
