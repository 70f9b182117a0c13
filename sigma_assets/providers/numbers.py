"""Numbers out of a vendor's JSON."""

import math

from sigma_assets.base.errors import ProviderError


def number(value: object, source: str) -> float:
    """Return a JSON number as float; null is NaN.

    Raises
    ------
    ProviderError
        It is neither a number nor null: the vendor has changed its answers, and guessing would store wrong prices.
    """
    if value is None:
        return math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ProviderError(
        f"{source}: expected a number or null, found {value!r}; the service may have changed its answers"
    )
