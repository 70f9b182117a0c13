"""The command line: one module per command group."""

from sigma_assets.base.garbage import collect_seldom

collect_seldom()
