"""A price source is chosen by one setting."""

from datetime import date
from pathlib import Path

import pytest

from sigma_assets.base.errors import SettingsError
from sigma_assets.prices.registry import FACTORIES, USAGE
from sigma_assets_tests.providers.sources import source_of


def test_the_simulated_market_follows_the_current_session_unless_told_otherwise():
    assert source_of("simulated").last_session() == date(2026, 1, 8)
    assert source_of("simulated:last=2024-01-05").last_session() == date(2024, 1, 5)


def test_seed_and_extra_symbols_of_the_simulated_market_are_options():
    market = source_of(" simulated: seed=7, symbols=3 ")

    assert (market.name, market.seed, market.symbols[-3:]) == ("simulated", 7, ("SIM0001", "SIM0002", "SIM0003"))


def test_price_files_are_named_by_their_path_colons_and_all(tmp_path):
    (tmp_path / "a:b.csv").write_text("date,symbol,close\n2024-01-02,A,1\n")

    assert source_of(f"files:{tmp_path}/a:b.csv").last_session() == date(2024, 1, 2)
    assert source_of("files:~/p.csv").path == Path.home() / "p.csv"


def test_several_sources_are_asked_in_order():
    assert source_of("massive,yahoo").name == "massive,yahoo"
    assert source_of("simulated:seed=7,symbols=3 , yahoo").name == "simulated,yahoo"


@pytest.mark.parametrize("spec", ["", "bloomberg", "Simulated", "file:x"])
def test_an_unknown_source_is_refused_with_a_list_of_what_is_there(spec):
    with pytest.raises(SettingsError, match="unknown price source") as refusal:
        source_of(spec)

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
        source_of(spec)
