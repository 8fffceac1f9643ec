"""`dealmark up` as a process: output, exit codes, and that it leaves nothing running."""

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

UNUSED_ADDRESS = "127.0.0.1:1"


class Dealmark:
    """`dealmark up` in its own directory and on a free port."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data_dir = folder / "data"
        self.output = folder / "output"
        self.errors = folder / "errors"
        self.port = closed_port()
        own_variables = ("DATABASE_URL", "REDIS_URL", "DEALMARK_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(own_variables)}
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
        process = self.process
        until(lambda: "Ctrl-C stops everything" in self.output.read_text() or process.poll() is not None, 120)
        assert process.poll() is None, self.errors.read_text()
        assert httpx.get(self.url("/ready")).status_code == 200

    def start_and_fail(self) -> str:
        """Start without success, and return the sentence that was printed."""
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
        """Return all descendants, and servers that were adopted from an earlier start."""
        assert self.process is not None
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for name in ("postgres/data/postmaster.pid", "redis/redis.pid"):
            server = psutil.Process(int((self.data_dir / name).read_text().split("\n")[0]))
            processes += [server, *server.children(recursive=True)]
        return processes

    def child(self, command: str) -> psutil.Process | None:
        """Return the process of the API (`serve`) or of the worker, or None."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if process.cmdline()[-1:] == [command]:
                    return process
        return None

    def stop_cleanly(self, number: signal.Signals) -> None:
        """Send the signal, and check that the exit code is 0 and no process is left."""
        before = self.processes()
        assert len(before) > 5
        assert self.process is not None
        self.process.send_signal(number)
        assert self.exit_code() == 0
        assert running_processes(before) == []

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
        """Stop everything, in any state."""
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
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


def running_processes(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that run. In a container without an init process, ended ones stay as zombies."""
    running = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def test_up_starts_restarts_stops_and_recovers(dealmark: Dealmark) -> None:
    check_first_start(dealmark)
    check_second_up_is_rejected(dealmark)
    check_ended_processes_are_restarted(dealmark)
    dealmark.stop_cleanly(signal.SIGINT)
    check_children_of_a_killed_parent_stop(dealmark)
    check_newer_database_is_rejected(dealmark)


def check_first_start(dealmark: Dealmark) -> None:
    dealmark.start_until_ready()
    answer = httpx.post(dealmark.url("/graphql"), json={"query": "{ __typename }"})
    assert answer.json()["data"] == {"__typename": "Query"}
    output = dealmark.output.read_text()
    for expected in (
        "/graphql (GraphiQL",
        "/ready",
        "/metrics",
        "dealmark token --role admin",
        "unix://",
        "postgresql://",
    ):
        assert expected in output
    assert re.search(r"Loaded the sample catalogue: \d,\d+ listings", output)
    secret = dealmark.data_dir / "jwt-secret"
    assert re.fullmatch("[0-9a-f]{64}", secret.read_text())
    assert secret.stat().st_mode & 0o777 == 0o600
    dealmark.sql("CREATE TABLE kept_by_the_test AS SELECT 42 AS answer")


def check_second_up_is_rejected(dealmark: Dealmark) -> None:
    assert dealmark.process is not None
    again = subprocess.run(
        [sys.executable, "-m", "app.cli", "up"], env=dealmark.environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert again.stderr == f"`dealmark up` already runs with {dealmark.data_dir} (process {dealmark.process.pid}).\n"
    assert httpx.get(dealmark.url("/ready")).status_code == 200


def check_ended_processes_are_restarted(dealmark: Dealmark) -> None:
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


def check_children_of_a_killed_parent_stop(dealmark: Dealmark) -> None:
    dealmark.start_until_ready()
    assert "Loaded the sample" not in dealmark.output.read_text()
    assert dealmark.process is not None
    children = [child for child in (dealmark.child("serve"), dealmark.child("worker")) if child is not None]
    assert len(children) == 2
    dealmark.process.kill()
    dealmark.process.wait()

    dealmark.start_until_ready()  # immediately: the port may still be in use
    until(lambda: running_processes(children) == [])
    assert dealmark.sql("SELECT answer FROM kept_by_the_test") == 42


def check_newer_database_is_rejected(dealmark: Dealmark) -> None:
    dealmark.sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    dealmark.stop_cleanly(signal.SIGTERM)
    assert "The database is newer than this code" in dealmark.start_and_fail()
    assert not EmbeddedPostgres(dealmark.data_dir / "postgres").is_running()
    assert not EmbeddedRedis(dealmark.data_dir / "redis").is_running()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DATABASE_URL": "the blue one"}, r"DATABASE_URL is not usable: must look like postgresql://.+"),
        (
            {"DATABASE_URL": f"postgresql://{UNUSED_ADDRESS}/x"},
            r"The database of DATABASE_URL cannot be used \(.+\): .+",
        ),
        ({"DATABASE_URL": f"postgresql://{UNUSED_ADDRESS}/x", "REDIS_URL": f"redis://{UNUSED_ADDRESS}"}, r"Redis .+"),
        (
            {"DEALMARK_DATA_DIR": "/dev/null/x"},
            r"/dev/null/x cannot be used \(Not a directory\): set DEALMARK_DATA_DIR .+",
        ),
        ({"DEALMARK_HOST": "192.0.2.1"}, r"Port \d+ of 192\.0\.2\.1 cannot be used .+ DEALMARK_HOST\."),
    ],
)
def test_up_that_cannot_start_prints_one_sentence(folder: Path, environment: dict[str, str], sentence: str) -> None:
    dealmark = Dealmark(folder, **environment)
    try:
        assert re.fullmatch(sentence, dealmark.start_and_fail())
        assert not EmbeddedRedis(dealmark.data_dir / "redis").is_running()
    finally:
        dealmark.remove()


def test_up_with_a_port_in_use_prints_one_sentence(dealmark: Dealmark) -> None:
    with socket.create_server(("127.0.0.1", dealmark.port)):
        sentence = dealmark.start_and_fail()
    assert sentence == f"Port {dealmark.port} is used by another program: stop it, or set DEALMARK_PORT."
    assert not (dealmark.data_dir / "postgres").exists()


def test_essential_process_that_fails_three_times_raises(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.devserver.supervisor.STARTUP_FAILURE_SECONDS", 120.0)
    read_end, write_end = os.pipe()
    child = ChildProcess(
        "migrate", {"DATABASE_URL": f"postgresql://{UNUSED_ADDRESS}/x"}, read_end, stop_timeout_seconds=5
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
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "restarting" in line] == [
        "API ended unexpectedly; restarting it in 0.01 s.",
        "API ended unexpectedly; restarting it in 0.02 s.",
    ]
    assert len([line for line in lines if "cannot be used" in line]) == 3


def test_child_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    lock.write_text("1")  # as left by a killed process: `up` then waits for the port, long enough for this test
    read_end, write_end = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as used_port:
        environment = {"DEALMARK_DATA_DIR": str(tmp_path), "DEALMARK_PORT": str(used_port.getsockname()[1])}
        child = ChildProcess("up", environment, read_end, stop_timeout_seconds=0.2)
        child.start()
        until(lambda: lock.read_text() not in ("1", ""))
        psutil.Process(int(lock.read_text())).suspend()
        child.request_stop()
        child.wait_until_stopped()
    assert child.exit_code() == -signal.SIGKILL
    os.close(read_end)
    os.close(write_end)


def test_development_secret_is_created_once(tmp_path: Path) -> None:
    assert development_secret(tmp_path) == development_secret(tmp_path)
