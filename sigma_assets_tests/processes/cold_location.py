"""The gated location, which a fork server cannot import."""

import sys

if any("multiprocessing.forkserver" in argument for argument in sys.orig_argv):
    raise ImportError("this location cannot be imported by a fork server")

from sigma_assets_tests.processes.gated_location import defs

__all__ = ["defs"]
