"""The command `sigma-assets`."""

from typing import Any

import click

from sigma_assets.base.errors import SigmaError
from sigma_assets.base.masking import masked

COMMANDS = {
    "import": ("holdings.importing:import_", "Import a holdings file as a new portfolio, or list its problems."),
    "portfolios": ("portfolios:portfolios", "List the active portfolios."),
    "remove": ("portfolios:remove", "Remove a portfolio; its history stays readable."),
    "rename": ("holdings.changes:rename", "Rename a portfolio."),
    "lots": ("portfolios:lots", "List the lots of a portfolio, as entered."),
    "trade": ("holdings.changes:trade", "Record a purchase or a sale."),
    "close": ("holdings.changes:close", "Close a lot, or all open lots of a symbol."),
    "correct": ("holdings.changes:correct", "Correct a lot that was entered wrongly."),
    "sync": ("holdings.changes:sync", "Replace a portfolio's lots with those of a newer file."),
    "flow": ("portfolios:flow", "Record a contribution or withdrawal, a fee, interest or tax."),
    "flows": ("portfolios:flows", "List the cash flows of a portfolio."),
    "undo": ("holdings.changes:undo", "Undo the last change to lots or flows."),
    "run": ("pipeline:run", "Compute everything that is missing or out of date."),
    "missing": ("pipeline:missing", "Show which sessions are missing, per portfolio and asset."),
    "runs": ("reading.history:runs", "Show the history of runs, and why runs failed."),
    "status": ("reading.history:status", "Show the progress of a portfolio and what is not known."),
    "check": ("reading.checks:check", "Run all asset checks on the stored rows."),
    "report": ("reading.report:report", "Show a portfolio: in the terminal, as a page, as JSON."),
    "explain": ("reading.explain:explain", "Explain a number: formula, inputs, run, computed again."),
    "export": ("reading.export:export", "Write the rows of a table: CSV, JSON or Parquet."),
    "classify": ("classes:classify", "Store the classes of symbols, such as sectors, from a CSV."),
    "prices": ("prices:prices", "Maintain the stored prices."),
    "settings": ("installation:settings", "Show every setting, its value and its meaning."),
    "demo": ("demo:demo", "Run two sample portfolios on simulated prices."),
    "dev": ("servers:dev", "Start Dagster, its daemon and the status server locally."),
    "db": ("installation:db", "Maintain the database: its schema, and what can be deleted."),
    "token": ("access:token", "Print a link to the status pages of one portfolio only."),
    "serve": ("servers:serve", "Start the status server: JSON API and pages."),
    "worker": ("worker:worker", "Execute runs on this host, one of several."),
}
"""Where each command stands in this folder, and what it does in one line of 80 columns: `--help` imports none of them."""


class LazyGroup(click.Group):
    """Commands are imported when called: `--help` and `import` need not wait for Dagster."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of a user's first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(import_module(f"sigma_assets.cli.{module}"), attribute)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected error is a message and an exit code, not a traceback."""
        try:
            return super().invoke(ctx)
        except SigmaError as error:
            raise ExpectedError(error) from error
        except Exception as error:  # a full disk or a server that is away shows as whatever met it; all else is raised
            from sigma_assets.settings import settings
            from sigma_assets.storage.connection.database import Database
            from sigma_assets.storage.connection.failures import full_disk, unusable_file

            named = full_disk(error) or unusable_file(error, settings().home.resolve())
            named = named or Database(settings().database).server_error(error)
            if named is None:
                raise
            for note in set(getattr(error, "__notes__", ())) - set(getattr(named, "__notes__", ())):
                named.add_note(note)
            raise ExpectedError(named) from error


class ExpectedError(click.ClickException):
    """An error that was raised on purpose, as click shows it."""

    def __init__(self, error: SigmaError) -> None:
        super().__init__(masked("\n  ".join([f"error: {error}", *getattr(error, "__notes__", ())])))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:
        """Print the message."""
        click.echo(self.message, file=file, err=file is None)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="sigma_assets")
def cli() -> None:
    """End-of-day portfolio risk: import holdings, compute what is missing, read the numbers.

    Exit codes: 0 success, 1 failure, 2 bad usage or input.
    """


def main() -> None:
    """Run the command line."""
    cli(prog_name="sigma-assets")


if __name__ == "__main__":
    main()
