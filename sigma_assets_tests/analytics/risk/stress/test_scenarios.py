"""The scenario file: what comes with the package, and every way to get one's own wrong."""

from datetime import date

import pytest

from sigma_assets.analytics.risk.stress.scenarios import Replay, Shock, parse_scenarios, standard_scenarios
from sigma_assets.base.errors import SettingsError


def test_the_standard_scenarios_are_the_specifications():
    found = standard_scenarios()

    market = [shock.size for shock in found.shocks if shock.factor == "market"]
    rates = [(shock.unit, shock.size) for shock in found.shocks if shock.factor == "rates"]
    spreads = [(shock.factor, shock.size) for shock in found.shocks if shock.unit == "deviations"]
    assert market == [-0.20, -0.10, 0.10]
    assert rates == [("basis_points", 100), ("basis_points", -100)]
    assert sorted(spreads) == sorted(
        (f"{name}_spread", size) for name in ("growth_value", "momentum", "size", "quality") for size in (2, -2)
    )
    dates = [(replay.first, replay.last) for replay in found.replays if replay.first]
    assert dates == [
        (date(2008, 9, 2), date(2009, 3, 9)),
        (date(2018, 10, 3), date(2018, 12, 24)),
        (date(2020, 2, 19), date(2020, 3, 23)),
        (date(2022, 1, 3), date(2022, 10, 12)),
    ]
    assert [replay.worst_sessions for replay in found.replays if not replay.first] == [21]


def test_a_file_of_ones_own():
    text = """
shocks:
  - {name: crash, factor: market, move: -0.5}
replays:
  - {name: volmageddon, first: 2018-02-02, last: 2018-02-08}
"""

    found = parse_scenarios(text, "mine.yaml")

    assert found.shocks == (Shock("crash", "market", "move", -0.5),)
    assert found.replays == (Replay("volmageddon", date(2018, 2, 2), date(2018, 2, 8)),)
    assert found.names == ("crash", "volmageddon")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{name: a, factor: market}", "found no size; expected exactly one of move, basis_points, deviations"),
        ("{name: a, factor: market, move: -0.1, deviations: 2}", "found move and deviations; expected exactly one"),
        ("{name: a, factor: value, move: -0.1}", "found factor 'value'; expected one of market, rates"),
        ("{name: a, factor: [market, rates], move: -0.1}", "expected one of market, rates"),
        ("{name: a, factor: market, basis_points: 100}", "expected move or deviations"),
        ("{name: a, factor: market, move: ten}", "found move 'ten'; expected a number"),
        ("{name: a, factor: market, move: .nan}", "found move nan; expected a number"),
        ("{name: a, factor: market, move: -20}", "from -10 to 10"),
        ("{name: a, factor: market, move: -1}", "a total loss"),
        ("{name: a, factor: market, move: 0}", "other than 0"),
        ("{name: A b, factor: market, move: -0.1}", "found name 'A b'; expected lower-case"),
        ("{factor: market, move: -0.1}", "found name None"),
        ("{name: a, factor: market, move: -0.1, horizon: 3}", "unknown key horizon"),
        ("crash", "found 'crash'; expected keys and values"),
    ],
)
def test_a_shock_that_cannot_be_used_is_named_with_what_was_expected(line: str, words: str):
    with pytest.raises(SettingsError) as error:
        parse_scenarios(f"shocks:\n  - {line}\n", "mine.yaml")

    assert str(error.value).startswith("mine.yaml: ")
    assert "shocks 1" in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{name: a, first: 2020-03-23, last: 2020-02-19}", "expected first before last"),
        ("{name: a, first: 2020-02-19, last: 2020-02-19}", "expected first before last"),
        ("{name: a, first: 2020-02-19}", "found last None; expected a date"),
        ("{name: a, first: 20-02-19, last: 2020-03-23}", "found first '20-02-19'; expected a date"),
        ("{name: a, worst_sessions: 21, first: 2020-02-19}", "expected one of them"),
        ("{name: a, worst_sessions: 21, last: 2020-02-19}", "expected one of them"),
        ("{name: a, worst_sessions: 0}", "from 1 to 1000"),
        ("{name: a, worst_sessions: 1001}", "found worst_sessions 1001; expected a whole number"),
        ("{name: a, worst_sessions: 2.5}", "found worst_sessions 2.5; expected a whole number"),
        ("{name: a, worst_sessions: true}", "found worst_sessions True; expected a whole number"),
    ],
)
def test_a_replay_that_cannot_be_used_is_named_with_what_was_expected(line: str, words: str):
    with pytest.raises(SettingsError, match="replays 1") as error:
        parse_scenarios(f"replays:\n  - {line}\n", "mine.yaml")

    assert words in str(error.value)


def test_as_many_scenarios_as_there_are_columns_can_be_used():
    text = "replays:\n" + "\n".join(f"  - {{name: r{n}, worst_sessions: {n}}}" for n in range(1, 25))

    assert parse_scenarios(text, "mine.yaml").names == tuple(f"r{n}" for n in range(1, 25))


def test_the_largest_shocks_can_be_used():
    text = "shocks:\n  - {name: a, factor: market, move: 10}\n  - {name: b, factor: rates, basis_points: -2000}\n"
    text += "  - {name: c, factor: size_spread, deviations: 20}\n"

    assert [shock.size for shock in parse_scenarios(text, "mine.yaml").shocks] == [10, -2000, 20]


def test_the_shortest_and_the_longest_stretch_can_be_used():
    text = "replays:\n  - {name: a, worst_sessions: 1}\n  - {name: b, worst_sessions: 1000}\n"

    assert [replay.worst_sessions for replay in parse_scenarios(text, "mine.yaml").replays] == [1, 1000]


def test_all_problems_come_together():
    text = "shocks:\n  - {name: a, factor: gold, move: 1}\n  - {name: b, factor: rates}\n"
    text += "  - {name: c, factor: rates, move: 1}\n"
    text += "replays:\n  - {name: c, worst_sessions: 2}\n"

    with pytest.raises(SettingsError) as error:
        parse_scenarios(text, "mine.yaml")

    assert "shocks 1 (a)" in str(error.value)
    assert "shocks 2 (b)" in str(error.value)
    assert "name 'c' comes twice" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shocks: [", "not YAML"),
        ("replays:\n  - {name: a, first: 2020-02-30, last: 2020-03-23}", "day is out of range for month"),
        ("", "found NoneType"),
        ("- a", "found list"),
        ("shock: []", "found shock; expected the lists"),
        ("shocks: 3", "found int; expected a list"),
        ("replays:\n" + "\n".join(f"  - {{name: r{n}, worst_sessions: {n}}}" for n in range(1, 26)), "at most 24"),
    ],
)
def test_a_file_that_is_something_else_is_refused(text: str, words: str):
    with pytest.raises(SettingsError, match=r"mine\.yaml") as error:
        parse_scenarios(text, "mine.yaml")

    assert words in str(error.value)
