"""Which code a process has loaded, and the libraries that its numbers depend on: hosts that differ must not share work."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = ("dagster", "numpy", "pandas", "scipy")
_CODE = (".py", ".yaml", ".html", ".mako")


@cache
def code_version() -> str:
    """Return the version of this package with a digest of its files, and of the libraries behind its numbers.

    Asked early in the life of a process, it is about the code that the process has loaded.
    """
    digest = hashlib.blake2b(digest_size=4)
    for file in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _CODE):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"sigma_assets {version('sigma_assets')} (files {digest.hexdigest()}), {libraries}"
