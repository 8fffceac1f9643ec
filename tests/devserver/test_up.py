"""`dealmark up` as its user meets it: a process, its output, its exit code, and what it leaves running (nothing)."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from app.core.errors import StartupError
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from app.devserver.supervisor import ChildProcess, SupervisedProcess
from app.devserver.up import development_secret
from tests.support.ports import closed_port

NOBODY_LISTENS = "127.0.0.1:1"


class Dealmark:
    """`dealmark up` in a folder of its own on a free port."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data_dir = folder / "data"
        self.output = folder / "output"
        self.errors = folder / "errors"
        self.port = closed_port()
        ours = ("DATABASE_URL", "REDIS_URL", "DEALMARK_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment |= {"DEALMARK_DATA_DIR": str(self.data_dir), "DEALMARK_PORT": str(self.port), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "up"], env=self.environment, stdout=output, stderr=errors
            )

    def start_until_ready(self) -> None:
        self.start()
        assert self.process is not None
        running = self.process
        until(lambda: "Ctrl-C stops everything" in self.output.read_text() or running.poll() is not None, 120)
        assert running.poll() is None, self.errors.read_text()
        assert httpx.get(self.url("/ready")).status_code == 200

    def fails(self) -> str:
        """Starts what cannot start; returns the one sentence that it said."""
        self.start()
        assert self.exit_code() == 1, self.output.read_text()
        [sentence] = self.errors.read_text().splitlines()
        assert sentence.endswith(".")
        return sentence

    def exit_code(self) -> int:
        assert self.process is not None
        return self.process.wait(60)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for us: descendants, and servers that were left behind by a parent before."""
        assert self.process is not None
        found = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for name in ("postgres/data/postmaster.pid", "redis/redis.pid"):
            server = psutil.Process(int((self.data_dir / name).read_text().split("\n")[0]))
            found += [server, *server.children(recursive=True)]
        return found

    def child(self, command: str) -> psutil.Process | None:
        """The API (`serve`) or the worker."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if process.cmdline()[-1:] == [command]:
                    return process
        return None

    def ends_clean(self, number: signal.Signals) -> None:
        """Ends by the signal with exit code 0, and nothing of it runs any more."""
        before = self.processes()
        assert len(before) > 5
        assert self.process is not None
        self.process.send_signal(number)
        assert self.exit_code() == 0
        assert living(before) == []

    def sql(self, statement: str) -> object:
        async def ask() -> object:
            connection = await asyncpg.connect(
                EmbeddedPostgres(self.data_dir / "postgres").url.replace("/postgres?", "/dealmark?")
            )
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def remove(self) -> None:
        """Whatever the test did, nothing stays."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(25)
            self.process.kill()
            self.process.wait()
        if self.data_dir.is_dir():
            EmbeddedRedis(self.data_dir / "redis").stop()
            EmbeddedPostgres(self.data_dir / "postgres").stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="dm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def dealmark(folder: Path) -> Iterator[Dealmark]:
    program = Dealmark(folder)
    yield program
    program.remove()


def until(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that run; where nobody reaps orphans the dead stay as zombies."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_a_life_of_dealmark(dealmark: Dealmark) -> None:
    first_start(dealmark)
    second_up_is_refused(dealmark)
    what_dies_is_started_again(dealmark)
    dealmark.ends_clean(signal.SIGINT)
    killed_parent_takes_its_children_along_and_blocks_nothing(dealmark)
    database_newer_than_the_code_is_one_sentence(dealmark)


def first_start(dealmark: Dealmark) -> None:
    dealmark.start_until_ready()
    answer = httpx.post(dealmark.url("/graphql"), json={"query": "{ __typename }"})
    assert answer.json()["data"] == {"__typename": "Query"}
    output = dealmark.output.read_text()
    for told in ("/graphql (GraphiQL", "/ready", "/metrics", "dealmark token --role admin", "unix://", "postgresql://"):
        assert told in output
    assert re.search(r"Loaded the sample catalogue: \d,\d+ listings", output)
    secret = dealmark.data_dir / "jwt-secret"
    assert re.fullmatch("[0-9a-f]{64}", secret.read_text())
    assert secret.stat().st_mode & 0o777 == 0o600
    dealmark.sql("CREATE TABLE kept_by_the_test AS SELECT 42 AS answer")


def second_up_is_refused(dealmark: Dealmark) -> None:
    assert dealmark.process is not None
    again = subprocess.run(
        [sys.executable, "-m", "app.cli", "up"], env=dealmark.environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert again.stderr == f"`dealmark up` already runs with {dealmark.data_dir} (process {dealmark.process.pid}).\n"
    assert httpx.get(dealmark.url("/ready")).status_code == 200


def what_dies_is_started_again(dealmark: Dealmark) -> None:
    worker, redis_pid = dealmark.child("worker"), dealmark.data_dir / "redis" / "redis.pid"
    assert worker is not None
    redis = psutil.Process(int(redis_pid.read_text()))
    worker.kill()
    redis.kill()
    until(lambda: dealmark.child("worker") not in (None, worker))
    until(lambda: redis_pid.read_text().strip() not in ("", str(redis.pid)))
    until(lambda: httpx.get(dealmark.url("/ready")).status_code == 200)
    for name in ("worker", "Redis"):
        assert f"{name} ended unexpectedly; restarting it in 0.5 s." in dealmark.errors.read_text()


def killed_parent_takes_its_children_along_and_blocks_nothing(dealmark: Dealmark) -> None:
    dealmark.start_until_ready()
    assert "Loaded the sample" not in dealmark.output.read_text()
    assert dealmark.process is not None
    children = [child for child in (dealmark.child("serve"), dealmark.child("worker")) if child is not None]
    assert len(children) == 2
    dealmark.process.kill()
    dealmark.process.wait()

    dealmark.start_until_ready()  # at once: the port may still be held
    until(lambda: living(children) == [])
    assert dealmark.sql("SELECT answer FROM kept_by_the_test") == 42


def database_newer_than_the_code_is_one_sentence(dealmark: Dealmark) -> None:
    dealmark.sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    dealmark.ends_clean(signal.SIGTERM)
    assert "The database is newer than this code" in dealmark.fails()
    assert not EmbeddedPostgres(dealmark.data_dir / "postgres").is_running()
    assert not EmbeddedRedis(dealmark.data_dir / "redis").is_running()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DATABASE_URL": "the blue one"}, r"DATABASE_URL is not usable: must look like postgresql://.+"),
        (
            {"DATABASE_URL": f"postgresql://{NOBODY_LISTENS}/x"},
            r"The database of DATABASE_URL cannot be used \(.+\): .+",
        ),
        ({"DATABASE_URL": f"postgresql://{NOBODY_LISTENS}/x", "REDIS_URL": f"redis://{NOBODY_LISTENS}"}, r"Redis .+"),
        (
            {"DEALMARK_DATA_DIR": "/dev/null/x"},
            r"/dev/null/x cannot be used \(Not a directory\): set DEALMARK_DATA_DIR .+",
        ),
        ({"DEALMARK_HOST": "192.0.2.1"}, r"Port \d+ of 192\.0\.2\.1 cannot be used .+ DEALMARK_HOST\."),
    ],
)
def test_what_cannot_start_is_one_sentence(folder: Path, environment: dict[str, str], sentence: str) -> None:
    dealmark = Dealmark(folder, **environment)
    try:
        assert re.fullmatch(sentence, dealmark.fails())
        assert not EmbeddedRedis(dealmark.data_dir / "redis").is_running()
    finally:
        dealmark.remove()


def test_a_port_that_is_taken_is_one_sentence(dealmark: Dealmark) -> None:
    with socket.create_server(("127.0.0.1", dealmark.port)):
        sentence = dealmark.fails()
    assert sentence == f"Port {dealmark.port} is used by another program: stop it, or set DEALMARK_PORT."
    assert not (dealmark.data_dir / "postgres").exists()


def test_an_api_that_refuses_to_start_is_given_up_after_three_times(capfd: pytest.CaptureFixture[str]) -> None:
    read_end, write_end = os.pipe()
    child = ChildProcess(
        "migrate", {"DATABASE_URL": f"postgresql://{NOBODY_LISTENS}/x"}, read_end, stop_timeout_seconds=5
    )
    api = SupervisedProcess("API", child, is_essential=True, restart_delay=0.01)
    api.start()
    try:
        with pytest.raises(StartupError, match="The API failed 3 times in a row"):
            until(api.check, 120)
    finally:
        child.request_stop()
        child.wait_until_stopped()
        os.close(read_end)
        os.close(write_end)
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "restarting" in line] == [
        "API ended unexpectedly; restarting it in 0.01 s.",
        "API ended unexpectedly; restarting it in 0.02 s.",
    ]
    assert len([line for line in said if "cannot be used" in line]) == 3


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    lock.write_text("1")  # as after a kill: it waits for the port, long enough for this test
    read_end, write_end = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {"DEALMARK_DATA_DIR": str(tmp_path), "DEALMARK_PORT": str(taken.getsockname()[1])}
        child = ChildProcess("up", environment, read_end, stop_timeout_seconds=0.2)
        child.start()
        until(lambda: lock.read_text() not in ("1", ""))
        psutil.Process(int(lock.read_text())).suspend()
        child.request_stop()
        child.wait_until_stopped()
    assert child.exit_code() == -signal.SIGKILL
    os.close(read_end)
    os.close(write_end)


def test_the_development_secret_is_kept(tmp_path: Path) -> None:
    assert development_secret(tmp_path) == development_secret(tmp_path)
