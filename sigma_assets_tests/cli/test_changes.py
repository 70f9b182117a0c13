"""Trades, corrections and syncs: the right lots afterwards, and exactly the touched sessions run again, without a daemon."""

import json
from collections import Counter

import dagster as dg
import pytest
import sqlalchemy as sa

from sigma_assets.automation.jobs import PORTFOLIO_ASSETS, names
from sigma_assets.runs.newest import MATERIALIZATION
from sigma_assets.storage.connection.database import Database
from sigma_assets_tests.cli.files import HOLDINGS

SESSIONS = ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12",
            "2024-03-13", "2024-03-14", "2024-03-15"]  # fmt: skip


@pytest.fixture(scope="module")
def portfolio(sigma) -> str:
    """Return the name of a portfolio whose history is up to date."""
    answer = sigma("import", "growth.csv", "--name", "Growth & Co", "--equity", "250000")
    assert answer.exit_code == 0, answer.output
    assert sigma("run").exit_code == 0
    return "Growth & Co"


@pytest.fixture
def edits(sigma, portfolio):
    """Return the command on the portfolio; what a test did to it is undone afterwards."""
    done = []

    def edit(command: str, *words: str) -> dict:
        answer = sigma(command, portfolio, *words, "--json")
        assert answer.exit_code == 0, answer.output
        done.append(command)
        return json.loads(answer.stdout)

    yield edit
    for _ in done:
        assert sigma("undo", portfolio).exit_code == 0


@pytest.fixture
def touched(folder, portfolio):
    """Return what tells the first day that the edits of a test have effect on."""
    database = Database(f"sqlite:///{folder}/home/sigma.sqlite")
    newest = "SELECT coalesce(max(change_id), 0) FROM holdings_changes"
    with database.read() as connection:
        before = connection.execute(sa.text(newest)).scalar_one()

    def first_day() -> str:
        with database.read() as connection:
            query = f"SELECT min(effective_from) FROM holdings_changes WHERE change_id > {before}"
            return connection.execute(sa.text(query)).scalar_one()

    return first_day


def lots(sigma, portfolio) -> set[tuple]:
    rows = json.loads(sigma("lots", portfolio, "--json").stdout)
    return {(row["symbol"], row["quantity"], row["entry_date"], row["exit_date"], row["exit_price"]) for row in rows}


def ran_again(sigma) -> list[str]:
    """Run what is touched, and return the sessions that were."""
    runs = json.loads(sigma("run", "--json").stdout)
    again = json.loads(sigma("run", "--json").stdout)
    assert [run for run in again if run["portfolios"] != "universe"] == []
    return sorted(
        {
            day
            for run in runs
            if run["portfolios"] != "universe"
            for day in SESSIONS
            if run["first"] <= day <= run["last"]
        }
    )


def test_a_sale_of_a_whole_lot_runs_the_sessions_from_its_day_on(sigma, portfolio, edits):
    edits("trade", "--symbol", "aapl", "--quantity", "-100", "--price", "190", "--date", "2024-03-12")

    assert ("AAPL", 100.0, "2024-03-04", "2024-03-12", 190.0) in lots(sigma, portfolio)
    assert ran_again(sigma) == SESSIONS[6:]


def test_a_purchase_has_effect_from_its_day_on(sigma, portfolio, edits, touched):
    edits("trade", "--symbol", "SPY", "--quantity", "10.5", "--price", "500", "--date", "2024-03-14")

    assert ("SPY", 10.5, "2024-03-14", None, None) in lots(sigma, portfolio)
    assert touched() == "2024-03-14"


def test_until_a_change_is_computed_nothing_is_called_up_to_date(sigma, portfolio, edits):
    assert sigma("run").exit_code == 0
    assert json.loads(sigma("missing", "--json").stdout) == []

    edits("trade", "--symbol", "SPY", "--quantity", "10", "--price", "500", "--date", "2024-03-14")
    missing = json.loads(sigma("missing", "--json").stdout)
    status = json.loads(sigma("status", portfolio, "--json").stdout)
    report = json.loads(sigma("report", portfolio, "--json").stdout)

    assert {row["asset"] for row in missing} == set(names(PORTFOLIO_ASSETS))
    assert {(row["reason"], row["first"], row["last"], row["missing"]) for row in missing} == {
        ("holdings changed", "2024-03-14", "2024-03-15", 2)
    }
    assert status["state"] == "behind"
    assert {row["of"] - row["sessions done"] for row in status["assets"]} == {2}
    for warnings in (status["warnings"], report["warnings"]):
        (warning,) = [each for each in warnings if each["lacks"] == "numbers of its present holdings"]
        assert "the numbers from 2024-03-14 on" in warning["reason"]

    assert sigma("run").exit_code == 0
    assert json.loads(sigma("missing", "--json").stdout) == []
    assert json.loads(sigma("status", portfolio, "--json").stdout)["state"] == "up to date"


def test_a_part_of_a_lot_is_a_lot_of_its_own_so_its_positions_change_from_the_entry_on(
    sigma, portfolio, edits, touched
):
    edits("trade", "--symbol", "AAPL", "--quantity", "-40", "--price", "190", "--date", "2024-03-12")

    assert {lot for lot in lots(sigma, portfolio) if lot[0] == "AAPL"} == {
        ("AAPL", 40.0, "2024-03-04", "2024-03-12", 190.0), ("AAPL", 60.0, "2024-03-04", None, None),
    }  # fmt: skip
    assert touched() == "2024-03-04"


def test_more_than_there_is_cannot_be_sold_and_a_short_must_be_meant(sigma, portfolio, edits):
    refused = sigma("trade", portfolio, "--symbol", "AAPL", "--quantity=-101", "--price", "190", "--date", "2024-03-12")
    unmeant = sigma("trade", portfolio, "--symbol", "KO", "--quantity=-5", "--price", "60", "--date", "2024-03-12")

    assert (refused.exit_code, unmeant.exit_code) == (2, 2)
    assert "101 to close on 2024-03-12, found 100 held" in refused.output
    assert "`--short` opens a short position" in unmeant.output
    edits("trade", "--symbol", "KO", "--quantity=-5", "--price", "60", "--date", "2024-03-12", "--short")
    edits("trade", "--symbol", "KO", "--quantity", "5", "--price", "58", "--date", "2024-03-13")
    assert ("KO", -5.0, "2024-03-12", "2024-03-13", 58.0) in lots(sigma, portfolio)


def test_more_of_a_bond_is_a_bond_and_the_first_one_says_what_it_is(sigma, portfolio, edits):
    bond = ("--symbol", "912828ZT0", "--price", "98", "--date", "2024-03-12")

    edits("trade", *bond, "--quantity", "10000", "--subtype", "bond")
    edits("trade", *bond, "--quantity", "5000")
    edits("trade", *bond, "--quantity=-12000")

    rows = json.loads(sigma("lots", portfolio, "--json").stdout)
    assert {(row["quantity"], row["investment_subtype"]) for row in rows if row["symbol"] == "912828ZT0"} in (
        {(10000.0, "BOND"), (2000.0, "BOND"), (3000.0, "BOND")},
        {(5000.0, "BOND"), (7000.0, "BOND"), (3000.0, "BOND")},
    )


def test_a_contract_that_is_corrected_takes_its_terms_along_and_stays_a_contract(sigma, portfolio, edits):
    edits("trade", "--symbol", "AAPL240419C00200000", "--quantity", "1", "--price", "3", "--date", "2024-03-12")
    before = json.loads(sigma("lots", portfolio, "--json").stdout)
    option = next(row["lot_id"] for row in before if row["symbol"] == "AAPL240419C00200000")
    share = next(row["lot_id"] for row in before if row["symbol"] == "MSFT")

    edits("correct", option, "--symbol", "MSFT 04/26/2024 410.00 P")
    a_share = sigma("correct", portfolio, option, "--symbol", "MSFT")
    a_contract = sigma("correct", portfolio, share, "--symbol", "MSFT240426P00410000")

    (row,) = (row for row in json.loads(sigma("lots", portfolio, "--json").stdout) if row["lot_id"] == option)
    terms = ("symbol", "underlying_symbol", "strike_price", "expiration_date", "option_type", "multiplier")
    assert [row[name] for name in terms] == ["MSFT240426P00410000", "MSFT", 410.0, "2024-04-26", "PUT", None]
    assert (a_share.exit_code, a_contract.exit_code) == (2, 2)
    assert "found MSFT, expected an option contract" in a_share.output
    assert "found MSFT240426P00410000, expected a symbol that is no option contract" in a_contract.output


def test_no_command_gives_a_contract_its_underlyings_symbol_and_one_that_has_it_can_be_corrected(sigma, folder):
    """An import of before may have stored the ticker: then it is the share that a trade of it means."""
    terms = "Underlying Symbol,Strike Price,Expiration Date,Option Type"
    row = "MYCALL,2,3,2024-03-04,AAPL,200,2024-04-19,CALL"
    (folder / "contracts.csv").write_text(f"Symbol,Quantity,Entry Price Per Share,Entry Date,{terms}\n{row}\n")
    assert sigma("import", "contracts.csv", "--name", "Contracts", "--equity", "1000").exit_code == 0
    (lot,) = json.loads(sigma("lots", "Contracts", "--json").stdout)

    as_the_share = sigma("correct", "Contracts", lot["lot_id"], "--symbol", "AAPL")
    database = Database(f"sqlite:///{folder}/home/sigma.sqlite")
    with database.begin() as connection:
        connection.execute(sa.text(f"UPDATE lots SET symbol = 'AAPL' WHERE lot_id = '{lot['lot_id']}'"))
    database.dispose()
    closed = sigma("close", "Contracts", "--symbol", "AAPL", "--price", "180", "--date", "2024-03-12")
    share = sigma("trade", "Contracts", "--symbol", "AAPL", "--quantity", "1", "--price", "180", "--date", "2024-03-12")
    corrected = sigma("correct", "Contracts", lot["lot_id"], "--symbol", "AAPL240419C00200000")

    assert [answer.exit_code for answer in (as_the_share, closed, share, corrected)] == [2, 2, 0, 0]
    assert "found AAPL, expected an option contract" in as_the_share.output
    held = {(row["symbol"], row["investment_class"]) for row in json.loads(sigma("lots", "Contracts", "--json").stdout)}
    assert held == {("AAPL", "PUBLIC"), ("AAPL240419C00200000", "OPTIONS")}
    assert sigma("remove", "Contracts").exit_code == 0


def test_a_correction_is_checked_like_an_import(sigma, portfolio):
    rows = json.loads(sigma("lots", portfolio, "--json").stdout)
    spy = next(row["lot_id"] for row in rows if row["symbol"] == "SPY")

    future = sigma("correct", portfolio, spy, "--exit-date", "2099-01-02", "--exit-price", "1")
    worthless = sigma("correct", portfolio, spy, "--multiplier", "0")

    assert (future.exit_code, worthless.exit_code) == (2, 2)
    assert "exit 2099-01-02 is in the future" in future.output
    assert "multiplier 0; expected a number above 0" in worthless.output


def test_a_day_without_trading_before_a_split_is_asked_about(sigma, portfolio, folder, edits):
    """Saturday 2024-03-09 takes effect on Monday the 11th, when two of a share became one: 60 entered on the 4th are 30."""
    database = Database(f"sqlite:///{folder}/home/sigma.sqlite")
    with database.begin() as connection:
        query = "UPDATE market_prices SET split_factor = {} WHERE symbol = 'VFIAX' AND session = '2024-03-11'"
        assert connection.execute(sa.text(query.format(0.5))).rowcount == 1
    sale = ("--symbol", "VFIAX", "--price", "900")
    try:
        on_saturday = sigma("trade", portfolio, *sale, "--quantity=-30", "--date", "2024-03-09")
        closed = sigma("close", portfolio, *sale, "--date", "2024-03-09")
        edits("trade", *sale, "--quantity=-30", "--date", "2024-03-11")
    finally:
        with database.begin() as connection:
            connection.execute(sa.text(query.format(1)))
        database.dispose()

    for refused in (on_saturday, closed):
        assert refused.exit_code == 2
        assert "VFIAX: 2024-03-09 has no trading, and on 2024-03-11" in refused.output
        assert "a split of 0.5 for 1" in refused.output
    assert ("VFIAX", 60.0, "2024-03-04", "2024-03-11", 900.0) in lots(sigma, portfolio)


def test_a_sale_says_how_far_splits_are_known_if_not_up_to_its_day(sigma, portfolio, edits):
    """Sold of what has split since, in a split that nobody has told yet, it would take twice as much. Known to 15 March.

    A purchase opens a lot of its own day.
    """
    sale = ("trade", "--symbol", "AAPL", "--price", "190", "--quantity")

    assert "splits" not in edits(*sale, "-40", "--date", "2024-03-15")
    note = edits(*sale, "-10", "--date", "2024-03-18")["splits"]
    assert "splits" in edits(*sale, "-50", "--date", "2024-03-18")  # all that there was before it
    assert "splits" not in edits(*sale, "5", "--date", "2024-03-18")

    assert "AAPL: its prices are stored to 2024-03-15" in note
    assert "if there was one by 2024-03-18, `undo`, `run`, and record the trade again" in note


def test_of_what_was_never_priced_no_split_is_known_and_cash_and_bonds_have_none(sigma, folder):
    held = "NVDA,100,100,2024-03-04,\n912828XX1,100,99,2024-03-04,BOND\nCASH_USD,500,1,2024-03-04,CASH\n"
    (folder / "new.csv").write_text(f"Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Subtype\n{held}")
    assert sigma("import", "new.csv", "--name", "New", "--equity", "90000").exit_code == 0

    notes = {
        symbol: sigma("trade", "New", "--symbol", symbol, "--quantity=-10", "--price", "1", "--date", "2024-03-06")
        for symbol in ("NVDA", "912828XX1", "CASH_USD")
    }
    sigma("remove", "New")

    assert [answer.exit_code for answer in notes.values()] == [0, 0, 0]
    assert "note: NVDA: no prices of it are stored" in notes["NVDA"].output
    assert "note" not in notes["912828XX1"].output + notes["CASH_USD"].output


def test_flows_have_a_kind_and_run_from_their_day_on(sigma, portfolio, edits, touched):
    edits("flow", "2024-03-13", "-25", "--kind", "fee")

    (row,) = json.loads(sigma("flows", portfolio, "--json").stdout)
    assert (row["flow_date"], row["amount_usd"], row["kind"]) == ("2024-03-13", -25.0, "fee")
    assert touched() == "2024-03-13"


def test_a_correction_runs_from_the_entry_of_its_lot_on(sigma, portfolio, edits, touched):
    rows = json.loads(sigma("lots", portfolio, "--json").stdout)
    spy = next(row["lot_id"] for row in rows if row["symbol"] == "SPY")

    edits("correct", spy[:8], "--quantity", "41")

    assert ("SPY", 41.0, "2024-03-06", None, None) in lots(sigma, portfolio)
    assert touched() == "2024-03-06"


def test_a_file_is_the_new_truth_and_says_what_it_changes_first(sigma, portfolio, folder, edits):
    (folder / "new.csv").write_text(
        "Symbol,Quantity,Entry Price Per Share,Entry Date,Exit Date,Exit Price Per Share\n"
        "AAPL,100,180.5,2024-03-04,2024-03-13,175\nMSFT,50,411,2024-03-04,,\nSPY,40,500.25,2024-03-06,,\n"
        "KO,5,60,2024-03-14,,\n"
    )

    shown = json.loads(sigma("sync", portfolio, "new.csv", "--dry-run", "--json").stdout)
    before = lots(sigma, portfolio)
    edits("sync", "new.csv", "--yes")

    assert shown["changes"] == [
        "close 100 AAPL at 180.5 on 2024-03-04, closed 2024-03-13 at 175",
        "correct 50 MSFT at 410 on 2024-03-04: entry_price 410.0 -> 411.0",
        "add 5 KO at 60 on 2024-03-14",
        "remove 60 VFIAX at 450 on 2024-03-04",
    ]
    assert len(before) == 4
    assert lots(sigma, portfolio) == {
        ("AAPL", 100.0, "2024-03-04", "2024-03-13", 175.0), ("MSFT", 50.0, "2024-03-04", None, None),
        ("SPY", 40.0, "2024-03-06", None, None), ("KO", 5.0, "2024-03-14", None, None),
    }  # fmt: skip
    assert json.loads(sigma("sync", portfolio, "new.csv", "--dry-run", "--json").stdout)["changes"] == []


def test_a_sync_says_that_cash_flows_stay_as_they_are(sigma, portfolio, folder):
    (folder / "orders.csv").write_text(
        "Date,Action,Symbol,Quantity,Price,Amount\n2024-03-04,buy,KO,5,60,-300\n2024-03-12,fee,,,,-7\n"
    )
    before = json.loads(sigma("flows", portfolio, "--json").stdout)

    shown = sigma("sync", portfolio, "orders.csv", "--dry-run")
    done = json.loads(sigma("sync", portfolio, "orders.csv", "--yes", "--json").stdout)

    note = "cash flows stay as they are: the 1 in the file are not entered, `flow` records them"
    assert shown.stdout.splitlines()[-1] == note
    sigma("undo", portfolio)
    assert (done["done"], done["flows"]) == (True, note)
    assert json.loads(sigma("flows", portfolio, "--json").stdout) == before
    assert "Cash flows stay as they are" in sigma("sync", "--help").stdout


def test_undo_takes_back_the_last_change_and_nothing_more(sigma, portfolio):
    before = lots(sigma, portfolio)
    sigma("close", portfolio, "--symbol", "MSFT", "--price", "400", "--date", "2024-03-13")

    undone = sigma("undo", portfolio)
    again = sigma("undo", portfolio)

    assert "undone: close 50 MSFT" in undone.stdout
    assert lots(sigma, portfolio) == before
    assert again.exit_code == 2
    assert "nothing to undo" in again.output


def test_a_portfolio_is_named_by_id_beginning_or_name_and_can_be_renamed(sigma, portfolio):
    (row,) = json.loads(sigma("portfolios", "--json").stdout)
    named = [sigma("lots", text, "--json").stdout for text in (row["portfolio_id"], row["portfolio_id"][:8], portfolio)]

    unknown = sigma("lots", "growth & co")
    renamed = sigma("rename", portfolio, "Income")
    back = sigma("rename", "Income", portfolio)

    assert len(set(named)) == 1
    assert "did you mean 'Growth & Co'?" in unknown.output
    assert (renamed.exit_code, back.exit_code) == (0, 0)


def test_lots_in_the_order_of_their_content_whatever_the_order_of_the_file(sigma, folder):
    lines = HOLDINGS.strip().splitlines()
    (folder / "turned.csv").write_text("\n".join([lines[1], *lines[:1:-1]]))

    for name, file in (("A", "growth.csv"), ("B", "turned.csv")):
        assert sigma("import", file, "--name", name, "--equity", "250000").exit_code == 0
    first, second = (json.loads(sigma("lots", name, "--json").stdout) for name in ("A", "B"))

    order = [[row["symbol"] for row in sorted(rows, key=lambda row: row["lot_id"])] for rows in (first, second)]
    assert order[0] == order[1] == ["AAPL", "MSFT", "VFIAX", "SPY"]
    for name in ("A", "B"):  # or the next run would compute them, too
        assert sigma("remove", name).exit_code == 0


SYNCED = (
    "Symbol,Quantity,Entry Price Per Share,Entry Date\n"
    "AAPL,100,180.5,2024-03-04\nMSFT,50,410,2024-03-04\nSPY,40,500.25,2024-03-06\nVFIAX,60,450,2024-03-04\n"
    "MSFT,5,400,2024-03-14\n"
)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (("trade", "--symbol", "SPY", "--quantity", "10", "--price", "500", "--date", "2024-03-12"), "2024-03-12"),
        (("trade", "--symbol", "KO", "--quantity", "10", "--price", "60", "--date", "2024-03-13"), "2024-03-13"),
        (("close", "--symbol", "MSFT", "--price", "400", "--date", "2024-03-13"), "2024-03-13"),
        (("correct", "SPY", "--price", "499"), "2024-03-06"),
        (("flow", "2024-03-14", "1000"), "2024-03-14"),
        (("sync", "synced.csv", "--yes"), "2024-03-14"),
        (("rename", "Income"), None),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
def test_a_change_and_its_undoing_run_exactly_the_partitions_from_its_day_on(
    sigma, portfolio, folder, words, first, monkeypatch
):
    """Counted in Dagster's event log: twelve assets x the sessions from the day on; a name touches none."""
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    (folder / "synced.csv").write_text(SYNCED)
    assert sigma("run").exit_code == 0  # what other tests changed
    command, *rest = (
        _lot(sigma, portfolio, word) if word == "SPY" and words[0] == "correct" else word for word in words
    )
    sessions = [day for day in SESSIONS if first is not None and day >= first]
    expected = {(asset, day): 1 for asset in names(PORTFOLIO_ASSETS) for day in sessions}

    assert sigma(command, portfolio, *rest).exit_code == 0
    changed = _materialised_by_a_run(sigma, folder)
    back = ("rename", "Income", portfolio) if command == "rename" else ("undo", portfolio)
    assert sigma(*back).exit_code == 0
    undone = _materialised_by_a_run(sigma, folder)

    assert (changed, undone) == (expected, expected)


def _lot(sigma, portfolio, symbol: str) -> str:
    rows = json.loads(sigma("lots", portfolio, "--json").stdout)
    return next(row["lot_id"] for row in rows if row["symbol"] == symbol)


def _materialised_by_a_run(sigma, folder) -> Counter:
    """Return how often `run` materialises each asset and session of a portfolio."""
    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        known = {record.dagster_run.run_id for record in instance.get_run_records()}
        assert sigma("run").exit_code == 0
        counted = Counter()
        for record in instance.get_run_records():
            if record.dagster_run.run_id not in known:
                for event in instance.all_logs(record.dagster_run.run_id, MATERIALIZATION):
                    day, _, name = event.dagster_event.partition.partition("|")
                    counted.update([(event.dagster_event.asset_key.to_user_string(), day)] if name else [])
    return counted
