"""`dealmark migrate`, `recalculate` and `verify`: commands that work on the database."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.connect import connected_settings, friendly_database_errors, open_resources, start_logging

if TYPE_CHECKING:
    from app.job_handlers.verification import VerificationReport
    from app.settings import Settings


def migrate() -> None:
    """Upgrade the database schema to this version, and publish the documents of the web page."""
    from app.db import schema_version
    from app.server import web_documents

    settings = connected_settings()
    schema_version.upgrade(settings.required_database_url)
    with friendly_database_errors():
        web_documents.publish_web_documents(settings.required_database_url)
    typer.echo(f"The database is at revision {schema_version.head_revision()}.")


def recalculate(
    cpu: Annotated[
        list[str] | None, typer.Option(help="Slug of a CPU; can be repeated. By default, all CPUs are recalculated.")
    ] = None,
) -> None:
    """Recalculate price targets and performance values now, in this process. The exit code is 1 if a CPU failed."""
    settings = connected_settings()
    start_logging(settings, level="WARNING", stream=sys.stderr)
    total, succeeded, failed = asyncio.run(_recalculate(settings, cpu))
    typer.echo(json.dumps({"total": total, "succeeded": succeeded, "failed": failed}))
    raise typer.Exit(1 if failed else 0)


def verify(
    fix: Annotated[bool, typer.Option("--fix", help="Recalculate and repair values that differ.")] = False,
) -> None:
    """Compare stored figures and statistics with recalculated ones. The exit code is 1 if differences remain."""
    settings = connected_settings()
    start_logging(settings, level="CRITICAL", stream=sys.stderr)
    report = asyncio.run(_verify(settings, fix))
    typer.echo(json.dumps(report.as_dict()))
    raise typer.Exit(1 if report.remaining else 0)


async def _recalculate(settings: Settings, slugs: list[str] | None) -> tuple[int, int, int]:
    """Run the worker's job handler without the queue. Return the numbers of CPUs: all, succeeded and failed."""
    from app.db.tables import JobKind
    from app.job_handlers import dispatch
    from app.job_handlers.recalculation import cpu_ids_of_slugs

    async with open_resources(settings) as resources:
        job_input = {} if slugs is None else {"cpu_ids": await cpu_ids_of_slugs(resources, slugs)}
        result = await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, job_input)
    return result.total, result.succeeded, result.failed


async def _verify(settings: Settings, fix: bool) -> VerificationReport:
    from app.db.tables import JobKind
    from app.job_handlers import dispatch
    from app.job_handlers.verification import VerificationReport

    async with open_resources(settings) as resources:
        report = await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {"fix": fix})
    assert isinstance(report, VerificationReport)
    return report
