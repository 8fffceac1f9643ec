"""`dealmark up`, `serve` and `worker`: commands that run until they are stopped."""

from __future__ import annotations

import asyncio

import typer

from app.cli.connect import connected_settings, start_logging
from app.core.listening import check_port
from app.settings import Settings, load_settings


def up() -> None:
    """Run everything for development: PostgreSQL, Redis, migrations, sample data, worker and API. Ctrl-C stops it."""
    from app.devserver import up as up_command

    raise typer.Exit(up_command.up(load_settings()))


def serve() -> None:
    """Run the API server."""
    import gc

    import uvicorn

    from app.main import create_app
    from app.server.uvicorn_options import uvicorn_options

    settings = _process_settings()
    check_port(settings.host, settings.port)  # uvicorn would log the error of the system only
    start_logging(settings)
    asyncio.run(_check_schema(settings))
    application = create_app(settings)
    # Exclude the imported modules from garbage collection: a full collection would take 50 ms to traverse them.
    gc.freeze()
    # A list of 100 CPUs has 500 objects that live until the response is sent. With the default threshold of 700 the
    # collector would run for nearly every response and find nothing.
    gc.set_threshold(20_000, 10, 10)
    uvicorn.run(application, host=settings.host, port=settings.port, **uvicorn_options(settings))


def worker() -> None:
    """Run the worker: page imports, recalculations, events and the nightly jobs."""
    # Imported by name, because `jobs` is a layer above `app`.
    import importlib

    settings = _process_settings()
    start_logging(settings)
    asyncio.run(importlib.import_module("jobs.worker").run(settings))


async def _check_schema(settings: Settings) -> None:
    """Raise NewerSchema if a newer version has migrated the database. Log it if `dealmark migrate` has to be run.

    In all other cases the process starts: /ready reports a database that is down or not migrated.
    """
    import structlog

    from app.db.errors import is_unavailable
    from app.db.write_access import NewerSchema
    from app.resources import Resources

    log = structlog.get_logger()
    try:
        async with Resources.open(settings, listen=False) as resources:
            await resources.check_schema()
    except NewerSchema:
        raise
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.error("serve.database_unusable", error=str(error))


def _process_settings() -> Settings:
    """Return the settings of a server process. It stops with its parent if `dealmark up` started it.

    Without DATABASE_URL or REDIS_URL, a running `dealmark up` is found. Raises StartupError if there is none.
    """
    settings = connected_settings(needs_redis=True)
    settings.require_servers()
    if settings.parent_pipe is not None:
        from app.devserver.up import stop_with_parent

        stop_with_parent(settings.parent_pipe)
    return settings
