"""`dealmark up`: the servers, the schema, the sample, the API and the worker, from one command until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import http.client
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import typer

from app.core.errors import StartupError
from app.devserver.supervisor import Child, Kept
from app.settings import Settings

DATABASE = "dealmark"
READY_SECONDS = 30.0
PORT_SECONDS = 3.0  # the API of a killed `dealmark up` needs a moment to notice
POLL_SECONDS = 0.05
ORPHAN_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(settings: Settings) -> int:
    """Start everything, keep it running, and stop it at SIGINT, SIGTERM or SIGHUP; then returns the exit code 0.

    Raises StartupError, one sentence, when something cannot start; nothing is left running then either.
    """
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # under nohup it stays ignored
            signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            _run(settings, stack)
    except KeyboardInterrupt:
        typer.echo("Everything is stopped.")
    return 0


def stop_with_parent(pipe: int) -> None:
    """Have this process stop when the parent that holds the other end of `pipe` is gone, be it by kill -9."""

    def wait() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, name="stop-with-parent", daemon=True).start()


def development_secret(data_dir: Path) -> str:
    """The HS256 secret kept in the data directory, 64 hex digits; made when there is none."""
    path = data_dir / "jwt-secret"
    path.touch(mode=0o600)
    secret = path.read_text().strip() or secrets.token_hex(32)
    path.write_text(secret)
    return secret


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first signal stops everything. Further ones must not disturb that: each of its steps is limited in time."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(settings: Settings, stack: ExitStack) -> None:
    """Everything in order; `stack` undoes it in the reverse order. Ends by an exception only."""
    begun = time.monotonic()
    data_dir = settings.data_dir.absolute()
    was_killed = stack.enter_context(_only_one(data_dir))
    _check_port(settings, PORT_SECONDS if was_killed else 0.0)
    kept: list[Kept] = []
    database_url = settings.database_url or _embedded_postgres(data_dir / "postgres", kept, stack)
    if settings.redis_url:
        redis_url = _given_redis(settings.redis_url)
    else:
        redis_url = _embedded_redis(data_dir / "redis", kept, stack)
    _fill(database_url)
    _page(database_url)
    development = _development(settings, data_dir)
    kept += _children(settings, {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **development}, stack)
    _wait_until_ready(settings, kept)
    _tell(settings, database_url, redis_url, time.monotonic() - begun)
    while True:
        time.sleep(POLL_SECONDS)
        for server in kept:
            server.look()


@contextmanager
def _only_one(data_dir: Path) -> Iterator[bool]:
    """Hold the data directory for this process. Gives whether the one that held it before was killed."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "up.lock").open("a+")
    except OSError as error:
        raise StartupError(
            f"{data_dir} cannot be used ({error.strerror}): set DEALMARK_DATA_DIR to a folder that can be written."
        ) from None
    with lock:
        lock.seek(0)
        holder = lock.read()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(f"Dealmark already runs from this folder (process {holder or 'unknown'}).") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield holder != ""
        finally:
            lock.truncate(0)


def _check_port(settings: Settings, patience: float) -> None:
    """Find out before anything is started. Raises StartupError when the port is taken for longer than `patience` s."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.create_server((settings.host, settings.port), family=family).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise StartupError(
                    f"Port {settings.port} of {settings.host} cannot be used ({error.strerror}): "
                    "set DEALMARK_PORT and DEALMARK_HOST."
                ) from None
            if time.monotonic() >= deadline:
                raise StartupError(
                    f"Port {settings.port} is taken by another program: stop it, or set DEALMARK_PORT."
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _embedded_postgres(directory: Path, kept: list[Kept], stack: ExitStack) -> str:
    """A PostgreSQL of our own with the database `dealmark`; returns its URL."""
    from app.devserver.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(directory)
    stack.callback(server.stop)
    if not directory.exists():
        typer.echo(f"Setting up PostgreSQL in {directory} ...")
    kept.append(Kept("PostgreSQL", server))
    kept[-1].start()
    asyncio.run(_create_database(server.url))
    return server.url.replace("/postgres?", f"/{DATABASE}?", 1)


async def _create_database(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


def _embedded_redis(directory: Path, kept: list[Kept], stack: ExitStack) -> str:
    """A Redis of our own; returns its URL."""
    from app.devserver.embedded import EmbeddedRedis

    server = EmbeddedRedis(directory)
    stack.callback(server.stop)
    kept.append(Kept("Redis", server))
    kept[-1].start()
    return server.url


def _given_redis(url: str) -> str:
    """The Redis of the user. Raises StartupError when it does not answer; the API would only say "not ready"."""
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise StartupError(f"Redis does not answer at REDIS_URL: {str(error).rstrip('.')}.") from None
    return url


def _fill(database_url: str) -> None:
    """The schema of this code, and the sample catalogue when there is no data at all."""
    from app.db import schema_version
    from app.devserver import sample_data

    schema_version.upgrade(database_url)
    if loaded := sample_data.load_if_empty(database_url):
        typer.echo(f"Loaded the sample catalogue: {loaded:,} listings.")


def _page(database_url: str) -> None:
    """The page that people look at, built from its sources where they changed, and its documents."""
    from app.devserver import web_build
    from app.server import web_documents

    web_build.build(typer.echo)
    web_documents.publish(database_url)


def _development(settings: Settings, data_dir: Path) -> dict[str, str]:
    """What `dealmark up` decides as long as the user did not."""
    chosen = {}
    if "development" not in settings.model_fields_set:
        chosen["DEALMARK_DEVELOPMENT"] = "true"
    if settings.jwt_secret is None and settings.jwt_jwks_url is None:
        chosen["DEALMARK_JWT_SECRET"] = development_secret(data_dir)
    return chosen


def _children(settings: Settings, environment: dict[str, str], stack: ExitStack) -> list[Kept]:
    """The API and the worker, started. They hold the read end of a pipe that closes when this process is gone."""
    read_end, write_end = os.pipe()
    stack.callback(os.close, write_end)
    stack.callback(os.close, read_end)
    stop_seconds = settings.drain_seconds + 5.0
    api, worker = (Child(command, environment, read_end, stop_seconds) for command in ("serve", "worker"))
    for child in (api, worker):
        stack.callback(child.wait_stopped)
    for child in (api, worker):  # undone first: the two stop side by side
        stack.callback(child.ask_to_stop)
    kept = [Kept("API", api, essential=True), Kept("worker", worker)]
    for server in kept:
        server.start()
    return kept


def _wait_until_ready(settings: Settings, kept: list[Kept]) -> None:
    """Until /ready says yes. Raises StartupError when it does not within READY_SECONDS."""
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(settings):
        if time.monotonic() > deadline:
            raise StartupError(f"The API was not ready within {READY_SECONDS:.0f} s; its messages are above.")
        time.sleep(POLL_SECONDS)
        for server in kept:
            server.look()


def _is_ready(settings: Settings) -> bool:
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
    connection = http.client.HTTPConnection(any_address.get(settings.host, settings.host), settings.port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tell(settings: Settings, database_url: str, redis_url: str, seconds: float) -> None:
    """What is where. A URL of the user's own is not repeated: it may hold a password."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    development = settings.development or "development" not in settings.model_fields_set
    logs = "API and worker write here"
    if not settings.database_url:
        logs += f", PostgreSQL to {settings.data_dir}/postgres/postgres.log"
    if not settings.redis_url:
        logs += f", Redis to {settings.data_dir}/redis/redis.log"
    lines = {
        "Page": f"{address}/",
        "GraphQL": f"{address}/graphql" + (" (GraphiQL in a browser)" if development else ""),
        "Ready": f"{address}/ready",
        "Metrics": f"{address}/metrics",
        "Token": f"{_dealmark_command()} token --role admin",
        "Database": "the one of DATABASE_URL" if settings.database_url else database_url,
        "Redis": "the one of REDIS_URL" if settings.redis_url else redis_url,
        "Logs": logs,
    }
    typer.echo(f"\nDealmark is ready after {seconds:.1f} s.")
    for name, text in lines.items():
        typer.echo(f"  {name:<10}{text}")
    typer.echo("Ctrl-C stops everything.\n")


def _dealmark_command() -> str:
    """How the user calls us: `make run` does not put the virtual environment on the PATH."""
    program = Path(sys.executable).with_name("dealmark")
    if shutil.which("dealmark"):
        return "dealmark"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
