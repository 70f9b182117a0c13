"""Price sources, one file each, behind one protocol."""
