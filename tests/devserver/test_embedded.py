"""Embedded servers: starting and stopping, and recovery after a killed parent or a reboot."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis

from app.core.errors import StartupError
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis, postgres_account_options


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short path, because the path of a socket has at most about 100 bytes."""
    path = Path(tempfile.mkdtemp(prefix="dm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    yield server
    server.stop()


@pytest.fixture
def redis(folder: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(folder / "redis")
    yield server
    server.stop()


async def fetch_value(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def ping(url: str) -> bool:
    with Redis.from_url(url) as client:
        return bool(client.ping())


def postmaster_process(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.home / "postmaster.pid").read_text().split("\n")[0]))


def start_elsewhere(server: EmbeddedPostgres | EmbeddedRedis) -> None:
    """Start the server in a process that ends without stopping it, as if it was killed."""
    program = (
        "import sys, pathlib, app.devserver.embedded as e; getattr(e, sys.argv[1])(pathlib.Path(sys.argv[2])).start()"
    )
    directory = server.directory if isinstance(server, EmbeddedPostgres) else server.home
    subprocess.run([sys.executable, "-c", program, type(server).__name__, str(directory)], check=True)


async def test_postgres_starts_stops_and_keeps_its_data(postgres: EmbeddedPostgres) -> None:
    assert not postgres.is_running()
    url = postgres.start()
    assert postgres.is_running()
    assert str(await fetch_value(url, "SHOW server_version")).startswith("18.")
    assert await fetch_value(url, "SHOW fsync") == "off"
    assert await fetch_value(url, "SHOW listen_addresses") == ""
    assert (
        await fetch_value(url, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'")
        == "bC.UTF-8"
    )
    await fetch_value(url, "CREATE TABLE kept AS SELECT 42 AS answer")

    process = postmaster_process(postgres)
    postgres.stop()
    postgres.stop()
    assert not postgres.is_running()
    assert not process.is_running()

    assert await fetch_value(postgres.start(), "SELECT answer FROM kept") == 42


async def test_postgres_is_durable_by_default(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    try:
        url = server.start()
        assert [
            await fetch_value(url, f"SHOW {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")
        ] == ["on"] * 3
    finally:
        server.stop()


async def test_postgres_url_works_with_any_environment_of_the_caller(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "6000",
        "PGOPTIONS": "-c work_mem=64kB",
        "LANG": "xx_XX.none",
        "TZ": "Asia/Tokyo",
    }.items():
        monkeypatch.setenv(name, value)
    assert await fetch_value(postgres.start(), "SHOW timezone") == "UTC"


async def test_postgres_of_a_killed_parent_is_adopted(postgres: EmbeddedPostgres) -> None:
    start_elsewhere(postgres)
    process = postmaster_process(postgres)
    assert postgres.is_running()
    assert await fetch_value(postgres.start(), "SELECT 1") == 1
    assert postmaster_process(postgres).pid == process.pid
    postgres.stop()
    assert not postgres.is_running()


def test_killed_postgres_starts_although_its_pid_is_reused(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    asyncio.run(fetch_value(server.start(), "CREATE TABLE kept AS SELECT 42 AS answer"))
    pid = postmaster_process(server).pid
    os.kill(pid, signal.SIGKILL)
    while server.is_running():
        time.sleep(0.01)

    # After a reboot another process can have the pid, even one of the same account.
    stranger = subprocess.Popen(["sleep", "60"], **postgres_account_options())
    try:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            stale = server.home / name
            stale.write_text(stale.read_text().replace(str(pid), str(stranger.pid), 1))
        assert not server.is_running()
        assert asyncio.run(fetch_value(server.start(), "SELECT answer FROM kept")) == 42
        assert stranger.poll() is None
    finally:
        server.stop()
        stranger.kill()
        stranger.wait()


async def test_interrupted_initdb_is_repeated(postgres: EmbeddedPostgres) -> None:
    half = postgres.directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert await fetch_value(postgres.start(), "SELECT 1") == 1
    assert not half.exists()


async def test_paths_that_are_unsuitable_for_a_socket_get_a_short_directory(folder: Path) -> None:
    home = folder / ("a, b " + "x" * 120)
    postgres, redis = EmbeddedPostgres(home / "pg", durable=False), EmbeddedRedis(home / "redis")
    sockets = [Path(postgres.url.split("host=")[1].split("&")[0]), Path(redis.url.removeprefix("unix://")).parent]
    try:
        assert await fetch_value(postgres.start(), "SELECT 1") == 1
        assert ping(redis.start())
        assert all(path.stat().st_mode & 0o077 == 0 for path in sockets)
    finally:
        postgres.stop()
        redis.stop()
        for path in sockets:
            assert home not in path.parents
            shutil.rmtree(path)


def test_redis_starts_with_its_settings_and_stops(redis: EmbeddedRedis) -> None:
    url = redis.start()
    with Redis.from_url(url, decode_responses=True) as client:
        assert client.config_get("maxmemory*")["maxmemory-policy"] == "volatile-lru"
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("save") == {"save": ""}
    redis.stop()
    redis.stop()
    assert not redis.is_running()


def test_full_redis_evicts_cached_responses_but_not_the_queue(redis: EmbeddedRedis) -> None:
    with Redis.from_url(redis.start()) as client:
        client.config_set("maxmemory", "8mb")
        client.zadd("dealmark:queue", {"job:1": 1})
        for number in range(400):
            client.set(f"dealmark:response:{number}", b"x" * 50_000, ex=600)
        client.zadd("dealmark:queue", {"job:2": 2})
        assert client.zrange("dealmark:queue", 0, -1) == [b"job:1", b"job:2"]
        assert client.exists("dealmark:response:399")
        assert 0 < client.dbsize() < 200


def test_redis_of_a_killed_parent_is_adopted(redis: EmbeddedRedis) -> None:
    start_elsewhere(redis)
    with Redis.from_url(redis.start()) as client:
        pid = client.info("server")["process_id"]
    assert (redis.home / "redis.pid").read_text().strip() == str(pid)
    redis.stop()
    assert not redis.is_running()


def test_killed_or_hanging_redis_is_replaced(redis: EmbeddedRedis) -> None:
    redis.start()
    first = psutil.Process(int((redis.home / "redis.pid").read_text()))
    first.kill()
    first.wait(5)
    assert not redis.is_running()
    assert ping(redis.start())

    second = psutil.Process(int((redis.home / "redis.pid").read_text()))
    second.suspend()
    redis.stop_signals = ((signal.SIGTERM, 0.1), (signal.SIGKILL, 5.0))
    assert ping(redis.start())
    assert not second.is_running()


@pytest.mark.parametrize("server", [EmbeddedPostgres, EmbeddedRedis])
def test_unusable_directory_is_one_sentence(folder: Path, server: type[EmbeddedPostgres | EmbeddedRedis]) -> None:
    (folder / "file").write_text("not a folder")
    with pytest.raises(StartupError, match=r"^\S+/file\S* cannot be used: .+\.$"):
        server(folder / "file" / "deeper").start()


def test_directory_of_another_user_is_one_sentence(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    home = folder / ("x" * 120)
    redis = EmbeddedRedis(home)
    socket_directory = Path(redis.url.removeprefix("unix://")).parent
    socket_directory.mkdir()
    try:
        os.chown(socket_directory, 12345, 12345)
        with pytest.raises(StartupError, match=r"belongs to another user"):
            redis.start()
    finally:
        socket_directory.rmdir()


def test_error_says_why_postgres_does_not_start(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.home / "PG_VERSION").write_text("17\n")
    with pytest.raises(
        StartupError, match=r"^PostgreSQL did not start: .*incompatible.*; its log is \S+postgres\.log\.$"
    ):
        postgres.start()


def test_error_says_why_initdb_fails(postgres: EmbeddedPostgres) -> None:
    postgres.home.mkdir(parents=True)
    (postgres.home / "file").write_text("in the way")
    with pytest.raises(StartupError, match=r"data cannot be used: Directory not empty\."):
        postgres.start()


def test_error_says_why_redis_does_not_start(redis: EmbeddedRedis) -> None:
    redis.home.mkdir()
    (redis.home / "redis.sock").mkdir()
    with pytest.raises(StartupError, match=r"^Redis did not start: .+; its log is \S+redis\.log\.$"):
        redis.start()


def test_server_that_does_not_become_ready_is_stopped(redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.devserver.embedded.START_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(EmbeddedRedis, "_is_ready", lambda self, pid: False)
    with pytest.raises(StartupError, match="did not become ready"):
        redis.start()
    assert not redis.is_running()


def test_missing_wheels_are_one_sentence(redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StartupError, match="make install"):
        redis.start()


def test_servers_do_not_listen_on_tcp(postgres: EmbeddedPostgres, redis: EmbeddedRedis) -> None:
    postgres.start()
    redis.start()
    processes = [postmaster_process(postgres), psutil.Process(int((redis.home / "redis.pid").read_text()))]
    kinds = {connection.family for process in processes for connection in process.net_connections("all")}
    assert kinds == {socket.AF_UNIX}
