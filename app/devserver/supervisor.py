"""Keeping servers alive for `dealmark up`: a server that dies is started again, later and later."""

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

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds before a server that died is started again
STEADY_SECONDS = 60.0  # who ran this long begins with the first delay again
QUICK_SECONDS = 5.0  # a process of ours that fails sooner than this after its start fails the next time too
QUICK_FAILURES = 3


class Startable(Protocol):
    """What can be kept alive: the embedded servers and our own processes."""

    def start(self) -> object: ...
    def is_running(self) -> bool: ...


class Child:
    """A `dealmark` command as a process. It has a session of its own: a terminal's Ctrl-C stops it through us alone."""

    def __init__(self, command: str, environment: Mapping[str, str], pipe: int, stop_seconds: float) -> None:
        """`pipe` is the read end of the pipe that `stop_with_parent` watches in the child."""
        # -P: the folder that the user is in may have an `app` of its own.
        self._command = [sys.executable, "-P", "-m", "app.cli", command]
        # The environment passes through: what subprocess would inherit, and ours. Nothing is read from it.
        self._environment = {**os.environ, **environment, "DEALMARK_PARENT_PIPE": str(pipe)}
        self._pipe = pipe
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0.0

    def start(self) -> None:
        """Start the process; whether it works shows later."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, pass_fds=(self._pipe,), start_new_session=True
        )

    def ask_to_stop(self) -> None:
        """Begin to stop: the process lets finish what runs."""
        self._asked = time.monotonic()
        if self._process is not None:
            self._process.terminate()

    def wait_stopped(self) -> None:
        """After `ask_to_stop`: wait until the process is gone, and kill it when it takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, self._asked + self._stop_seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        """What the process ended with, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()


@dataclass
class Kept:
    """One server that is kept alive. `essential`: when it cannot even start, there is no point in going on."""

    name: str
    server: Startable
    essential: bool = False
    delay: float = FIRST_DELAY
    started: float = 0.0
    start_again: float | None = None
    quick_failures: int = 0

    def start(self) -> None:
        """Start it now."""
        self.started, self.start_again = time.monotonic(), None
        self.server.start()

    def look(self) -> None:
        """Notice that it died, or start it again when its time has come. Raises StartupError when there is no point."""
        now = time.monotonic()
        if self.server.is_running():
            if now - self.started > STEADY_SECONDS:
                self.delay, self.quick_failures = FIRST_DELAY, 0
        elif self.start_again is None:
            self._died(now)
        elif now >= self.start_again:
            try:
                self.start()
            except StartupError as error:
                typer.echo(error.message, err=True)

    def _died(self, now: float) -> None:
        refused = isinstance(self.server, Child) and self.server.exit_code() == 1
        quick = refused and now - self.started < QUICK_SECONDS
        self.quick_failures = self.quick_failures + 1 if quick else 0
        if self.essential and self.quick_failures == QUICK_FAILURES:
            raise StartupError(f"The {self.name} failed {QUICK_FAILURES} times in a row; its messages are above.")
        typer.echo(f"{self.name} ended unexpectedly; starting it again in {self.delay:g} s.", err=True)
        self.start_again = now + self.delay
        self.delay = min(self.delay * 2, LONGEST_DELAY)
