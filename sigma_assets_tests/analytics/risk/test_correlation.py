"""Which holdings are correlated, and what the portfolio's summary says."""

import numpy as np
import pandas as pd
import pytest

from sigma_assets.analytics.risk.correlation.correlations import correlations
from sigma_assets.base.conventions import CorrelationModel
from sigma_assets.storage import schema
from sigma_assets_tests.analytics.risk_paths import SESSIONS, book, history_of_returns

MODEL = CorrelationModel()
LAST = SESSIONS[-1]
UNKNOWN = ["mean_correlation", "mean_abs_correlation", "effective_bets", "condition_number", "concentration"]


def orthogonal_returns(n_symbols: int) -> dict[str, np.ndarray]:
    """Return 90 returns per symbol whose sample correlations are 0 to rounding."""
    draws = np.random.default_rng(1).normal(size=(90, n_symbols))
    basis = np.linalg.qr(np.column_stack([np.ones(90), draws]))[0][:, 1:]
    return {f"S{number:03d}": 0.1 * basis[:, number] for number in range(n_symbols)}


def of_book(values: dict[str, float], returns: dict[str, np.ndarray], model: CorrelationModel = MODEL):
    """Return the portfolio's row, its pairs and its clusters on the last session."""
    by_portfolio, by_pair, by_cluster = correlations(book(values, LAST), history_of_returns(returns), model)
    assert len(by_portfolio) == 1
    return by_portfolio.iloc[0], by_pair, by_cluster


@pytest.mark.parametrize("n_symbols", [2, 7, 40])
def test_equal_uncorrelated_holdings_are_that_many_bets(n_symbols: int):
    returns = orthogonal_returns(n_symbols)

    row, pairs, by_cluster = of_book(dict.fromkeys(returns, 20_000.0), returns)

    assert row["effective_bets"] == pytest.approx(n_symbols)
    assert row["condition_number"] == pytest.approx(1.0)
    assert row["mean_correlation"] == pytest.approx(0.0, abs=1e-12)
    assert len(pairs) == n_symbols * (n_symbols - 1) // 2
    assert by_cluster.empty
    assert row["concentration"] == 0.0


def test_unequal_uncorrelated_holdings_are_one_over_the_sum_of_squared_weights():
    row, _, _ = of_book({"S000": 75_000.0, "S001": -25_000.0}, orthogonal_returns(2))

    assert row["effective_bets"] == pytest.approx(1 / (0.75**2 + 0.25**2))


def test_200_holdings_that_all_move_alike_are_one_bet_and_one_cluster():
    path = np.random.default_rng(2).normal(0, 0.01, 90)
    returns = {f"S{number:03d}": path * (1 + number / 100) for number in range(200)}
    values = {symbol: 20_000.0 + number for number, symbol in enumerate(returns)}

    row, pairs, by_cluster = of_book(values, returns, CorrelationModel(min_weight=0.001))

    assert row["effective_bets"] == pytest.approx(1.0)
    assert row["mean_correlation"] == pytest.approx(1.0)
    assert np.isnan(row["condition_number"])
    assert (row["symbols_included"], row["symbols_excluded"]) == (200, 0)
    assert len(pairs) == 19_900
    assert by_cluster[["cluster", "name", "size"]].values.tolist() == [[1, "S199 lookalikes", 200]]
    assert row["concentration"] == pytest.approx(1.0)


def test_correlations_are_those_of_numpy_over_the_last_90_returns():
    random = np.random.default_rng(3)
    returns = {symbol: random.normal(0, 0.01, 200) for symbol in ("AAA", "BBB", "CCC")}
    weights = np.array([0.2, 0.5, 0.3])

    row, pairs, _ = of_book(dict(zip(returns, weights * 1e6, strict=True)), returns)

    matrix = np.corrcoef(np.stack(list(returns.values()))[:, -90:])
    expected = matrix[np.triu_indices(3, 1)]
    assert list(zip(pairs["symbol"], pairs["other_symbol"], strict=True)) == [
        ("AAA", "BBB"),
        ("AAA", "CCC"),
        ("BBB", "CCC"),
    ]
    np.testing.assert_allclose(pairs["correlation"], expected, atol=1e-12)
    assert pairs["observations"].tolist() == [90, 90, 90]
    assert row["mean_correlation"] == pytest.approx(expected.mean())
    assert row["mean_abs_correlation"] == pytest.approx(np.abs(expected).mean())
    assert row["effective_bets"] == pytest.approx(1 / (weights @ matrix @ weights))
    assert row["condition_number"] == pytest.approx(np.linalg.cond(matrix))


def test_small_holdings_stay_out():
    """1 % of gross and 10,000 USD are enough, a cent less is not; gross counts shorts and private lots too."""
    returns = orthogonal_returns(4)
    values = {"S000": -900_000.0, "S001": 20_000.0, "S002": 19_999.99, "S003": 80_000.01}
    private = book({"HOUSE": 980_000.0}, LAST, investment_class="PRIVATE")
    positions = pd.concat([book(values, LAST), private])

    by_portfolio, by_pair, _ = correlations(positions, history_of_returns(returns), MODEL)

    assert sorted({*by_pair["symbol"], *by_pair["other_symbol"]}) == ["S000", "S001", "S003"]
    assert by_portfolio[["symbols_included", "symbols_excluded"]].values.tolist() == [[3, 1]]


def test_holdings_under_10000_usd_stay_out_however_small_the_portfolio():
    returns = orthogonal_returns(3)

    row, pairs, _ = of_book({"S000": 10_000.0, "S001": 9_999.99, "S002": 10_000.0}, returns)

    assert pairs[["symbol", "other_symbol"]].values.tolist() == [["S000", "S002"]]
    assert (row["symbols_included"], row["symbols_excluded"]) == (2, 1)


def test_lots_of_a_symbol_are_netted_but_gross_is_not():
    """100,000 long and 60,000 short of S000 are 40,000 of a gross of 200,000."""
    returns = {"S000": orthogonal_returns(1)["S000"]}
    returns["S001"] = returns["S000"] * 2
    positions = pd.concat(
        [book({"S000": 100_000.0, "S001": 40_000.0}, LAST), book({"S000": -60_000.0}, LAST).assign(lot_id="short")]
    )

    by_portfolio, _, by_cluster = correlations(positions, history_of_returns(returns), MODEL)

    assert by_cluster["share_of_gross"].tolist() == pytest.approx([80 / 200])
    assert by_portfolio["concentration"].tolist() == pytest.approx([80 / 200])


def test_clusters_by_hand():
    """TWIN1 and TWIN2 move together and against ANTI; SOLO does not."""
    base = orthogonal_returns(2)
    common, own = base["S000"], base["S001"]
    returns = {"ANTI": -common, "SOLO": own, "TWIN1": common, "TWIN2": 0.9 * common + np.sqrt(0.19) * own}
    values = {"ANTI": 50_000.0, "SOLO": 300_000.0, "TWIN1": 70_000.0, "TWIN2": 80_000.0}

    row, pairs, by_cluster = of_book(values, returns)

    found = pairs.set_index(["symbol", "other_symbol"])["correlation"]
    assert found[("TWIN1", "TWIN2")] == pytest.approx(0.9)
    assert found[("ANTI", "TWIN1")] == pytest.approx(-1.0)
    assert by_cluster[["cluster", "name", "members", "size"]].values.tolist() == [
        [1, "TWIN2 lookalikes", "TWIN2,TWIN1,ANTI", 3]
    ]
    assert by_cluster["mean_correlation"][0] == pytest.approx((0.9 - 1.0 - 0.9) / 3)
    assert by_cluster["share_of_gross"][0] == pytest.approx(200 / 500)
    assert row["concentration"] == pytest.approx(200 / 500)


def test_equal_holdings_that_hedge_each_other_have_no_number_of_bets():
    path = orthogonal_returns(1)["S000"]

    row, _, _ = of_book({"LONG": 50_000.0, "MIRROR": 50_000.0}, {"LONG": path, "MIRROR": -path})

    assert np.isnan(row["effective_bets"])
    assert row["mean_correlation"] == pytest.approx(-1.0)


def test_short_histories_and_prices_that_stand_still_are_excluded():
    returns = orthogonal_returns(2)
    returns["CASH"] = np.zeros(90)
    returns["NEW29"], returns["NEW30"] = (np.r_[np.zeros(90 - n), returns["S000"][:n] + 0.01] for n in (29, 30))
    history = history_of_returns(returns)
    for symbol, n_returns in (("NEW29", 29), ("NEW30", 30)):
        history.close[: 90 - n_returns, history.column(symbol)] = np.nan
    values = dict.fromkeys([*returns, "NOWHERE"], 20_000.0)

    by_portfolio, by_pair, _ = correlations(book(values, LAST), history, MODEL)

    assert sorted({*by_pair["symbol"], *by_pair["other_symbol"]}) == ["NEW30", "S000", "S001"]
    assert by_portfolio[["symbols_included", "symbols_excluded"]].values.tolist() == [[3, 3]]
    assert by_pair.set_index("other_symbol")["observations"]["S001"].tolist() == [30, 90]


@pytest.mark.parametrize(
    ("early", "late", "left"), [(30_000, 20_000, "EARLY"), (20_000, 30_000, "LATE"), (1e5, 1e5, "EARLY")]
)
def test_of_two_holdings_that_hardly_overlap_the_smaller_leaves(early: float, late: float, left: str):
    returns = {
        symbol: np.random.default_rng(n).normal(0, 0.01, 90) for n, symbol in enumerate(["ALL", "EARLY", "LATE"])
    }
    history = history_of_returns(returns)
    history.close[-30:, history.column("EARLY")] = np.nan  # 61 returns
    history.close[:31, history.column("LATE")] = np.nan  # 59 returns, 29 in common

    by_portfolio, by_pair, _ = correlations(book({"ALL": 1e5, "EARLY": early, "LATE": late}, LAST), history, MODEL)

    assert by_pair[["symbol", "other_symbol"]].values.tolist() == [["ALL", left]]
    assert by_portfolio["symbols_excluded"].tolist() == [1]


def test_one_symbol_that_overlaps_with_nobody_leaves_though_it_is_the_largest():
    """Otherwise all the others would have to leave."""
    returns = {symbol: np.random.default_rng(n).normal(0, 0.01, 90) for n, symbol in enumerate("ABCD")}
    history = history_of_returns(returns)
    history.close[41:, 0] = np.nan
    history.close[:41, 1:] = np.nan

    by_pair = correlations(book({"A": 9e5, "B": 1e5, "C": 1e5, "D": 1e5}, LAST), history, MODEL)[1]

    assert sorted({*by_pair["symbol"], *by_pair["other_symbol"]}) == ["B", "C", "D"]


@pytest.mark.parametrize("values", [{"S000": 500.0}, {"S000": 500.0, "S001": 400.0}, {"NEW": 50_000.0}])
def test_without_a_symbol_in_the_matrix_only_counts_are_known(values: dict[str, float]):
    row, pairs, by_cluster = of_book(values, orthogonal_returns(2))

    assert row[UNKNOWN].isna().all()
    assert (row["symbols_included"], row["symbols_excluded"]) == (0, len(values))
    assert not row["is_repaired"]
    assert pairs.empty
    assert by_cluster.empty


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [{"S000": 50_000.0}, {"S000": -50_000.0}, {"S000": 50_000.0, "NEW": 50_000.0}])
def test_one_symbol_in_the_matrix_is_one_bet_without_pairs(values: dict[str, float]):
    """Its matrix is [[1]], w = [1], and so 1 / (w'Cw) = 1."""
    row, pairs, by_cluster = of_book(values, orthogonal_returns(2))

    assert (row["symbols_included"], row["symbols_excluded"]) == (1, len(values) - 1)
    assert row[["effective_bets", "condition_number", "concentration"]].tolist() == [1.0, 1.0, 0.0]
    assert row[["mean_correlation", "mean_abs_correlation"]].isna().all()
    assert not row["is_repaired"]
    assert pairs.empty
    assert by_cluster.empty


def test_without_public_holdings_there_is_no_row():
    history = history_of_returns(orthogonal_returns(2))
    private = book({"HOUSE": 1e6}, LAST, investment_class="PRIVATE")
    options = book({"S000": 1e6, "S001": 1e6}, LAST, investment_class="OPTIONS")

    for positions in (private, options, private.iloc[:0]):
        assert all(table.empty for table in correlations(positions, history, MODEL))


def test_pairwise_deletion_that_goes_too_far_is_repaired_and_flagged():
    """In the first third B follows A, in the second C follows A, in the last B opposes C: impossible together."""
    random = np.random.default_rng(5)
    a, b = random.normal(0, 0.01, (2, 90))
    c = random.normal(0, 0.01, 90)
    b[:30], c[30:60], c[60:] = a[:30], a[30:60], -b[60:]
    returns = {"A": a, "B": b, "C": c}
    history = history_of_returns(returns)
    # Each is silent in the third where it would have to disagree; one return then spans the gap.
    history.close[1:31, 2] = history.close[31:61, 1] = history.close[61:91, 0] = np.nan
    positions = book({"A": 1e5, "B": 1e5, "C": 1e5}, LAST)

    by_portfolio, by_pair, _ = correlations(positions, history, CorrelationModel(min_observations=20))

    assert by_portfolio["is_repaired"].tolist() == [True]
    assert np.isnan(by_portfolio["condition_number"][0])
    full = np.eye(3)
    full[np.triu_indices(3, 1)] = by_pair["correlation"]
    assert np.linalg.eigvalsh(full, UPLO="U")[0] > -1e-10


def test_columns_are_those_of_the_tables_also_when_nothing_is_held():
    history = history_of_returns(orthogonal_returns(2))
    positions = book({"S000": 1e5, "S001": 1e5}, LAST)
    for part in (positions, positions.iloc[:1], positions.iloc[:0]):
        for table, rows in zip(schema.FAMILIES["correlations"], correlations(part, history, MODEL), strict=True):
            assert list(rows.columns) == [column.name for column in table.columns]
            assert rows["session"].dtype == "datetime64[s]"
            for column in table.columns:
                kind = {"BIGINT": "i", "INTEGER": "i", "BOOLEAN": "b", "DOUBLE": "f"}.get(str(column.type))
                assert kind is None or rows[column.name].dtype.kind == kind
