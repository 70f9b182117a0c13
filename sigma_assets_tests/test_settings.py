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
    assert "SIGMA_FACTOR_WINDOW='-3': expected a whole number from 10 to 2520" in message
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


@pytest.mark.parametrize(
    ("written", "symbol"), [("brk-b", "BRK.B"), ("BRK/B", "BRK.B"), ("^gspc", "^GSPC"), ("spy", "SPY")]
)
def test_a_benchmark_is_spelled_as_holdings_and_prices_are(written: str, symbol: str):
    assert read_settings({"SIGMA_BENCHMARK": written}).performance_model.benchmark == symbol


def test_a_factor_etf_is_spelled_as_holdings_and_prices_are():
    assert read_settings({"SIGMA_FACTOR_ETFS": "size=bf-b"}).factor_model.styles["size"] == "BF.B"


def test_an_unknown_role_is_refused():
    with pytest.raises(SettingsError, match="expected ROLE=SYMBOL with a role of market, rates"):
        read_settings({"SIGMA_FACTOR_ETFS": "beta=SPY"})


def test_a_factor_etf_that_is_changed_changes_its_spread_too():
    """A spread is the return of one factor's ETF less another's: SPEC 4.1, with the ETFs that were chosen."""
    model = read_settings({"SIGMA_FACTOR_ETFS": "market=VTI,value=IWD,growth=IWF"}).factor_model

    assert model.spreads == {
        "growth_value_spread": ("IWF", "IWD"),
        "momentum_spread": ("MTUM", "VTI"),
        "size_spread": ("IWM", "VTI"),
        "quality_spread": ("QUAL", "VTI"),
    }
    assert model.etfs == ("IWD", "IWF", "IWM", "MTUM", "QUAL", "TLT", "USMV", "VTI"), "the old ETFs are not asked for"


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("SIGMA_CORRELATION_MIN_WEIGHT", "7", "a number from 0 to 1"),
        ("SIGMA_CORRELATION_MIN_WEIGHT", "nan", "a number from 0 to 1"),
        ("SIGMA_FACTOR_WINDOW", "1", "a whole number from 10 to 2520"),
        ("SIGMA_FACTOR_WINDOW", "90.5", "a whole number"),
        ("SIGMA_FACTOR_WINDOW", "9_0", "a whole number"),
        ("SIGMA_FACTOR_MIN_OBSERVATIONS", "2", "a whole number from 10"),
        ("SIGMA_SPREAD_WINDOW", "100000", "a whole number from 10 to 2520"),
        ("SIGMA_RISK_FREE_RATE", "4", "a number from -0.2 to 1"),
        ("SIGMA_SUSPICIOUS_MOVE", "50", "a number from 0.01 to 10"),
        ("SIGMA_RIDGE_ALPHA", "-1", "a number from 0 to"),
        ("SIGMA_MAX_RUNTIME_SECONDS", "1e9", "a whole number"),
        ("SIGMA_ALERT_EMAIL", "risk.example.org", "one mail address such as risk@example.org"),
        ("SIGMA_ALERT_EMAIL", "a@example.org\nBcc: b@example.org", "one mail address"),
        ("SIGMA_ALERT_EMAIL", "a@example.org, b@example.org", "one mail address"),
        ("SIGMA_STATUS_HOST", "http://0.0.0.0", "a host's name or number"),
        ("SIGMA_STATUS_HOST", "0.0.0.0:3001", "a host's name or number"),
        ("SIGMA_STATUS_TOKEN", "open sesame", "printable ASCII without spaces"),
        ("SIGMA_CUTOFF", "03:00", "a time from 13:00, the earliest close of the NYSE"),
        ("SIGMA_FIRST_SESSION", "1962-01-02", "a date from 1990-01-02"),
        ("SIGMA_FIRST_SESSION", "2962-01-02", "to today"),
        ("SIGMA_EXTRA_CLOSURES", "2026-01-10", "weekdays: 2026-01-10 is a Saturday"),
        ("SIGMA_FACTOR_ETFS", "size=IWM,size=IJR", "each role once"),
        ("SIGMA_FACTOR_ETFS", "size=I WM", "ROLE=SYMBOL"),
        ("SIGMA_FACTOR_ETFS", "size=AAPL250117C200", "ROLE=SYMBOL"),
        ("SIGMA_BENCHMARK", "AAPL250117C200", "symbol of a stock"),
        ("SIGMA_BENCHMARK", "S&P 500", "symbol of a stock"),
        ("SIGMA_KEEP_DAYS", "6", "7"),
        ("SIGMA_FACTOR_ETFS", "size=VTV", "six different ETFs"),
        ("SIGMA_FACTOR_ETFS", "rates=SPY", "two ETFs"),
        ("SIGMA_FACTOR_ETFS", "market=QUAL", "two ETFs"),
        ("SIGMA_FACTOR_WINDWO", "60", "did you mean SIGMA_FACTOR_WINDOW?"),
        ("SIGMA_STATUS_TOKN", "s3cret", "did you mean SIGMA_STATUS_TOKEN?"),
        ("SIGMA_DAGSTER_URL", "http://user:s3/cret@dagster.example", "in a password, write %40 for @, %2F for /"),
        ("SIGMA_DAGSTER_URL", "ftp://user:s3cret@dagster.example", "http://HOST or https://HOST"),
    ],
)
def test_nonsense_is_refused_with_what_was_expected(variable, text, expected):
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: text})

    assert expected in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "s3/cret" not in str(caught.value)


def test_variables_of_the_deployment_and_of_others_are_no_typing_errors():
    others = {"SIGMA_PIPELINE_PASSWORD": "a", "SIGMA_STATUS_PASSWORD": "b", "SIGMA_TEST_DATABASE_URL": "c"}

    assert read_settings(others | {"SIGMASIGHT": "1"}) == read_settings({})


def test_a_login_in_an_address_is_shown_nowhere():
    settings = read_settings(
        {
            "SIGMA_DAGSTER_URL": "https://robot:s3cret@dagster.example/team/",
            "SIGMA_MASSIVE_URL": "https://s3cret@prices.example",
        }
    )

    shown = {variable: value for variable, value, _ in settings.shown()}

    assert shown["SIGMA_DAGSTER_URL"] == "https://***@dagster.example/team/"
    assert shown["SIGMA_MASSIVE_URL"] == "https://***@prices.example"
    assert settings.dagster_link == "https://dagster.example/team"


def test_run_requests_may_go_to_another_address_than_links():
    """A container reaches the webserver under a name that means nothing to a browser, and past the proxy's login."""
    links = {"SIGMA_DAGSTER_URL": "https://dagster.example"}
    settings = read_settings({**links, "SIGMA_DAGSTER_REQUEST_URL": "http://webserver:3000"})

    assert (settings.dagster_requests, settings.dagster_link) == ("http://webserver:3000", "https://dagster.example")
    assert settings.run_url("1a") == "https://dagster.example/runs/1a"
    assert read_settings(links).dagster_requests == "https://dagster.example"


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
        ("SIGMA_STATUS_PORT", "65536", "a whole number from 1 to 65535"),
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
