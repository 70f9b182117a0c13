"""The real pipeline, on simulated prices, watched through the API while it runs."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from sigma_assets.assets.tables import Tables
from sigma_assets.automation.execution import UpdateRequest, bring_up_to_date
from sigma_assets.definitions import definitions_for
from sigma_assets.prices.source import PriceSource
from sigma_assets.storage.portfolios import LOT_COLUMNS, NewPortfolio, add_portfolio

HELD = ("AAPL", "JPM", "VUG")
"""Two stocks and a factor ETF: nineteen symbols with the seventeen ETFs."""


def _import(database, inception: date) -> str:
    lots = pd.DataFrame({column: [None] * len(HELD) for column in LOT_COLUMNS}).assign(
        symbol=HELD,
        quantity=100.0,
        entry_price=50.0,
        entry_date=pd.Timestamp(inception),
        investment_class="PUBLIC",
        exit_price=np.nan,
        strike_price=np.nan,
    )
    return add_portfolio(database, NewPortfolio("Balanced", "taxable", 1e6, inception), lots)


def test_a_real_onboarding_is_followed_to_its_end(world):
    """Every event of Dagster, one answer: percent only grows; in the end all twelve phases have counted their work."""
    configured = replace(world.settings, prices="simulated")
    tables = Tables(configured)
    price_source = PriceSource(configured, tables.opened)
    last = price_source.target_session()
    inception = configured.calendar.on_or_after(last - timedelta(days=5))
    sessions = len(configured.calendar.between(inception, last))
    portfolio_id = _import(world.database, inception)
    client = world.client()
    answers = []

    def look(*_: object) -> None:
        answers.append(client.get(f"/api/v1/onboarding/status/{portfolio_id}").json())

    bring_up_to_date(
        definitions_for(configured),
        world.instance,
        tables,
        price_source,
        UpdateRequest((portfolio_id,)),
        on_event=look,
        on_wait=look,
        source="onboarding",
    )
    look()

    percents = [answer["overall_progress"]["percent_complete"] for answer in answers]
    assert percents == sorted(percents)
    final = answers[-1]
    assert (final["status"], final["errors"]) == ("completed", [])
    assert {answer["status"] for answer in answers} <= {"pending", "running", "completed"}
    symbols, scenarios = len({*HELD, *tables.factor_etfs}), len(configured.scenarios.names)
    assert [(phase["current"], phase["total"], phase["unit"]) for phase in final["phases"]] == [
        (symbols, symbols, "symbols"),
        (symbols, symbols, "symbols"),
        (symbols, symbols, "symbols"),
        (sessions, sessions, "dates"),
        (3, 3, "positions"),
        (3, 3, "positions"),
        (3, 3, "positions"),
        (3, 3, "positions"),
        (sessions, sessions, "dates"),
        (3, 3, "positions"),
        (scenarios, scenarios, "scenarios"),
        (sessions, sessions, "dates"),
    ]
    assert {key: final["summary"][key] for key in ("sessions", "symbols", "positions")} == {
        "sessions": sessions,
        "symbols": symbols,
        "positions": 3,
    }
    line = client.get("/api/v1/portfolios").json()["portfolios"][0]
    assert (line["state"], line["missing"], line["last_session"]) == ("current", "", str(last))
