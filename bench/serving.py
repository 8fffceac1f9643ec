"""Shared parts of the API benchmarks: servers on one core, wrk on another."""

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
SETTLE_TIMEOUT_SECONDS = 30.0
LATENCY_LINE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", re.MULTILINE)
SECONDS_BY_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    @property
    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system, in seconds."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def peak_memory(self) -> float:
        """Peak resident memory in MiB."""
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert match is not None
        return int(match[1]) / 1024

    def settle(self) -> None:
        """Wait until the server is idle: it may still work for connections that are closed."""
        deadline = time.monotonic() + SETTLE_TIMEOUT_SECONDS
        before = -1.0
        while (now := self.cpu_seconds) - before > 0.02 and time.monotonic() < deadline:
            before = now
            time.sleep(0.2)


@dataclass(frozen=True)
class LoadResult:
    """The result of a load test.

    `requests_per_second`: by the clock. `requests_per_cpu_second`: per second of the server's CPU time, which is hardly
    affected by other load on the machine. `p50` and `p99`: latency in seconds.
    """

    requests_per_second: float
    requests_per_cpu_second: float
    p50: float
    p99: float


def missing_requirement() -> str | None:
    """Return what this machine lacks for these benchmarks; None if nothing is missing."""
    if shutil.which("wrk") is None or shutil.which("taskset") is None or len(CORES) < 2:
        return "needs two cores, wrk and taskset (on Debian: apt-get install wrk util-linux)"
    return None


@contextmanager
def running_server(
    command: Sequence[str], settings: Settings, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server on the first core. It listens on DEALMARK_PORT of 127.0.0.1."""
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
        "PYTHONWARNINGS": "ignore",  # wrk disconnects during requests, which leaves coroutines that are never awaited
        **(environment or {}),
    }
    with subprocess.Popen(["taskset", "-c", str(CORES[0]), *command], cwd=ROOT, env=variables) as server:
        try:
            _wait_until_open(port, server)
            yield Server(port, server.pid)
        finally:
            server.terminate()


def _wait_until_open(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until the port is open. Raises SystemExit if the server ends, or after a minute."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("A server did not start.")


def run_load_test(server: Server, url: str, seconds: int, connections: int, headers: Mapping[str, str]) -> LoadResult:
    """Run wrk on the second core. Raises SystemExit if a request fails."""
    header_options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    address = f"http://127.0.0.1:{server.port}{url}"
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", *header_options, address]
    cpu_before = server.cpu_seconds
    process = subprocess.run(["taskset", "-c", str(CORES[1]), *wrk], capture_output=True, text=True, check=True)
    cpu_seconds = server.cpu_seconds - cpu_before
    count, rate = (re.search(form, process.stdout) for form in (r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)"))
    latency = {
        share: float(number) * SECONDS_BY_UNIT[unit] for share, number, unit in re.findall(LATENCY_LINE, process.stdout)
    }
    if count is None or rate is None or len(latency) < 2 or re.search(r"Non-2xx|Socket errors", process.stdout):
        raise SystemExit(f"wrk failed:\n{process.stdout}{process.stderr}")
    return LoadResult(float(rate[1]), int(count[1]) / cpu_seconds, latency["50"], latency["99"])
