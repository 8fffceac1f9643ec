"""Dealmark: what a CPU is worth, as a GraphQL API. Settings are environment variables; the README lists them."""

# Imports are inside the commands, so that each starts as fast as it can.

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from app.cli.connect import connected_settings, told_plainly
from app.cli.documents import documents_app
from app.cli.imports import import_app
from app.cli.ingest import ingest
from app.cli.match import match
from app.core.errors import AppError
from app.settings import Settings, load_settings, unknown_variables

if TYPE_CHECKING:
    from app.job_handlers.verification import VerificationReport

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(import_app, name="import")
app.add_typer(documents_app, name="documents")
app.command()(match)
app.command()(ingest)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dealmark {version('dealmark')}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    from app.core.logging import use_plain_tracebacks

    use_plain_tracebacks()
    for sentence in unknown_variables():
        typer.echo(sentence, err=True)


class RoleName(StrEnum):
    """Roles of `dealmark token`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command()
def up() -> None:
    """Start everything: PostgreSQL, Redis, migrations, sample catalogue, worker and API. Ctrl-C stops it."""
    from app.devserver import up as up_command

    raise typer.Exit(up_command.up(load_settings()))


@app.command()
def serve() -> None:
    """Run the API."""
    import gc

    import uvicorn

    from app.main import create_app

    settings = _process_settings()
    _start_logging(settings)
    application = create_app(settings)
    # The modules stay for good: the collector, which would pause for 50 ms to look through them, leaves them alone.
    gc.freeze()
    # A list of 100 CPUs is 500 objects that live until it is sent: by default the collector would look through them
    # for each answer anew, and find nothing.
    gc.set_threshold(20_000, 10, 10)
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-For is believed by `trusted_proxies` alone
        ws_max_size=256 * 1024,
        timeout_graceful_shutdown=round(settings.shutdown_timeout_seconds),
    )


@app.command()
def worker() -> None:
    """Run the worker: imports of pages, recalculations, the nightly one included, and of whatever changes."""
    # By name: nothing in `app` may import `jobs`, which stands above it.
    import importlib

    settings = _process_settings()
    _start_logging(settings)
    asyncio.run(importlib.import_module("jobs.worker").run(settings))


@app.command()
def migrate() -> None:
    """Bring the database's schema up to this code, and publish the documents of the page that comes with it."""
    from app.db import schema_version
    from app.server import web_documents

    settings = connected_settings()
    schema_version.upgrade(settings.required_database_url)
    web_documents.publish_web_documents(settings.required_database_url)
    typer.echo(f"The database is at revision {schema_version.head_revision()}.")


@app.command()
def recalculate(
    cpu: Annotated[list[str] | None, typer.Option(help="Slug of a CPU; repeat for more. Without: all CPUs.")] = None,
) -> None:
    """Recalculate price targets and performance values now, here; exits with 1 when any CPU failed."""
    settings = connected_settings()
    _start_logging(settings, level="WARNING", stream=sys.stderr)
    total, succeeded, failed = asyncio.run(_recalculate(settings, cpu))
    typer.echo(json.dumps({"total": total, "succeeded": succeeded, "failed": failed}))
    raise typer.Exit(1 if failed else 0)


@app.command()
def verify(
    fix: Annotated[bool, typer.Option("--fix", help="Recalculate and repair what differs.")] = False,
) -> None:
    """Compare stored figures and statistics with computed ones; exits with 1 when any differ (and are not repaired)."""
    settings = connected_settings()
    _start_logging(settings, level="CRITICAL", stream=sys.stderr)
    found = asyncio.run(_verify(settings, fix))
    typer.echo(json.dumps(found.as_dict()))
    raise typer.Exit(1 if found.remaining else 0)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from app.schema.build import build_schema

    typer.echo(build_schema().as_str())


@app.command()
def token(
    role: Annotated[RoleName, typer.Option(help="What the token may do.")] = RoleName.VIEWER,
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "developer",
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 365, help="How long it holds.")] = 24,
) -> None:
    """Mint a bearer token for development."""
    from app.graphql.viewer import Role
    from app.server.authentication import issue_token

    typer.echo(issue_token(connected_settings(), Role[role.name], subject, timedelta(hours=hours)))


def main() -> None:
    """Entry point: an error that was meant for the person who typed is one sentence and exit code 1."""
    try:
        app()
    except AppError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)


def _process_settings() -> Settings:
    """Settings of a process that stays, with both servers named; under `dealmark up` it ends with its parent."""
    settings = load_settings()
    _ = settings.required_database_url, settings.required_redis_url
    if settings.parent_pipe is not None:
        from app.devserver.up import stop_with_parent

        stop_with_parent(settings.parent_pipe)
    return settings


def _start_logging(settings: Settings, level: str | None = None, stream: TextIO | None = None) -> None:
    from app.core.logging import configure_logging

    form = settings.log_format or ("console" if settings.development else "json")
    configure_logging(form, level or settings.log_level, stream or sys.stdout)


async def _recalculate(settings: Settings, slugs: list[str] | None) -> tuple[int, int, int]:
    """The worker's path, without the queue."""
    from app.db.tables import JobKind
    from app.job_handlers import dispatch
    from app.job_handlers.recalculation import cpu_ids_of_slugs
    from app.resources import Resources

    with told_plainly():
        async with Resources.open(settings, listen=False) as resources:
            content = {} if slugs is None else {"cpu_ids": await cpu_ids_of_slugs(resources, slugs)}
            outcome = await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, content)
    return outcome.total, outcome.succeeded, outcome.failed


async def _verify(settings: Settings, fix: bool) -> VerificationReport:
    from app.db.tables import JobKind
    from app.job_handlers import dispatch
    from app.job_handlers.verification import VerificationReport
    from app.resources import Resources

    with told_plainly():
        async with Resources.open(settings, listen=False) as resources:
            outcome = await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {"fix": fix})
    assert isinstance(outcome, VerificationReport)
    return outcome


if __name__ == "__main__":
    main()
