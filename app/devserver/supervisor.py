"""Supervision of processes for `dealmark up`: a process that ends is restarted, with exponential backoff."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import typer

from app.core.errors import StartupError

MIN_RESTART_DELAY_SECONDS, MAX_RESTART_DELAY_SECONDS = 0.5, 30.0
# After this time without a failure, the restart delay starts again at its minimum.
STABLE_AFTER_SECONDS = 60.0
# A `dealmark` command that exits with 1 within this time after its start will most likely do so again.
STARTUP_FAILURE_SECONDS = 5.0
MAX_STARTUP_FAILURES = 3


class Startable(Protocol):
    """A process that can be supervised: an embedded server or a ChildProcess."""

    def start(self) -> object: ...
    def is_running(self) -> bool: ...


class ChildProcess:
    """A `dealmark` command as a child process.

    It has a session of its own, so that Ctrl-C in the terminal only reaches `dealmark up`, which then stops it.
    """

    def __init__(self, command: str, environment: Mapping[str, str], pipe: int, stop_timeout_seconds: float) -> None:
        """`pipe` is the read end of the pipe that `stop_with_parent` watches in the child."""
        # -P: the current directory may contain another package named `app`.
        self._command = [sys.executable, "-P", "-m", "app.cli", command]
        self._environment = {**os.environ, **environment, "DEALMARK_PARENT_PIPE": str(pipe)}
        self._pipe = pipe
        self._stop_timeout_seconds = stop_timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_requested_at = 0.0

    def start(self) -> None:
        """Start the process, without waiting until it is ready."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, pass_fds=(self._pipe,), start_new_session=True
        )

    def request_stop(self) -> None:
        """Send SIGTERM. The process finishes its current work before it exits."""
        self._stop_requested_at = time.monotonic()
        if self._process is not None:
            self._process.terminate()

    def wait_until_stopped(self) -> None:
        """Wait until the process has exited after `request_stop`, and kill it after the timeout."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, self._stop_requested_at + self._stop_timeout_seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_running(self) -> bool:
        """Return whether the process has been started and has not exited."""
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return None if self._process is None else self._process.poll()


@dataclass
class SupervisedProcess:
    """A process that is restarted when it ends. If an essential process cannot start, supervision gives up."""

    name: str
    process: Startable
    is_essential: bool = False
    restart_delay: float = MIN_RESTART_DELAY_SECONDS
    started_at: float = 0.0
    restart_at: float | None = None
    startup_failures: int = 0

    def start(self) -> None:
        """Start the process."""
        self.started_at, self.restart_at = time.monotonic(), None
        self.process.start()

    def check(self) -> None:
        """Schedule a restart if the process has ended, or restart it when the delay is over.

        Raises StartupError if an essential process has failed MAX_STARTUP_FAILURES times in a row.
        """
        now = time.monotonic()
        if self.process.is_running():
            if now - self.started_at > STABLE_AFTER_SECONDS:
                self.restart_delay, self.startup_failures = MIN_RESTART_DELAY_SECONDS, 0
        elif self.restart_at is None:
            self._schedule_restart(now)
        elif now >= self.restart_at:
            try:
                self.start()
            except StartupError as error:
                typer.echo(error.message, err=True)

    def _schedule_restart(self, now: float) -> None:
        has_failed = isinstance(self.process, ChildProcess) and self.process.exit_code() == 1
        is_startup_failure = has_failed and now - self.started_at < STARTUP_FAILURE_SECONDS
        self.startup_failures = self.startup_failures + 1 if is_startup_failure else 0
        if self.is_essential and self.startup_failures == MAX_STARTUP_FAILURES:
            raise StartupError(f"The {self.name} failed {MAX_STARTUP_FAILURES} times in a row; its messages are above.")
        typer.echo(f"{self.name} ended unexpectedly; restarting it in {self.restart_delay:g} s.", err=True)
        self.restart_at = now + self.restart_delay
        self.restart_delay = min(self.restart_delay * 2, MAX_RESTART_DELAY_SECONDS)
