"""Servers on one core and wrk on another: what the benchmarks of the API have in common."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.settings import Settings
from bench.database import ROOT

CORES = sorted(os.sched_getaffinity(0))
SETTLE_SECONDS = 30.0
LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", re.MULTILINE)
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    @property
    def spent(self) -> float:
        """CPU time that it took so far, user and system, seconds."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def peak_memory(self) -> float:
        """The most that was resident at any time, MiB."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def settle(self) -> None:
        """Returns when it has ended what it was still doing for connections that are closed."""
        deadline = time.monotonic() + SETTLE_SECONDS
        before = -1.0
        while (now := self.spent) - before > 0.02 and time.monotonic() < deadline:
            before = now
            time.sleep(0.2)


@dataclass(frozen=True)
class Figures:
    """Requests per second by the clock, and per second of the server's CPU time, which hardly suffers from noise.

    `p50` and `p99`: latency, seconds.
    """

    clock: float
    cpu: float
    p50: float
    p99: float


def missing() -> str | None:
    """What this machine lacks to measure servers; None when it lacks nothing."""
    if shutil.which("wrk") is None or shutil.which("taskset") is None or len(CORES) < 2:
        return "needs two cores, wrk and taskset (on Debian: apt-get install wrk util-linux)"
    return None


@contextmanager
def running(
    command: Sequence[str], settings: Settings, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server on the first core while the block runs, listening on DEALMARK_PORT of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    variables = {
        **os.environ,
        "DATABASE_URL": settings.required_database_url,
        "REDIS_URL": settings.required_redis_url,
        "DEALMARK_DATA_DIR": str(settings.data_dir),
        "DEALMARK_PORT": str(port),
        "DEALMARK_LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",  # wrk goes away in mid-request, and leaves coroutines that nobody awaits any more
        **(environment or {}),
    }
    with subprocess.Popen(["taskset", "-c", str(CORES[0]), *command], cwd=ROOT, env=variables) as server:
        try:
            _wait_for(port, server)
            yield Server(port, server.pid)
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Until the port is open. Raises SystemExit when the server has ended, or takes a minute."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("a server did not start")


def load(server: Server, url: str, seconds: int, connections: int, headers: Mapping[str, str]) -> Figures:
    """What wrk, on the second core, gets answered. Raises SystemExit when it is not all."""
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    address = f"http://127.0.0.1:{server.port}{url}"
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", *given, address]
    spent = server.spent
    ran = subprocess.run(["taskset", "-c", str(CORES[1]), *wrk], capture_output=True, text=True, check=True)
    spent = server.spent - spent
    count, rate = (re.search(form, ran.stdout) for form in (r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)"))
    latency = {share: float(number) * UNITS[unit] for share, number, unit in re.findall(LATENCY, ran.stdout)}
    if count is None or rate is None or len(latency) < 2 or re.search(r"Non-2xx|Socket errors", ran.stdout):
        raise SystemExit(f"wrk says:\n{ran.stdout}{ran.stderr}")
    return Figures(float(rate[1]), int(count[1]) / spent, latency["50"], latency["99"])
