"""Settings: every value is checked at the start, and every problem is named."""

import pytest

from sigma_assets.base.errors import SettingsError
from sigma_assets.settings import HIDDEN, read_settings


def test_an_empty_environment_gives_the_documented_defaults():
    settings = read_settings({})

    assert settings.prices == "simulated"
    assert settings.cutoff.isoformat() == "16:30:00"
    assert settings.database.startswith("sqlite:///")
    assert settings.factor_model.etfs == ("IWM", "MTUM", "QUAL", "SPY", "TLT", "USMV", "VTV", "VUG")


def test_all_problems_are_reported_together_with_variable_value_and_expectation():
    with pytest.raises(SettingsError) as caught:
        read_settings({"SIGMA_CUTOFF": "half past four", "SIGMA_FACTOR_WINDOW": "-3", "SIGMA_FIRST_SESSION": "2020"})

    message = str(caught.value)
    assert "SIGMA_CUTOFF='half past four': expected a time such as 16:30" in message
    assert "SIGMA_FACTOR_WINDOW='-3': expected a number that is not negative" in message
    assert "SIGMA_FIRST_SESSION='2020': expected a date" in message


@pytest.mark.parametrize("text", ["nan", "inf", "0"])
def test_a_window_must_be_a_positive_number(text):
    with pytest.raises(SettingsError, match="SIGMA_FACTOR_WINDOW"):
        read_settings({"SIGMA_FACTOR_WINDOW": text})


def test_more_observations_than_the_window_holds_are_refused():
    with pytest.raises(SettingsError, match=r"factor_min_observations \(91\) is more than factor_window \(90\)"):
        read_settings({"SIGMA_FACTOR_MIN_OBSERVATIONS": "91"})


def test_other_etfs_replace_the_standard_ones_by_role():
    model = read_settings({"SIGMA_FACTOR_ETFS": "market=VTI, size=ijr"}).factor_model

    assert (model.market, model.rates, model.styles["size"], model.styles["value"]) == ("VTI", "TLT", "IJR", "VTV")


def test_an_unknown_role_is_refused():
    with pytest.raises(SettingsError, match="expected ROLE=SYMBOL with a role of market, rates"):
        read_settings({"SIGMA_FACTOR_ETFS": "beta=SPY"})


def test_secrets_are_neither_shown_nor_echoed_in_errors():
    settings = read_settings({"MASSIVE_API_KEY": "k3y-s3cret", "SIGMA_DATABASE_URL": "postgresql://u:s3cret@h/d"})

    shown = {variable: value for variable, value, _ in settings.shown()}

    assert shown["MASSIVE_API_KEY"] == shown["SIGMA_DATABASE_URL"] == HIDDEN
    assert "s3cret" not in repr(settings.shown())
    assert "s3cret" not in repr(settings)


def test_a_default_is_no_secret():
    """The README's table is made from the defaults: nobody learns a mail server's address from `(set)`."""
    shown = {variable: value for variable, value, _ in read_settings({}).shown()}

    assert shown["SIGMA_SMTP_URL"] == "smtp://127.0.0.1:25"
    assert HIDDEN not in shown.values()


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("SIGMA_STATUS_PORT", "65536", "a port from 1 to 65535"),
        ("SIGMA_DAGSTER_URL", "127.0.0.1:3000", "http://HOST or https://HOST"),
        ("SIGMA_DAGSTER_URL", "http://host:99999", "http://HOST or https://HOST"),
        ("SIGMA_MASSIVE_URL", "https://", "http://HOST or https://HOST"),
        ("SIGMA_ALERT_WEBHOOK", "hooks.example/s3cret", "http://HOST or https://HOST"),
        ("SIGMA_SMTP_URL", "https://user:s3cret@mail.example", "smtp://HOST or smtps://HOST"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_at_the_start_not_at_the_first_alert(variable, text, expected):
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: text})

    assert f"{variable}=" in str(caught.value)
    assert f"expected {expected}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_extra_closures_are_no_sessions():
    settings = read_settings({"SIGMA_EXTRA_CLOSURES": "2026-01-08"})

    assert not settings.calendar.is_session(settings.extra_closures[0])
