"""The guard process: an interrupted test run leaves no server, no worker and no file behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.paths import ROOT
from tests.support.process_guard import find_processes

HANGING_TEST = """
import asyncio, os, subprocess, sys
from pathlib import Path

async def test_that_hangs(cluster: str, redis_server: str) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    Path({report!r}).write_text(os.environ["TMPDIR"])
    await asyncio.sleep(300)
"""
START_TIMEOUT_SECONDS = 60.0
CLEANUP_TIMEOUT_SECONDS = 60.0


def start_run(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a test run whose only test hangs; return its process and its temporary directory."""
    report = folder / "report"
    (folder / "test_hanging.py").write_text(HANGING_TEST.format(report=str(report)))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", *options]
    process = subprocess.Popen(
        [*command, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder / "test_hanging.py")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        # Where these tests run in the background of a shell, SIGINT is ignored and the run would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not (report.exists() and report.read_text()):
        assert process.poll() is None, "the run ended before its test began"
        assert time.monotonic() < deadline, "the test did not begin"
        time.sleep(0.05)
    return process, Path(report.read_text())


@pytest.mark.parametrize(
    ("number", "options"),
    [
        pytest.param(signal.SIGINT, (), id="SIGINT"),
        pytest.param(signal.SIGKILL, ("-n", "1"), id="SIGKILL with xdist"),
    ],
)
def test_interrupted_run_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    run, directory = start_run(tmp_path, *options)
    names = {process.name() for process in find_processes(str(directory))}
    assert {"postgres", "redis-server"} <= names
    os.kill(run.pid, number)
    run.wait(CLEANUP_TIMEOUT_SECONDS)
    deadline = time.monotonic() + CLEANUP_TIMEOUT_SECONDS
    while left := [*find_processes_of(directory), *([directory] if directory.exists() else [])]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def find_processes_of(directory: Path) -> list[str]:
    """Return the command lines of the processes of a run and of its guard."""
    named = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [
        *(line for line in named if str(directory) in line),
        *(str(process) for process in find_processes(str(directory))),
    ]
