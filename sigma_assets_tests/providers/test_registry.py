"""A price source is chosen by one setting."""

from datetime import date
from pathlib import Path

import pytest

from sigma_assets.base.calendar import nyse_calendar
from sigma_assets.base.errors import SettingsError
from sigma_assets.providers.registry import FACTORIES, USAGE, Surroundings, make_provider

CALENDAR = nyse_calendar()


AROUND = Surroundings(CALENDAR, date(2026, 1, 8), massive_api_key="key", massive_url="http://127.0.0.1:1")


def test_the_simulated_market_follows_the_current_session_unless_told_otherwise():
    assert make_provider("simulated", AROUND).last_session() == date(2026, 1, 8)
    assert make_provider("simulated:last=2024-01-05", AROUND).last_session() == date(2024, 1, 5)


def test_seed_and_extra_symbols_of_the_simulated_market_are_options():
    market = make_provider(" simulated: seed=7, symbols=3 ", AROUND)

    assert (market.name, market.seed, market.symbols[-3:]) == ("simulated", 7, ("SIM0001", "SIM0002", "SIM0003"))


def test_price_files_are_named_by_their_path_colons_and_all(tmp_path):
    (tmp_path / "a:b.csv").write_text("date,symbol,close\n2024-01-02,A,1\n")

    assert make_provider(f"files:{tmp_path}/a:b.csv", AROUND).last_session() == date(2024, 1, 2)
    assert make_provider("files:~/p.csv", AROUND).path == Path.home() / "p.csv"


def test_several_sources_are_asked_in_order():
    assert make_provider("massive,yahoo", AROUND).name == "massive,yahoo"
    assert make_provider("simulated:seed=7,symbols=3 , yahoo", AROUND).name == "simulated,yahoo"


@pytest.mark.parametrize("spec", ["", "bloomberg", "Simulated", "file:x"])
def test_an_unknown_source_is_refused_with_a_list_of_what_is_there(spec):
    with pytest.raises(SettingsError, match="unknown price source") as refusal:
        make_provider(spec, AROUND)

    assert all(usage in str(refusal.value) for usage in USAGE.values())
    assert USAGE.keys() == FACTORIES.keys()


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("files:", "no path given"),
        ("simulated:sed=1", "found 'sed=1'"),
        ("simulated:seed", "found 'seed'"),
        ("simulated:seed=1,seed=2", "found 'seed=2'"),
        ("simulated:seed=-1", "found seed=-1"),
        ("simulated:symbols=many", "found symbols=many"),
        ("simulated:last=yesterday", "found last=yesterday"),
        ("yahoo:fast", "expected yahoo alone"),
        ("simulated:last=2026-01-10", "2026-01-10 is no NYSE session"),
    ],
)
def test_options_that_cannot_be_used_are_refused(spec, found):
    with pytest.raises(SettingsError, match=found):
        make_provider(spec, AROUND)
