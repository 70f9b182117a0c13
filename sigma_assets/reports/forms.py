"""How a report writes numbers; `-` stands for one that is not known."""

from typing import Any

UNKNOWN = "-"


def usd(value: float | None) -> str:
    """Return an amount: `1,234`; with cents below 100."""
    return _known(value, "{:,.2f}" if value is not None and abs(value) < 100 else "{:,.0f}")


def signed_usd(value: float | None) -> str:
    """Return an amount with its sign: `+1,234`."""
    return _known(value, "{:+,.2f}" if value is not None and abs(value) < 100 else "{:+,.0f}")


def percent(value: float | None) -> str:
    """Return a fraction in per cent: `12.3 %`."""
    return _known(value, "{:.1%}").replace("%", " %")


def signed_percent(value: float | None) -> str:
    """Return a fraction in per cent with its sign: `+1.25 %`."""
    return _known(value, "{:+.2%}").replace("%", " %")


def fine_percent(value: float | None) -> str:
    """Return a small fraction in per cent: `0.25 %`."""
    return _known(value, "{:.2%}").replace("%", " %")


def ratio(value: float | None) -> str:
    """Return a number with two decimals."""
    return _known(value, "{:.2f}")


def count(value: int | None) -> str:
    """Return a whole number."""
    return _known(value, "{:,d}")


def word(value: Any) -> str:
    """Return a word or a day."""
    return UNKNOWN if value is None else str(value)


def quantity(value: float) -> str:
    """Return shares or contracts: no more decimals than there are, at most 8."""
    return f"{value:,.8f}".rstrip("0").rstrip(".")


def factor_name(factor: Any) -> str:
    """Return a factor's name in words: `growth value spread`."""
    return str(factor).replace("_", " ")


def _known(value: Any, form: str) -> str:
    if value is None:
        return UNKNOWN
    text = form.format(value)
    return text if text.strip("+-0.,%") else text.lstrip("+-")  # nothing has no sign
