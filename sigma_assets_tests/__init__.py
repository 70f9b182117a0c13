"""The test suite. Its markets play in years that a new installation would no longer compute: they are let in here."""

import os

os.environ.setdefault("SIGMA_FIRST_SESSION", "2010-01-04")
