"""Tokens of the status server: the operator's opens everything, one derived from it opens one portfolio.

Nothing is stored. A new operator's token makes every derived one invalid.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from sigma_assets.base.errors import SettingsError

LEAST_CHARACTERS = 24
"""Whoever has a derived token can try operator's tokens on it at leisure: a short one would be found."""
_PURPOSE = "sigma_assets portfolio token 1:"


def portfolio_token(operator_token: str, portfolio_id: str) -> str:
    """Return the token that opens one portfolio: its id, and the HMAC-SHA256 of it under the operator's token.

    Raises
    ------
    SettingsError
        The operator's token is too short to be derived from.
    """
    if len(operator_token) < LEAST_CHARACTERS:
        raise SettingsError(
            f"SIGMA_STATUS_TOKEN has {len(operator_token)} characters; expected {LEAST_CHARACTERS} or more, since a"
            " portfolio's token would let its owner guess a shorter one: openssl rand -hex 24"
        )
    return f"{portfolio_id}.{_signature(operator_token, portfolio_id)}"


def is_operator(operator_token: str, given: str) -> bool:
    """Return whether this is the operator's token, in constant time."""
    return hmac.compare_digest(given.encode(), operator_token.encode())


def opened_portfolio(operator_token: str, given: str) -> str | None:
    """Return the id of the portfolio that a token opens; None if it opens none."""
    portfolio_id, _, signature = given.rpartition(".")
    genuine = hmac.compare_digest(signature.encode(), _signature(operator_token, portfolio_id).encode())
    return portfolio_id if genuine and portfolio_id else None


def _signature(operator_token: str, portfolio_id: str) -> str:
    digest = hmac.new(operator_token.encode(), (_PURPOSE + portfolio_id).encode(), sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
