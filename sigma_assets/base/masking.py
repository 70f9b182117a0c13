"""Secrets out of texts that people read: settings, errors, logs, alerts, links."""

import re
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"

_LOGIN = re.compile(r"(?<=://)[^\s\"'<>]*@")
"""Up to the last @ of a word: a password that was not encoded may itself hold : / and @. A token may be the user's name."""
_NAMED = re.compile(
    r"(?i)(?<![a-z])((?:api[_-]?key|token|password|passwd|secret|access[_-]?key)[\"']?\s*[=:]\s*)"
    r"(?:(\")[^\"]*\"|(')[^']*'|[^\s&\"',;]+)"
)
_BEARER = re.compile(r"(?i)(\bbearer\s+)[^\s\"',;]+")


def masked(text: str) -> str:
    """Return a text with `***` in place of logins in addresses, and of values whose name says that they are secret."""
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    return _BEARER.sub(rf"\1{HIDDEN}", _NAMED.sub(rf"\1\2\3{HIDDEN}\2\3", text))


def without_login(url: str) -> str:
    """Return an address as it may be shown and linked: without user, password and a slash at its end."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
