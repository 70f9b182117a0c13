"""Secrets in texts that people read."""

import pytest

from sigma_assets.base.masking import masked, without_login


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no server at postgresql://u:s3cret@h/d: refused", "no server at postgresql://***@h/d: refused"),
        ("https://s3cret@hooks.example/x", "https://***@hooks.example/x"),
        ("postgresql://u:s3cr/et@s3cret@h/d", "postgresql://***@h/d"),
        ("('smtp://u:s3cret@a', 'smtp://v:s3cret@b')", "('smtp://***@a', 'smtp://***@b')"),
        ("GET /v2?apiKey=s3cret&limit=5", "GET /v2?apiKey=***&limit=5"),
        ("MASSIVE_API_KEY=s3cret", "MASSIVE_API_KEY=***"),
        ("{'password': 's3 cret, s3cret', 'user': 'u'}", "{'password': '***', 'user': 'u'}"),
        ("Authorization: Bearer s3cret", "Authorization: Bearer ***"),
        ("SIGMA_STATUS_TOKEN: s3cret", "SIGMA_STATUS_TOKEN: ***"),
    ],
)
def test_a_secret_is_masked_and_the_rest_stays(text: str, wanted: str):
    assert masked(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "portfolio_snapshots: 254 sessions at http://127.0.0.1:3000/runs/abc",
        "tokens: none; the token is asked for; 3 keys",
        "risk@example.org",
        "SIGMA_CUTOFF='25:00': expected a time such as 16:30",
    ],
)
def test_what_is_no_secret_stays(text: str):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://u:p@dagster.example:8443/team/", "https://dagster.example:8443/team"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
    ],
)
def test_a_link_has_no_login(url: str, link: str):
    assert without_login(url) == link
