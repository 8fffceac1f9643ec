"""Guard process that ends what an interrupted test run leaves behind.

Embedded servers run in sessions of their own and outlive a killed parent. So a test run keeps its files in one
temporary directory, which is also the `TMPDIR` of every process that it starts. The guard reads a pipe whose other end
the test run holds open. When the run ends, for any reason, the guard kills the processes that work in the directory or
have it as their `TMPDIR`, and removes the directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

STOP_TIMEOUT_SECONDS = 20.0
# PostgreSQL frees its shared memory on SIGQUIT, but not on SIGKILL.
GRACE_SECONDS = 5.0
POLL_INTERVAL_SECONDS = 0.05
MEMORY_DIRECTORY = "/dev/shm"
MIN_MEMORY_BYTES = 4 * 2**30


class ProcessGuard:
    """A guard process and the temporary directory of the test run that it watches."""

    def __init__(self) -> None:
        self._outer_directory = os.environ.get("TMPDIR")
        self.directory = Path(tempfile.mkdtemp(prefix="dm-test-", dir=find_memory_directory()))
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self.directory)],
            stdin=subprocess.PIPE,
            cwd="/",
            env=environment,
            start_new_session=True,  # out of reach of Ctrl-C
        )
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.directory)

    def close(self) -> None:
        """Close the pipe and wait until the guard has cleaned up."""
        tempfile.tempdir = None
        if self._outer_directory is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = self._outer_directory
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=STOP_TIMEOUT_SECONDS * 2)


def find_memory_directory() -> str | None:
    """Return a directory in memory for servers and programs, or None if there is none that is large enough."""
    with suppress(OSError):
        system = os.statvfs(MEMORY_DIRECTORY)
        runs_programs = not system.f_flag & os.ST_NOEXEC
        free = min(system.f_bavail * system.f_frsize, psutil.virtual_memory().available)
        if runs_programs and free >= MIN_MEMORY_BYTES and os.access(MEMORY_DIRECTORY, os.W_OK):
            return MEMORY_DIRECTORY
    return None


def find_processes(directory: str) -> list[psutil.Process]:
    """Return the live processes that work below `directory` or have it as their `TMPDIR`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if is_below(process.cwd(), directory) or is_below(process.environ().get("TMPDIR", ""), directory):
                found.append(process)
    return found


def is_below(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or in it; a deleted working directory counts, too."""
    return path == directory or path.startswith((f"{directory}/", f"{directory} (deleted)"))


def kill_processes(directory: str) -> None:
    """Kill the processes of a run until none is left."""
    start = time.monotonic()
    while processes := find_processes(directory):
        elapsed = time.monotonic() - start
        if elapsed > STOP_TIMEOUT_SECONDS:
            break
        for process in processes:
            with suppress(psutil.Error):
                is_postgres = process.name() == "postgres"
                process.send_signal(signal.SIGQUIT if is_postgres and elapsed < GRACE_SECONDS else signal.SIGKILL)
        time.sleep(POLL_INTERVAL_SECONDS)


def main() -> None:
    """Wait for the end of the pipe, then clean up."""
    (directory,) = sys.argv[1:]
    sys.stdin.buffer.read()
    kill_processes(directory)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
