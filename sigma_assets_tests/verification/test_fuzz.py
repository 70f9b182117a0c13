"""Whatever is thrown at the command line and the price files: a message or the whole thing, never a traceback or a part."""

import random
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from sigma_assets.assets.checks.domain import ERROR
from sigma_assets.assets.checks.evaluation import checked
from sigma_assets.cli.main import cli
from sigma_assets.runs.partitions import Scope
from sigma_assets.settings import settings
from sigma_assets.storage import portfolios as tables
from sigma_assets.storage.connection.database import Database
from sigma_assets.storage.schema import FAMILIES
from sigma_assets_tests.verification.world import World

HEADER = "Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,Exit Date,Exit Price Per Share"
GOOD = f"{HEADER}\nAAPL,10,150.25,2024-01-02,,,\nMSFT,-5.5,300,2024-02-01,PUBLIC,2024-03-01,310\n".encode()
FEW = runs(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("SIGMA_DATABASE_URL", raising=False)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def _import(home, content: bytes, *, name: str = "book", equity: str = "1000") -> tuple[Result, int, int]:
    """Import a file by the command line; return its result and the portfolios and lots that it left behind."""
    file = home / "book.csv"
    file.write_bytes(content)
    before = _stored()
    result = CliRunner().invoke(cli, ["import", str(file), "--name", name, "--equity", equity])
    after = _stored()
    assert result.exit_code in (0, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    added = after[0] - before[0], after[1] - before[1]
    assert (result.exit_code == 0) == (added[0] == 1)
    assert added[0] == 1 or added == (0, 0)
    if added[0]:
        newest = tables.portfolios(_database()).sort_values("created_at")["portfolio_id"].iloc[-1]
        tables.remove_portfolio(_database(), newest)
    return result, *added


def _database() -> Database:
    return Database(settings().database)


def _stored() -> tuple[int, int]:
    if not (settings().home / "sigma.sqlite").exists():
        return 0, 0
    database = _database()
    everyone = tables.portfolios(database, include_removed=True)["portfolio_id"]
    return len(everyone), len(tables.lots(database, list(everyone)))


@FEW
@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
)
@example(content=b"")
@example(content=b"\x00")
@example(content=GOOD.decode().encode("utf-16"))
@example(content=b"\xef\xbb\xbf" + GOOD)
@example(content=b'"' * 1000)
@example(content=b"Symbol,Quantity,Entry Price Per Share,Entry Date\n" + b"=cmd|' /C calc'!A0,1,1,2024-01-02\n")
def test_any_bytes_are_a_portfolio_or_a_message(home, content):
    _import(home, content)


@FEW
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 4))
def test_a_good_file_with_bytes_changed_is_taken_whole_or_refused_whole(home, seed, changes):
    lottery = random.Random(seed)
    content = bytearray(GOOD)
    for _ in range(changes):
        place = lottery.randrange(len(content))
        match lottery.randrange(3):
            case 0:
                content[place] = lottery.randrange(256)
            case 1:
                del content[place]
            case 2:
                content.insert(place, lottery.choice(b',"\n\r;0-.eE\x00\xff'))

    result, portfolios, lots = _import(home, bytes(content))

    if portfolios:
        assert lots in (1, 2)  # a line may have become a comment or joined another, but what is left is whole
    else:
        assert "ERR_" in result.output or "first session" in result.output


@FEW
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    equity=st.text("0123456789.eE+-nainf ", max_size=8),
)
@example(name="=HYPERLINK(1)", equity="1000")
@example(name="x'; DROP TABLE lots; --", equity="1e12")
@example(name="a\x00b", equity="5")
@example(name="book", equity="1e400")
def test_any_name_and_equity_are_taken_or_refused(home, name, equity):
    _import(home, GOOD, name=name, equity=equity)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x" * (10 * 2**20 + 1), "ERR_CSV_001"),
        (GOOD.replace(b"\n", b",x" * 1_000_000 + b"\n", 1), "ERR_CSV_006"),
        (GOOD + b"AAPL,1,1,2024-01-02,,,\n" * 100_000, "ERR_POS_023"),
        (GOOD.decode().replace("AAPL", "\u00c4APL").encode("latin-1"), "ERR_POS_003"),
    ],
    ids=["10 MB", "a million columns", "a hundred thousand duplicates", "latin-1"],
)
def test_monsters_are_refused_with_a_short_message(home, content, code):
    result, portfolios, _ = _import(home, content)

    assert portfolios == 0
    assert code in result.output
    assert len(result.output) < 20_000


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00\x01\x02", b"<html><body>429 Too Many Requests</body></html>", b"date,symbol,close\n2024-01-02,SPY,-5\n",
        b"date,symbol,close\n2024-01-02,SPY,1e999\n", b"date,symbol,close\n02/01/2024,SPY,100\n",
        b"date,symbol,close\n2024-01-02,SPY,100\n2024-01-02,SPY,101\n", b"\xff\xfe" + b"date,symbol,close\n" * 3,
        b"date,symbol\n2024-01-02,SPY\n",
    ],
)  # fmt: skip
def test_a_bad_price_file_stops_a_run_with_a_message_and_leaves_no_price(home, monkeypatch, content):
    prices = home / "prices.csv"
    prices.write_bytes(content)
    monkeypatch.setenv("SIGMA_PRICES", f"files:{prices}")
    settings.cache_clear()
    (home / "book.csv").write_bytes(GOOD)
    imported = CliRunner().invoke(cli, ["import", str(home / "book.csv"), "--name", "book", "--equity", "1000"])
    assert imported.exit_code == 0

    result = CliRunner().invoke(cli, ["run"])

    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert "prices.csv" in result.output
    assert "Traceback" not in result.output
    with _database().begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM market_prices").scalar() == 0


def test_the_smallest_and_the_largest_numbers_go_through_everything(simulated, tmp_path):
    """Lots of a millionth of a share and of a billion, at a hundredth of a cent and at half a million."""
    rows = pd.read_csv(simulated.prices)
    days = sorted(rows["date"].unique())[-320:]
    wiggle = 1 + 0.01 * np.sin(np.arange(320))
    edges = [
        pd.DataFrame({"date": days, "symbol": symbol, "close": np.round(level * wiggle, 6)})
        for symbol, level in (("PENNY", 0.0001), ("HALFMILLION", 500_000.0))
    ]
    prices = tmp_path / "prices.csv"
    pd.concat([rows, *edges]).fillna({"split_factor": 1.0, "dividend": 0.0}).to_csv(prices, index=False)
    entry, last = date.fromisoformat(days[-3]), date.fromisoformat(days[-1])
    quantities = {"0.000001": entry, "1000000000": entry - timedelta(days=30)}
    lots = [
        f"{symbol},{quantity},{price},{day}"
        for symbol, price in (("PENNY", "0.0001"), ("HALFMILLION", "500000"))
        for quantity, day in quantities.items()
    ]
    world = World.in_folder(tmp_path, prices)
    portfolio_id = world.add(
        "\n".join(["Symbol,Quantity,Entry Price Per Share,Entry Date", *lots]).encode(), "edges", 1e12
    )

    world.run(entry, last, portfolio_id)

    positions = world.rows("position_values")
    today = positions[positions["session"] == pd.Timestamp(last)]
    assert len(today) == 4
    for lot in today.itertuples():
        exact = Fraction(lot.quantity) * Fraction(lot.price)
        assert lot.market_value == pytest.approx(float(exact), rel=1e-15)
    scope = Scope(world.tables.calendar.between(entry, last), (portfolio_id,))
    for asset in FAMILIES:
        of_asset = Scope(scope.sessions) if asset in ("market_prices", "symbol_factors", "symbol_metrics") else scope
        for result in checked(asset, world.tables, of_asset).results():
            assert result.passed or result.severity != ERROR, (asset, result.check_name, result.description)
    snapshot = world.rows("portfolio_snapshots").iloc[-1]
    numbers = snapshot.drop(["portfolio_id", "session"]).astype(float)
    assert not np.isinf(numbers).any()
    assert set(numbers.index[numbers.isna()]) <= {"daily_return", "leverage", "max_drawdown", "time_weighted_return"}
    assert snapshot["gross_exposure"] == pytest.approx(5e14, rel=0.02)
