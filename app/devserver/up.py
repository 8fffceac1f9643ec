"""`dealmark up`: run everything that a developer needs, until Ctrl-C.

That is PostgreSQL and Redis (unless their URLs are set), migrations, sample data, the web page, the API and the worker.
"""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import typer

from app.core.errors import StartupError
from app.core.listening import check_port
from app.devserver.supervisor import ChildProcess, SupervisedProcess
from app.settings import Settings

DATABASE = "dealmark"
READY_TIMEOUT_SECONDS = 30.0
# The API of a `dealmark up` that was killed needs a moment to exit and release its port.
PORT_TIMEOUT_SECONDS = 3.0
POLL_INTERVAL_SECONDS = 0.05
ORPHAN_TIMEOUT_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(settings: Settings) -> int:
    """Start everything, supervise it, and stop it on SIGINT, SIGTERM or SIGHUP. Return the exit code 0.

    Raises StartupError if something cannot start. Everything that was started before is stopped then.
    """
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            _run(settings, stack)
    except KeyboardInterrupt:
        typer.echo("Everything is stopped.")
    return 0


def stop_with_parent(pipe: int) -> None:
    """Stop this process when its parent ends, even by SIGKILL: then the parent's end of the pipe is closed."""

    def wait() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_TIMEOUT_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, name="stop-with-parent", daemon=True).start()


def development_secret(data_dir: Path) -> str:
    """Return the HS256 secret in the data directory, 64 hex digits. Create it on first use."""
    path = data_dir / "jwt-secret"
    path.touch(mode=0o600)
    secret = path.read_text().strip() or secrets.token_hex(32)
    path.write_text(secret)
    return secret


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Stop on the first signal. Later signals are ignored, because every step of stopping has a timeout."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(settings: Settings, stack: ExitStack) -> None:
    """Start everything in order and supervise it. `stack` stops it in reverse order. Ends with an exception only."""
    started_at = time.monotonic()
    data_dir = settings.data_dir.absolute()
    was_killed = stack.enter_context(_lock_data_dir(data_dir))
    check_port(settings.host, settings.port, PORT_TIMEOUT_SECONDS if was_killed else 0.0)
    supervised: list[SupervisedProcess] = []
    database_url = settings.database_url or _start_postgres(data_dir / "postgres", supervised, stack)
    if settings.redis_url:
        redis_url = settings.redis_url
        _ping_redis(redis_url)
    else:
        redis_url = _start_redis(data_dir / "redis", supervised, stack)
    _migrate(database_url)
    _publish_web_page(database_url)
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **_development_defaults(settings, data_dir)}
    supervised += _start_children(settings, environment, stack)
    _wait_until_ready(settings, supervised)
    _print_summary(settings, database_url, redis_url, time.monotonic() - started_at)
    while True:
        time.sleep(POLL_INTERVAL_SECONDS)
        for process in supervised:
            process.check()


@contextmanager
def _lock_data_dir(data_dir: Path) -> Iterator[bool]:
    """Lock the data directory for this process. Yield whether the previous process was killed."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "up.lock").open("a+")
    except OSError as error:
        raise StartupError(
            f"{data_dir} cannot be used ({error.strerror}): set DEALMARK_DATA_DIR to a writable folder."
        ) from None
    with lock:
        lock.seek(0)
        holder = lock.read()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(f"`dealmark up` already runs with {data_dir} (process {holder or 'unknown'}).") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield holder != ""
        finally:
            lock.truncate(0)


def _start_postgres(directory: Path, supervised: list[SupervisedProcess], stack: ExitStack) -> str:
    """Start an embedded PostgreSQL with the database `dealmark`. Return its URL."""
    from app.devserver.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(directory)
    stack.callback(server.stop)
    if not directory.exists():
        typer.echo(f"Setting up PostgreSQL in {directory} ...")
    supervised.append(SupervisedProcess("PostgreSQL", server))
    supervised[-1].start()
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


def _start_redis(directory: Path, supervised: list[SupervisedProcess], stack: ExitStack) -> str:
    """Start an embedded Redis. Return its URL."""
    from app.devserver.embedded import EmbeddedRedis

    server = EmbeddedRedis(directory)
    stack.callback(server.stop)
    supervised.append(SupervisedProcess("Redis", server))
    supervised[-1].start()
    return server.url


def _ping_redis(url: str) -> None:
    """Check the Redis of REDIS_URL. Raises StartupError if it does not answer (the API would only be "not ready")."""
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise StartupError(f"Redis does not answer at REDIS_URL: {str(error).rstrip('.')}.") from None


def _migrate(database_url: str) -> None:
    """Upgrade the database schema, and load the sample catalogue into an empty database."""
    from app.db import schema_version
    from app.devserver import sample_data

    schema_version.upgrade(database_url)
    if loaded := sample_data.load_if_empty(database_url):
        typer.echo(f"Loaded the sample catalogue: {loaded:,} listings.")


def _publish_web_page(database_url: str) -> None:
    """Build the web page if its sources have changed, and publish its documents."""
    from app.devserver import web_build
    from app.server import web_documents

    web_build.build(typer.echo)
    web_documents.publish_web_documents(database_url)


def _development_defaults(settings: Settings, data_dir: Path) -> dict[str, str]:
    """Return environment variables for settings that the user has not set."""
    defaults = {}
    if "development" not in settings.model_fields_set:
        defaults["DEALMARK_DEVELOPMENT"] = "true"
    if settings.jwt_secret is None and settings.jwt_jwks_url is None:
        defaults["DEALMARK_JWT_SECRET"] = development_secret(data_dir)
    return defaults


def _start_children(settings: Settings, environment: dict[str, str], stack: ExitStack) -> list[SupervisedProcess]:
    """Start the API and the worker. They watch the read end of a pipe that is closed when this process ends."""
    read_end, write_end = os.pipe()
    stack.callback(os.close, write_end)
    stack.callback(os.close, read_end)
    stop_timeout_seconds = settings.shutdown_timeout_seconds + 5.0
    api, worker = (
        ChildProcess(command, environment, read_end, stop_timeout_seconds) for command in ("serve", "worker")
    )
    for child in (api, worker):
        stack.callback(child.wait_until_stopped)
    for child in (api, worker):  # called before the waits above, so that both stop at the same time
        stack.callback(child.request_stop)
    supervised = [SupervisedProcess("API", api, is_essential=True), SupervisedProcess("worker", worker)]
    for process in supervised:
        process.start()
    return supervised


def _wait_until_ready(settings: Settings, supervised: list[SupervisedProcess]) -> None:
    """Wait until /ready returns 200. Raises StartupError after READY_TIMEOUT_SECONDS."""
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not _is_ready(settings):
        if time.monotonic() > deadline:
            raise StartupError(f"The API was not ready within {READY_TIMEOUT_SECONDS:.0f} s; its messages are above.")
        time.sleep(POLL_INTERVAL_SECONDS)
        for process in supervised:
            process.check()


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


def _print_summary(settings: Settings, database_url: str, redis_url: str, seconds: float) -> None:
    """Print the addresses. URLs from the environment are not printed, because they may contain a password."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    development = settings.development or "development" not in settings.model_fields_set
    logs = "API and worker: here"
    if not settings.database_url:
        logs += f"; PostgreSQL: {settings.data_dir}/postgres/postgres.log"
    if not settings.redis_url:
        logs += f"; Redis: {settings.data_dir}/redis/redis.log"
    lines = {
        "Page": f"{address}/",
        "GraphQL": f"{address}/graphql" + (" (GraphiQL in a browser)" if development else ""),
        "Ready": f"{address}/ready",
        "Metrics": f"{address}/metrics",
        "Token": f"{_dealmark_command()} token --role admin",
        "Database": "from DATABASE_URL" if settings.database_url else database_url,
        "Redis": "from REDIS_URL" if settings.redis_url else redis_url,
        "Logs": logs,
    }
    typer.echo(f"\nDealmark is ready after {seconds:.1f} s.")
    for name, text in lines.items():
        typer.echo(f"  {name:<10}{text}")
    typer.echo("Ctrl-C stops everything.\n")


def _dealmark_command() -> str:
    """Return the command that the user can type. `make run` does not put the virtual environment on the PATH."""
    program = Path(sys.executable).with_name("dealmark")
    if shutil.which("dealmark"):
        return "dealmark"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
