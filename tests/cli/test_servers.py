"""Commands on a database of another version, on a read-only one, on a full disk, and next to `dealmark up`."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.bulk_import import staging
from app.db import schema_version
from app.db.errors import NEVER_MIGRATED, READ_ONLY
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.support.command_line import CommandResult, CommandRunner, error_sentence, query_database
from tests.support.databases import run_statement, set_read_only, temporary_database
from tests.support.ports import closed_port

NO_REDIS = "redis://127.0.0.1:1/0"
NEWER = "UPDATE alembic_version SET version_num = 'f00d'"
OLDER = "UPDATE alembic_version SET version_num = '0001'"
CPUS = "name,cores\nAMD One,4\n"
COMMANDS = [
    ("recalculate",),
    ("verify", "--fix"),
    ("import", "cpus", "cpus.csv"),
    ("ingest", "https://example.com/"),
    ("match", "AMD One"),
    ("documents", "list"),
    ("serve",),
    ("worker",),
]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a directory with a file to import."""
    monkeypatch.chdir(tmp_path)
    Path("cpus.csv").write_text(CPUS)


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_database_of_a_newer_version_is_one_sentence_and_not_changed(
    dealmark: CommandRunner, database_url: str, command: tuple[str, ...]
) -> None:
    asyncio.run(run_statement(database_url, NEWER))
    before = query_database(database_url, "SELECT * FROM data_version ORDER BY 1")
    sentence = error_sentence(dealmark(*command, DATABASE_URL=database_url, REDIS_URL=NO_REDIS))
    assert sentence.startswith("The database is newer than this code (revision f00d")
    assert query_database(database_url, "SELECT * FROM data_version ORDER BY 1") == before
    assert query_database(database_url, "SELECT count(*) FROM job") == [(0,)]


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("command", [each for each in COMMANDS if each != ("serve",)], ids=" ".join)
def test_database_of_an_older_version_names_migrate(
    dealmark: CommandRunner, database_url: str, command: tuple[str, ...]
) -> None:
    asyncio.run(run_statement(database_url, OLDER))
    sentence = error_sentence(dealmark(*command, DATABASE_URL=database_url, REDIS_URL=NO_REDIS))
    assert sentence.startswith("The database is older than this code (revision 0001")
    assert sentence.endswith("run `dealmark migrate`.")


def test_worker_on_a_database_without_tables_names_migrate(dealmark: CommandRunner, cluster: str) -> None:
    with temporary_database(cluster) as url:
        ran = dealmark("worker", DATABASE_URL=url, REDIS_URL=NO_REDIS)
    assert (ran.code, ran.errors) == (1, f"{NEVER_MIGRATED}\n")


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    "command", [("recalculate",), ("import", "cpus", "cpus.csv"), ("ingest", "https://example.com/")], ids=" ".join
)
def test_read_only_database_is_one_sentence(
    dealmark: CommandRunner, cluster: str, database_url: str, command: tuple[str, ...]
) -> None:
    asyncio.run(set_read_only(cluster, database_url, True))
    assert error_sentence(dealmark(*command, DATABASE_URL=database_url)) == READ_ONLY


def test_migrating_a_read_only_database_is_one_sentence(dealmark: CommandRunner, cluster: str) -> None:
    with temporary_database(cluster) as url:
        asyncio.run(set_read_only(cluster, url, True))
        assert error_sentence(dealmark("migrate", DATABASE_URL=url)) == READ_ONLY


@pytest.mark.usefixtures("in_folder")
def test_full_disk_of_the_rejects_file_names_the_file(
    dealmark: CommandRunner, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(staging, "_write_csv", fail)
    Path("cpus.csv").write_text("name,cores\nAMD One,4\nAMD Two,many\n")
    ran = dealmark("import", "cpus", "cpus.csv", DATABASE_URL=database_url)
    assert (ran.code, ran.errors.splitlines()[-1]) == (
        1,
        "cpus.csv.rejected.csv, the file of rejected rows, cannot be written: No space left on device.",
    )


@pytest.mark.usefixtures("in_folder")
def test_full_disk_of_postgresql_is_not_blamed_on_the_url(dealmark: CommandRunner, database_url: str) -> None:
    trigger = """
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
        END $$;
        CREATE TRIGGER fail BEFORE INSERT ON cpu EXECUTE FUNCTION fail();
    """
    asyncio.run(run_statement(database_url, trigger))
    ran = dealmark("import", "cpus", "cpus.csv", DATABASE_URL=database_url)
    assert (ran.code, ran.errors.splitlines()[-1]) == (
        1,
        "The disk of the PostgreSQL server is full (could not extend file: No space left on device): free space on it.",
    )


@pytest.fixture
def embedded_servers() -> Iterator[Path]:
    """Data directory with running embedded servers and a migrated database, as `dealmark up` has them."""
    with tempfile.TemporaryDirectory(prefix="dm-") as directory:
        postgres = EmbeddedPostgres(Path(directory, "postgres"), durable=False)
        redis = EmbeddedRedis(Path(directory, "redis"))
        try:
            url = postgres.start()
            redis.start()
            asyncio.run(run_statement(url, "CREATE DATABASE dealmark"))
            schema_version.upgrade(url.replace("/postgres?", "/dealmark?", 1))
            Path(directory, "jwt-secret").write_text("s" * 64)
            yield Path(directory)
        finally:
            redis.stop()
            postgres.stop()


def test_serve_and_worker_find_the_servers_of_a_running_up(embedded_servers: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DEALMARK_", "DATABASE_URL"))}
    plain.pop("REDIS_URL", None)
    port = closed_port()
    environment = {**plain, "DEALMARK_DATA_DIR": str(embedded_servers), "DEALMARK_PORT": str(port)}
    processes = [
        subprocess.Popen([sys.executable, "-m", "app.cli", command], env=environment, stderr=subprocess.DEVNULL)
        for command in ("serve", "worker")
    ]
    try:
        deadline = time.monotonic() + 90
        report: dict[str, Any] = {}
        while report.get("status") != "ok":
            assert time.monotonic() < deadline, report
            assert all(process.poll() is None for process in processes)
            report = read_readiness(port)
        token = run_command("token", "--role", "admin", environment=environment).output.strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql/Viewer", headers={"authorization": f"Bearer {token}"}
        )
        with pytest.raises(urllib.error.HTTPError) as raised:  # the document is unknown, and the token is accepted
            urllib.request.urlopen(request)
        assert raised.value.code != 401
        raised.value.close()
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)


def read_readiness(port: int) -> dict[str, Any]:
    """Return the report of /ready, empty while the server does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready") as response:
            report: dict[str, Any] = json.load(response)
            return report
    except OSError:
        time.sleep(0.05)
        return {}


def run_command(*arguments: str, environment: dict[str, str]) -> CommandResult:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "app.cli", *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return CommandResult(ran.returncode, ran.stdout, ran.stderr)


def test_running_worker_stops_when_a_newer_version_migrates_the_database(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEALMARK_")}
    environment |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "DEALMARK_POLL_INTERVAL_SECONDS": "0.2"}
    output = tmp_path / "output"
    with output.open("wb") as log:
        worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while b"worker.started" not in output.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        asyncio.run(run_statement(database_url, NEWER))
        assert worker.wait(60) == 1
    finally:
        worker.kill()
        worker.wait()
    last_line = output.read_text().splitlines()[-1]
    assert last_line.startswith("The database is newer than this code (revision f00d")
