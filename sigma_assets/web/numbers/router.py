"""The numbers API: the rows of a portfolio's tables, as `sigma-assets export` writes them."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import reduce
from itertools import chain
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response
from fastapi.params import Depends
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from sigma_assets.reports.numbers import (
    ALLOCATION,
    BLOCK_ROWS,
    NAMES,
    known_symbols,
    said_of_strangers,
    table_of,
    takes_symbols,
    tidy_blocks,
)
from sigma_assets.storage.classifications import stored_classes
from sigma_assets.storage.schema import outgoing_columns
from sigma_assets.web.access.downloads import Downloads, named_file
from sigma_assets.web.cache import Answer
from sigma_assets.web.models import NotFound, Problem, StrictQuery
from sigma_assets.web.numbers.renderings import ARROW, CSV, JSON, RENDERINGS, accepted
from sigma_assets.web.queries import Queries
from sigma_assets.web.reports import PortfolioId

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 10_000
"""Rows of one page; without a limit the answer is a stream of all."""
MOST_SYMBOLS = 100
WHOLE_ROWS = 5_000
"""An answer of no more rows is made whole, once for all who ask; one of more is a download that takes a place."""
PATH = "/api/v1/portfolios/{portfolio_id}/{table}"


def iso_day(value: object) -> object:
    """Return a day that is written `2026-01-08`; nothing else is one."""
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        return date.fromisoformat(value)
    raise ValueError("expected a day as YYYY-MM-DD")


Day = Annotated[date, BeforeValidator(iso_day)]
Symbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
Table = Annotated[
    str,
    Path(description="an asset, which stands for its first table, or a table", json_schema_extra={"enum": list(NAMES)}),
]


class _NumbersQuery(StrictQuery):
    start: Day | None = Field(None, description="first session; by default the first that is stored")
    end: Day | None = Field(None, description="last session; by default the last that is stored")
    symbol: list[Symbol] = Field(
        [],
        max_length=MOST_SYMBOLS,
        description="only rows of this symbol; repeatable; of pairs, those with one of them",
    )
    limit: int | None = Field(
        None, ge=1, le=MOST_ROWS, description="rows at most; the header `Link` leads to the next ones. Default: all"
    )
    offset: int = Field(0, ge=0, le=1_000_000_000, description="rows to leave out at the beginning")


def _row_model(name: str) -> type[BaseModel]:
    """Return the rows of a table as OpenAPI describes them: types, units and meaning as in the schema."""
    fields: dict[str, Any] = {}
    for column in outgoing_columns(name):
        kind: Any = column.type.python_type
        fields[column.name] = (
            kind | None if column.nullable else kind,
            Field(description=column.comment),
        )
    title = "".join(word.capitalize() for word in name.split("_"))
    return create_model(f"{title}Row", __config__=ConfigDict(extra="forbid"), **fields)


ROWS = {table: _row_model(table) for table in dict.fromkeys(table_of(name) for name in NAMES)}


def numbers_router(
    queries: Queries, guards: Sequence[Depends], responses: dict[int | str, dict[str, Any]]
) -> APIRouter:
    """Return the route of the numbers."""
    router, downloads = APIRouter(), Downloads()
    rows: Any = reduce(or_, ROWS.values())
    described: dict[int | str, dict[str, Any]] = {
        200: {
            "content": {
                CSV: {"schema": {"type": "string"}},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
            "headers": {"Link": {"description": "the next rows, if there are any", "schema": {"type": "string"}}},
        },
        404: {"model": NotFound | Problem},
        406: {"model": Problem},
    }

    @router.get(PATH, response_model=list[rows], responses=responses | described, dependencies=guards)
    def numbers(
        request: Request,
        portfolio_id: PortfolioId,
        table: Table,
        query: Annotated[_NumbersQuery, Query()],
        accept: Annotated[str, Header(description=f"{JSON} (default), {CSV} or {ARROW}")] = JSON,
    ) -> Response:
        """The rows of a table in tidy form, sorted by key: what `sigma-assets export TABLE --format json` writes.

        Fractions (0.01 is 1 %), USD, volatility per year; an unknown number is null. Tables of symbols give the portfolio's
        own symbols and the factor ETFs.
        """
        form = accepted(accept)
        key = "numbers", portfolio_id, table, form, query.model_dump_json()
        numbers = _Numbers(queries, portfolio_id, table, query, form)
        answer = queries.cache.get(key, numbers.answer, queries.tables_version)
        return numbers.download(downloads) if answer == "long" else answer.response(request)

    return router


class _Numbers:
    """What one request asks for."""

    def __init__(self, queries: Queries, portfolio_id: str, table: str, query: _NumbersQuery, form: str) -> None:
        self.queries, self.portfolio_id, self.table, self.query = queries, portfolio_id, table, query
        self.parts, self.media_type, extension = RENDERINGS[form]
        self.named = named_file(f"{table}-{portfolio_id}.{extension}")

    def answer(self) -> Answer | Literal["long"]:
        """Return the answer, or that it is too long to be made whole."""
        self.queries.portfolio(self.portfolio_id)  # there must be one
        _check(self.queries, self.portfolio_id, self.table, self.query)
        limit = self.query.limit
        page, following = _page(self._blocks(limit or WHOLE_ROWS), self.query.offset, limit or WHOLE_ROWS)
        if following and limit is None:
            return "long"
        link = _link(self.portfolio_id, self.table, self.query, following) if following else {}
        body = b"".join(self.parts(iter([page]), table_of(self.table)))
        return Answer(body, self.media_type, link if limit else self.named)

    def download(self, downloads: Downloads) -> Response:
        """Return the rows as a stream, read while they are sent."""
        blocks = self._blocks()
        blocks = chain([next(blocks)], blocks)  # an error of the database is an answer of its own, not half a stream
        chunks = self.parts(_after(blocks, self.query.offset), table_of(self.table))
        return downloads.response(chunks, self.media_type, self.named)

    def _blocks(self, block_rows: int = BLOCK_ROWS) -> Iterator["pd.DataFrame"]:
        queries, query = self.queries, self.query
        return tidy_blocks(
            queries.database, queries.settings, self.table, self.portfolio_id, query.start, query.end,
            query.symbol or None, block_rows=min(block_rows, BLOCK_ROWS),
        )  # fmt: skip


def _check(queries: Queries, portfolio_id: str, table: str, query: _NumbersQuery) -> None:
    if table not in NAMES:
        raise HTTPException(404, f"there is no table {table[:100]!r}; there are {', '.join(NAMES)}")
    if query.start and query.end and query.end < query.start:
        raise HTTPException(422, f"query end: {query.end} is before start {query.start}")
    if query.symbol and not takes_symbols(table):
        raise HTTPException(422, f"query symbol: {table} has no column symbol; leave it out")
    if query.symbol:
        known = known_symbols(queries.database, queries.settings, [portfolio_id])
        if strange := said_of_strangers(query.symbol, known):
            raise HTTPException(404, strange[:1000])
    if table == ALLOCATION and stored_classes(queries.database).empty:
        raise HTTPException(404, "no symbol has a class yet: `sigma-assets classify FILE.csv` stores them")


def _after(blocks: Iterator["pd.DataFrame"], offset: int) -> Iterator["pd.DataFrame"]:
    """Yield blocks without the first rows; the first block comes in any case, for its columns."""
    is_first = True
    for block in blocks:
        rest = block.iloc[offset:]
        offset = max(offset - len(block), 0)
        if len(rest) or is_first:
            yield rest
        is_first = False


def _page(blocks: Iterator["pd.DataFrame"], offset: int, limit: int) -> tuple["pd.DataFrame", tuple[str, int] | None]:
    """Return a page of rows, and where the next row is: its session, and how many rows of that session come before.

    A block holds whole sessions, so that these can be counted.
    """
    import pandas as pd

    taken, position, following = [], 0, None
    for block in blocks:
        stop = offset + limit - position
        taken.append(block.iloc[max(offset - position, 0) : stop])
        if stop < len(block):
            session = block["session"].iloc[stop]
            following = f"{session:%Y-%m-%d}", int((block["session"].iloc[:stop] == session).sum())
            break
        position += len(block)
    return pd.concat([part for part in taken if len(part)] or taken[:1], ignore_index=True), following


def _link(portfolio_id: str, table: str, query: _NumbersQuery, following: tuple[str, int]) -> dict[str, str]:
    session, offset = following
    asked = {"start": session, "end": query.end, "symbol": query.symbol, "limit": query.limit, "offset": offset}
    given = {name: value for name, value in asked.items() if value}
    path = PATH.format(portfolio_id=portfolio_id, table=table)
    return {"Link": f'<{path}?{urlencode(given, doseq=True)}>; rel="next"'}
