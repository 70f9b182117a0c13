"""A portfolio's own fields are checked before it is created: the ERR_PORT codes of SPEC 2.1."""

import pytest

from sigma_assets.holdings.portfolio import check_portfolio


@pytest.mark.parametrize("equity", ["1200000", "0.01", "1000000000000", " 5 ", "+7.5"])
def test_a_sound_portfolio_has_no_problems(equity):
    assert check_portfolio("Growth", equity, "roth_ira", ["Income"]) == []


@pytest.mark.parametrize(
    ("name", "equity", "account_type", "code"),
    [
        ("Income", "1", "ira", "ERR_PORT_001"),
        (" Income ", "1", "ira", "ERR_PORT_001"),
        ("  ", "1", "ira", "ERR_PORT_002"),
        ("In\ncome", "1", "ira", "ERR_PORT_002"),
        ("In\0come", "1", "ira", "ERR_PORT_002"),
        ("\ud800", "1", "ira", "ERR_PORT_002"),
        ("x" * 256, "1", "ira", "ERR_PORT_003"),
        ("Growth", "", "ira", "ERR_PORT_004"),
        ("Growth", None, "ira", "ERR_PORT_004"),
        *(("Growth", text, "ira", "ERR_PORT_005") for text in ("0", "-5", "nan", "inf", "1e400", "1,000")),
        ("Growth", "0." + "0" * 400 + "1", "ira", "ERR_PORT_005"),
        ("Growth", "1000000000000.01", "ira", "ERR_PORT_006"),
        ("Growth", "9" * 5000, "ira", "ERR_PORT_006"),
        ("Growth", "1", "IRA ", "ERR_PORT_009"),
        ("Growth", "1", "", "ERR_PORT_009"),
    ],
)
def test_each_problem_of_a_portfolio_has_its_code(name, equity, account_type, code):
    problems = check_portfolio(name, equity, account_type, ["Income"])

    assert [problem.code for problem in problems] == [code]
    assert problems[0].describe(name)


def test_all_problems_of_a_portfolio_are_reported_together():
    codes = [problem.code for problem in check_portfolio("", "", "", [])]

    assert codes == ["ERR_PORT_002", "ERR_PORT_004", "ERR_PORT_009"]


def test_a_name_that_looks_like_a_formula_is_only_a_name():
    assert check_portfolio("=HYPERLINK(1)", "1", "ira", []) == []
