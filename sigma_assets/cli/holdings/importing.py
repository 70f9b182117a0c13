"""The command `import`: read a file, show what was understood, ask what it leaves open, store all of it."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigma_assets.base.calendar import today
from sigma_assets.base.conventions import ACCOUNT_TYPES
from sigma_assets.base.errors import HoldingsError
from sigma_assets.cli.terminal.options import DAY
from sigma_assets.cli.terminal.printing import after, json_option, show_one

if TYPE_CHECKING:
    from sigma_assets.holdings.files.findings import Doubt
    from sigma_assets.holdings.reader import Holdings, ReadOptions

_SKIPPED_SHOWN = 12


def reading_options(command: Any) -> Any:
    """Give a command the options that answer what a file leaves open; `read_options` makes `ReadOptions` of them."""
    for option in (
        click.option("--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                     help="YAML file that maps the columns; see --show-mapping."),
        click.option("--source", help="Read the file as this source, such as 'Vanguard positions'."),
        click.option("--entry-date", "--as-of", "entry_date", type=DAY,
                     help="Entry date of positions in a file without dates."),
        click.option("--dates", type=click.Choice(["mdy", "dmy", "ymd"]),
                     help="Order of day and month in 03/04/2024, and of the year in 24-03-04."),
        click.option("--decimal", type=click.Choice([".", ","]), help="Decimal sign of the file."),
        click.option("--allow-duplicates", is_flag=True, help="Keep rows that occur twice: they are intended."),
        click.option("--usd", "in_usd", is_flag=True, help="All prices are in USD, also of symbols such as VOD.L."),
        click.option("--ignore-column", "ignore", multiple=True, help="Ignore this unknown column; repeatable; * for all."),
    ):  # fmt: skip
        command = option(command)
    return command


def read_options(given: Mapping[str, Any]) -> "ReadOptions":
    """Return what the options of `reading_options` say.

    Raises
    ------
    HoldingsError
        The mapping cannot be used, or no source has this name.
    """
    from sigma_assets.holdings.brokers.sources import known_sources, read_mapping
    from sigma_assets.holdings.reader import ReadOptions

    source = None
    if given["mapping"]:
        source = read_mapping(given["mapping"].read_text("utf-8", errors="replace"), given["mapping"].name)
    elif given["source"]:
        source = next((each for each in known_sources() if each.name == given["source"]), None)
        if source is None:
            names = "; ".join(each.name for each in known_sources())
            raise HoldingsError(f"no source is named {given['source']!r}; expected one of {names}")
    return ReadOptions(
        source=source,
        entry_date=given["entry_date"].date() if given["entry_date"] else None,
        decimal=given["decimal"],
        dates=given["dates"],
        allow_duplicates=given["allow_duplicates"],
        in_usd=given["in_usd"],
        ignore_columns=frozenset(name.lower() for name in given["ignore"]),
    )


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--name", help="Name of the portfolio, unique among yours.")
@click.option("--equity", help="Equity at inception, USD.")
@click.option("--account-type", default="taxable", show_default=True, help=", ".join(ACCOUNT_TYPES))
@click.option("--yes", is_flag=True, help="Do not ask; refuse what is ambiguous.")
@click.option("--dry-run", is_flag=True, help="Only show what was understood.")
@click.option("--show-mapping", is_flag=True, help="Print the mapping that FILE is read by, to start one of your own.")
@click.option("--template", is_flag=True, help="Write an empty file of our own format, to FILE or here.")
@reading_options
@json_option
def import_(file: Path | None, name: str | None, equity: str | None, account_type: str, yes: bool, dry_run: bool,
            show_mapping: bool, template: bool, as_json: bool, **given: Any) -> None:  # fmt: skip
    """Check a holdings file and import it as a new portfolio: all of it, or nothing and every problem found.

    Reads our own format, tables with usual names of columns, and exports of Fidelity, Schwab, Vanguard, Robinhood,
    E*TRADE, Interactive Brokers, Trading 212, Webull, Revolut, Yahoo Finance and DEGIRO; see docs/files-from-brokers.md.
    Amounts are in USD: files with other currencies are refused.
    """
    if template:
        return _write_template(file)
    if file is None:
        raise click.UsageError("FILE is missing; `sigma-assets import --template` writes an empty one")
    _return_memory_at_once()
    if show_mapping:
        from sigma_assets.holdings.reader import mapping_of

        return click.echo(mapping_of(read_content(file), file.name), nl=False)
    asks = sys.stdin.isatty() and not (yes or as_json)
    if dry_run:
        _check_given(name, equity, account_type)
        holdings = understand(file, read_options(given), asks=asks, keep_doubts=True)
        return show_one(holdings.summary(), as_json=as_json, sentence="\n".join(described(holdings)))
    for option, value in (("--name", name), ("--equity", equity)):
        if value is None:
            raise click.UsageError(f"{option} is missing; `--dry-run` only shows what is in the file")
    _import(file, str(name), str(equity), account_type, read_options(given), asks, as_json)


def _check_given(name: str | None, equity: str | None, account_type: str) -> None:
    """Refuse in a dry run what the import would refuse of the portfolio, as far as it is given."""
    from sigma_assets.cli.terminal.world import open_database
    from sigma_assets.holdings.portfolio import check_portfolio
    from sigma_assets.storage import portfolios as tables

    taken = set() if name is None else set(tables.portfolios(open_database())["name"])
    problems = check_portfolio("1" if name is None else name, "1" if equity is None else equity, account_type, taken)
    if problems:
        raise HoldingsError.of("import", problems)


def _import(
    file: Path,
    name: str,
    equity: str,
    account_type: str,
    options: "ReadOptions",
    asks: bool,
    as_json: bool,
) -> None:
    from sigma_assets.cli.onboarding import prepare_onboarding
    from sigma_assets.cli.terminal.holdings import tell_import
    from sigma_assets.cli.terminal.world import open_database
    from sigma_assets.holdings.portfolio import check_portfolio
    from sigma_assets.storage import portfolios as tables

    database = open_database()
    problems = check_portfolio(name, equity, account_type, set(tables.portfolios(database)["name"]))
    try:
        holdings = understand(file, options, asks=asks and not problems)
    except HoldingsError as error:
        if not error.problems:
            raise
        raise HoldingsError.of(file.name, [*problems, *error.problems]) from error
    if problems:
        raise HoldingsError.of(file.name, problems)
    inception = holdings.lots["entry_date"].min().date()
    click.echo("\n".join(described(holdings)), err=True)
    if asks:
        click.confirm(f"Import this as {name.strip()!r}?", default=True, abort=True, err=True)
    portfolio = tables.NewPortfolio(name.strip(), account_type, float(equity), inception)
    launch = prepare_onboarding(inception)
    adopted_by = "import" if launch else None
    portfolio_id = tables.add_portfolio(database, portfolio, holdings.lots, holdings.flows, adopted_by=adopted_by)
    record: dict[str, Any] = {"portfolio_id": portfolio_id, "name": name.strip(), "lots": len(holdings.lots)}
    with after(f"{name.strip()!r} is imported as {portfolio_id}, all of it"):
        record |= {
            "inception": inception,
            "run_id": launch(database, portfolio_id) if launch else None,
            "understood": holdings.summary(),
        }
        tell_import(portfolio_id)
    show_one(record, as_json=as_json, sentence=portfolio_id)


def _return_memory_at_once() -> None:
    """Let Arrow give back what it frees: its own allocator keeps 20 MB of a file of 10 MB for later use."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def read_content(file: Path) -> bytes:
    """Return the bytes of a file, one more than is allowed at most: a larger one is refused without being read.

    Raises
    ------
    HoldingsError
        It cannot be read.
    """
    from sigma_assets.holdings.files.layout.dialects import MAX_BYTES

    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise HoldingsError(f"{file}: cannot be read ({error.strerror}); expected a text file such as CSV") from error


def understand(file: Path, options: "ReadOptions", *, asks: bool, keep_doubts: bool = False) -> "Holdings":
    """Return what a file holds once nothing is in doubt: asked on a terminal, refused elsewhere.

    Raises
    ------
    HoldingsError
        The file has problems, or doubts that nobody can be asked about.
    """
    from sigma_assets.holdings.reader import read_file

    content = read_content(file) if asks else None  # a pipe can be read once only; who asks nothing keeps nothing
    while True:
        holdings = read_file(read_content(file) if content is None else content, file.name, today(), options)
        if not holdings.doubts or (keep_doubts and not asks):
            return holdings
        if not asks:
            raise HoldingsError.of(file.name, [doubt.as_problem() for doubt in holdings.doubts])
        if (answer := holdings.doubts[0].answer) in ("allow_duplicates", "in_usd"):  # one answer for all of them
            alike = [doubt for doubt in holdings.doubts if doubt.answer == answer]
            click.echo("\n".join(map(_doubt_line, alike[:_SKIPPED_SHOWN])), err=True)
        options = _ask(holdings.doubts[0], options)


def _ask(doubt: "Doubt", options: "ReadOptions") -> "ReadOptions":
    if "--entry-date" in doubt.remedy:
        day = click.prompt(f"{doubt.question} (YYYY-MM-DD)", type=DAY, err=True)
        return replace(options, entry_date=day.date())
    if "--dates" in doubt.remedy:
        orders = [each for each in ("mdy", "dmy", "ymd") if each in doubt.remedy]
        order = click.prompt(f"{doubt.value}: {doubt.question}", type=click.Choice(orders), err=True)
        return replace(options, dates=order)
    if "--decimal" in doubt.remedy:
        sign = click.prompt(f"{doubt.value}: {doubt.question}", type=click.Choice([".", ","]), err=True)
        return replace(options, decimal=sign)
    click.confirm(_doubt_line(doubt), default=False, abort=True, err=True)
    return options.answered(doubt)


def _doubt_line(doubt: "Doubt") -> str:
    place = "" if doubt.line is None else f"line {doubt.line}: "
    value = "" if doubt.value is None else f"{doubt.value}: "
    return f"{place}{value}{doubt.question}"


def described(holdings: "Holdings") -> list[str]:
    """Return what was understood of a file, in lines for a person."""
    told = holdings.summary()
    lots = holdings.lots
    classes = ", ".join(f"{count:,} {name}" for name, count in told["lots_by_class"].items())
    lines = [
        f"source      {told['source']} ({told['encoding']}, {told['delimiter']}s, decimal {told['decimal_sign']},"
        f" days {told['dates']})",
        f"lots        {told['lots']:,}: {classes}; {told['closed_lots']:,} closed",
        f"days        {told['first_date']} to {told['last_date']}",
        f"total cost  {told['total_cost_usd']:,.2f} USD",
    ]
    for row in lots.head(5).itertuples():
        closed = "" if row.exit_date != row.exit_date else f", closed {row.exit_date:%Y-%m-%d} at {row.exit_price:,.8g}"
        lines.append(
            f"  {row.quantity:,.8g} {row.symbol} at {row.entry_price:,.8g} on {row.entry_date:%Y-%m-%d}{closed}"
        )
    if len(lots) > 5:
        lines.append(f"  ... and {len(lots) - 5:,} more")
    for kind, amount in told["flows_by_kind"].items():
        lines.append(f"flows       {kind}: {amount:+,.2f} USD")
    for each in holdings.skipped[:_SKIPPED_SHOWN]:
        lines.append(f"skipped     line {each.line}: {each.reason}: {each.text[:60]}")
    if len(holdings.skipped) > _SKIPPED_SHOWN:
        lines.append(f"skipped     ... and {len(holdings.skipped) - _SKIPPED_SHOWN:,} more lines")
    lines += [f"warning     {warning}" for warning in holdings.warnings]
    return lines + [f"in doubt    {_doubt_line(doubt)}; {doubt.remedy}" for doubt in holdings.doubts[:_SKIPPED_SHOWN]]


def _write_template(file: Path | None) -> None:
    from sigma_assets.holdings.brokers.sources import HEADER

    text = (
        "# One line per lot. The first four columns are required; quantity negative = short. Days as YYYY-MM-DD, USD.\n"
        f"{HEADER}\n"
    )
    if file is None:
        return click.echo(text, nl=False)
    if file.exists():
        raise HoldingsError(f"{file} exists; choose another name")
    try:
        file.write_text(text)
    except OSError as error:
        raise HoldingsError(f"{file}: cannot be written ({error.strerror}); choose another place") from error
    click.echo(f"wrote {file}")
