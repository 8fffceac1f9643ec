"""Dealmark: a GraphQL API of CPU prices. Settings are environment variables."""

# Commands import what they need when they run, so that each starts quickly.

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli.administration import schema, token
from app.cli.database import migrate, recalculate, verify
from app.cli.documents import documents_app
from app.cli.imports import import_app
from app.cli.ingest import ingest
from app.cli.match import match
from app.cli.processes import serve, up, worker
from app.core.errors import AppError
from app.settings import unknown_variables

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

app.command(rich_help_panel="Processes")(up)
app.command(rich_help_panel="Processes")(serve)
app.command(rich_help_panel="Processes")(worker)

app.command(rich_help_panel="Database")(migrate)
app.command(rich_help_panel="Database")(recalculate)
app.command(rich_help_panel="Database")(verify)

app.add_typer(import_app, name="import", rich_help_panel="Data")
app.command(rich_help_panel="Data")(ingest)
app.command(rich_help_panel="Data")(match)

app.add_typer(documents_app, name="documents", rich_help_panel="API")
app.command(rich_help_panel="API")(schema)
app.command(rich_help_panel="API")(token)


def main() -> None:
    """Run the command line. An AppError is printed as one sentence, and the exit code is 1."""
    try:
        app()
    except AppError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import version

        typer.echo(f"dealmark {version('dealmark')}")
        raise typer.Exit


@app.callback()
def _before_every_command(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    for warning in unknown_variables():
        typer.echo(warning, err=True)


if __name__ == "__main__":
    main()
