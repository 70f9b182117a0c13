"""The command that stores the classes of symbols."""

from pathlib import Path

import click

from sigma_assets.base.errors import HoldingsError
from sigma_assets.cli.terminal.printing import json_option, show_one
from sigma_assets.cli.terminal.world import open_database


@click.command()
@click.argument("file", metavar="FILE.csv", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def classify(file: Path, as_json: bool) -> None:
    """Store the classes of symbols: columns symbol, scheme, class, weight.

    Several rows per symbol and scheme look through a fund. `export allocation` shows exposure by class.
    """
    from sigma_assets.holdings.classes import read_classes
    from sigma_assets.storage.classifications import never_held, replace_classes

    try:
        content = file.read_bytes()
    except OSError as error:
        raise HoldingsError(f"{file}: cannot be read ({error.strerror}); expected a CSV file") from error
    rows = read_classes(content, file.name)
    database = open_database()
    count = replace_classes(database, [(row.symbol, row.scheme, row.class_name, row.weight) for row in rows])
    schemes = sorted({row.scheme for row in rows})
    symbols = {row.symbol for row in rows}
    unheld = sorted(never_held(database, symbols))
    sentence = f"classified {len(symbols)} symbols by {', '.join(schemes) or 'nothing'} in {len(rows)} rows"
    if unheld:
        sentence += f"; no portfolio has ever held {len(unheld)} of them: {', '.join(unheld[:5])}"
        sentence += ", ..." if len(unheld) > 5 else ""
    show_one(
        {"rows": len(rows), "symbols": len(symbols), "schemes": schemes, "replaced": count, "never_held": unheld},
        as_json=as_json,
        sentence=sentence,
    )
