"""The templates of pages, and how they write numbers."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from sigma_assets.reports import forms

TINTS = 5
"""Shades on each side of zero."""


@cache
def environment(*packages: str) -> Environment:
    """Return the templates of the report and, before them, of further packages."""
    loader = ChoiceLoader([PackageLoader(package) for package in (*packages, "sigma_assets.reports")])
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"typeset": typeset, "tint": tint}
    return made


def typeset(text: str) -> str:
    """Return a number's text with a minus as printers set it, and a dash where there is none."""
    if text == forms.UNKNOWN:
        return "–"
    return f"−{text[1:]}" if text[0] == "-" and text[1:2].isdigit() else text


def tint(value: float) -> str:
    """Return the class of a tint: `plus-3`, `minus-1`, or none near zero."""
    shade = round(abs(value) * TINTS)
    return f"{'minus' if value < 0 else 'plus'}-{min(shade, TINTS)}" if shade else "plain"
