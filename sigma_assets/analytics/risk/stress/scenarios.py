"""Scenarios of the stress tests: read from YAML, every problem reported at once (SPEC 4.11)."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

from sigma_assets.base.conventions import MOST_SCENARIOS, RISK_FACTORS
from sigma_assets.base.errors import SettingsError

SIZES = ("move", "basis_points", "deviations")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LARGEST = {"move": 10.0, "basis_points": 2_000.0, "deviations": 20.0}


@dataclass(frozen=True)
class Shock:
    """A move of one factor; `unit` is one of `SIZES`."""

    name: str
    factor: str
    unit: str
    size: float


@dataclass(frozen=True)
class Replay:
    """Closes of two dates; with `worst_sessions` the worst such stretch up to the session instead, and no dates."""

    name: str
    first: date | None = None
    last: date | None = None
    worst_sessions: int | None = None


@dataclass(frozen=True)
class Scenarios:
    """Shocks, then replays, in the order of their file."""

    shocks: tuple[Shock, ...]
    replays: tuple[Replay, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all scenarios: a scenario's number is its place here, from 1."""
        return (*(shock.name for shock in self.shocks), *(replay.name for replay in self.replays))


def standard_scenarios() -> Scenarios:
    """Return the scenarios that come with the package."""
    text = files("sigma_assets.analytics.risk.stress").joinpath("scenarios.yaml").read_text(encoding="utf-8")
    return parse_scenarios(text, "scenarios.yaml")


def parse_scenarios(text: str, source: str) -> Scenarios:
    """Return the scenarios of a YAML text.

    Parameters
    ----------
    source : name of the file, for errors.

    Raises
    ------
    SettingsError
        The text is not YAML, or a scenario cannot be used; lists every problem with its scenario, what was found and
        what was expected.
    """
    import yaml  # slow to import, and settings need it only where somebody brings scenarios

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a date that no calendar has
        raise SettingsError(f"{source}: not YAML: {error}") from error
    if not isinstance(content, dict) or not set(content) <= {"shocks", "replays"} or not content:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise SettingsError(f"{source}: found {found or 'nothing'}; expected the lists `shocks` and `replays`")
    problems: list[str] = []
    shocks = tuple(_each(content.get("shocks"), "shocks", _shock, problems))
    replays = tuple(_each(content.get("replays"), "replays", _replay, problems))
    names = list(Scenarios(shocks, replays).names)
    problems += [f"name {name!r} comes twice; expected names that differ" for name in _twice(names)]
    if len(names) > MOST_SCENARIOS:
        problems.append(f"found {len(names)} scenarios; expected at most {MOST_SCENARIOS}")
    if problems:
        raise SettingsError(f"{source}: scenarios cannot be used:\n  " + "\n  ".join(problems))
    return Scenarios(shocks, replays)


def _each(items: object, kind: str, read: Callable[[Mapping[str, Any]], Any], problems: list[str]) -> Iterator[Any]:
    if items is None:
        return
    if not isinstance(items, list):
        problems.append(f"{kind}: found {type(items).__name__}; expected a list")
        return
    for number, item in enumerate(items, start=1):
        try:
            if not isinstance(item, dict):
                raise ValueError(f"found {item!r}; expected keys and values")
            if not isinstance(item.get("name"), str) or not _NAME.fullmatch(item["name"]):
                raise ValueError(
                    f"found name {item.get('name')!r}; expected lower-case letters, digits and _, at most 40"
                )
            yield read(item)
        except ValueError as error:
            name = item.get("name") if isinstance(item, dict) else None
            problems.append(f"{kind} {number}{f' ({name})' if name else ''}: {error}")


def _shock(item: Mapping[str, Any]) -> Shock:
    _check_keys(item, {"name", "factor", *SIZES})
    if item.get("factor") not in RISK_FACTORS:
        raise ValueError(f"found factor {item.get('factor')!r}; expected one of {', '.join(RISK_FACTORS)}")
    units = [unit for unit in SIZES if unit in item]
    if len(units) != 1:
        raise ValueError(f"found {' and '.join(units) or 'no size'}; expected exactly one of {', '.join(SIZES)}")
    (unit,) = units
    if unit == "basis_points" and item["factor"] != "rates":
        raise ValueError(f"found basis_points for {item['factor']}; expected move or deviations (yields are rates)")
    size = item[unit]
    is_number = isinstance(size, int | float) and not isinstance(size, bool) and math.isfinite(size)
    if not is_number or size == 0 or abs(size) > _LARGEST[unit]:
        raise ValueError(
            f"found {unit} {size!r}; expected a number other than 0 from -{_LARGEST[unit]:g} to {_LARGEST[unit]:g}"
        )
    if unit == "move" and size <= -1:
        raise ValueError(f"found move {size!r}; expected more than -1, a total loss")
    return Shock(item["name"], item["factor"], unit, float(size))


def _replay(item: Mapping[str, Any]) -> Replay:
    _check_keys(item, {"name", "first", "last", "worst_sessions"})
    if "worst_sessions" in item:
        count = item["worst_sessions"]
        if "first" in item or "last" in item:
            raise ValueError("found worst_sessions and dates; expected one of them")
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1000:
            raise ValueError(f"found worst_sessions {count!r}; expected a whole number from 1 to 1000")
        return Replay(item["name"], worst_sessions=count)
    for key in ("first", "last"):
        if type(item.get(key)) is not date:
            raise ValueError(f"found {key} {item.get(key)!r}; expected a date such as 2020-02-19")
    if item["first"] >= item["last"]:
        raise ValueError(f"found {item['first']} to {item['last']}; expected first before last")
    return Replay(item["name"], item["first"], item["last"])


def _check_keys(item: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(str(key) for key in set(item) - allowed)
    if unknown:
        raise ValueError(f"unknown key {', '.join(unknown)}; expected {', '.join(sorted(allowed))}")


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
