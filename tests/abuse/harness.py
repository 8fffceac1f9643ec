"""Runs an attack on a server process and measures what a bystander sees before, during and after it.

The server is `dealmark serve` with the settings of production: no development, limits per client, published documents.
Attackers connect from addresses of their own (127.0.0.2 and higher), as clients of other networks do.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import pytest

from app.settings import Settings
from tests.support.paths import ROOT
from tests.support.ports import closed_port
from tests.support.settings import SECRET

SERVER_DIRECTORY = ROOT
START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 20.0
# Requests of the bystander in a phase, at 60 per second.
WARM_UP_REQUESTS = 60
PHASE_REQUESTS = 90
MIN_ATTACK_SECONDS = 1.5
# The bystander may see a p95 of 1 s, or 10 times that before the attack. The machine decides the time of a request,
# so this only finds an attack that makes others wait for it.
MAX_P95_SECONDS = 1.0
MAX_P95_FACTOR = 10.0
MIB = 2**20

_MEMORY_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class BystanderRequest:
    """A request of the bystander: when it was due (monotonic clock), the seconds until its response, its status."""

    kind: str
    due: float
    seconds: float
    status: str


@dataclass(frozen=True)
class Phase:
    """What the bystander saw in a part of the test. Times are in seconds."""

    requests: Sequence[BystanderRequest]

    @property
    def p50(self) -> float:
        """Median latency."""
        return median(request.seconds for request in self.requests)

    @property
    def p95(self) -> float:
        """95th percentile of the latency."""
        return sorted(request.seconds for request in self.requests)[int(0.95 * len(self.requests))]

    @property
    def failures(self) -> Counter[str]:
        """Statuses other than 200, with their number."""
        return Counter(request.status for request in self.requests if request.status != "200")


@dataclass
class AttackReport:
    """Result of an attack. Memory is resident memory in MiB, `cpu_seconds` that of the server during the attack."""

    name: str
    before: Phase
    during: Phase
    after: Phase
    memory_before: float
    memory_peak: float
    memory_after: float
    seconds: float
    cpu_seconds: float
    answers: Counter[str]
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def memory_growth(self) -> float:
        """Memory that the server has after the attack and did not have before, in MiB."""
        return self.memory_after - self.memory_before

    def delays_others(self, max_p95: float) -> bool:
        """Return whether the bystander waited longer than the attack may make it wait, in seconds."""
        allowed = max(max_p95, MAX_P95_FACTOR * self.before.p95)
        return self.during.p95 > allowed or self.after.p95 > allowed

    def assert_harmless(self, max_growth: float, max_peak: float, max_p95: float) -> None:
        """Fail if a request of the bystander failed or waited too long, or if the server has grown too much (MiB)."""
        for name, phase in {"before": self.before, "during": self.during, "after": self.after}.items():
            assert not phase.failures, f"requests of the bystander failed {name} the attack: {dict(phase.failures)}"
        assert self.memory_peak - self.memory_before < max_peak, self.cells
        assert self.memory_growth < max_growth, self.cells
        assert not self.delays_others(max_p95), self.cells

    @property
    def cells(self) -> list[str]:
        """The cells of the attack in the table of `tests/support/abuse_report.py`."""
        phases = (self.before, self.during, self.after)
        memory = (self.memory_before, self.memory_peak, self.memory_after)
        notes = [f"{name}: {value:g}" for name, value in self.notes.items()]
        return [
            self.name,
            " / ".join(f"{1000 * phase.p50:.0f}" for phase in phases),
            " / ".join(f"{1000 * phase.p95:.0f}" for phase in phases),
            describe_counts(self.during.failures + self.after.failures),
            " / ".join(f"{value:.0f}" for value in memory),
            f"{self.cpu_seconds:.1f} of {self.seconds:.1f}",
            ", ".join([describe_counts(self.answers), *notes]),
        ]


def describe_counts(counts: Counter[str]) -> str:
    """Return counts as text, such as `3 x 400, 1 x 429`."""
    return ", ".join(f"{number} x {name}" for name, number in sorted(counts.items())) or "none"


class ServerProcess:
    """A running API process."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self.log = port, process, log
        self._info = psutil.Process(process.pid)

    @property
    def memory(self) -> float:
        """Resident memory in MiB."""
        return float(self._info.memory_info().rss) / MIB

    @property
    def memory_peak(self) -> float:
        """Highest resident memory since `reset_memory_peak`, in MiB."""
        match = _MEMORY_PEAK.search(Path(f"/proc/{self.process.pid}/status").read_text())
        assert match is not None
        return int(match[1]) / 1024

    @property
    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system."""
        times = self._info.cpu_times()
        return float(times.user + times.system)

    def reset_memory_peak(self) -> None:
        """Start a new measurement of the highest resident memory (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


class Bystander:
    """The client process of `tests/abuse/bystander.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.requests: list[BystanderRequest] = []
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            kind, due, seconds, status = line.decode().split()
            async with self._changed:
                self.requests.append(BystanderRequest(kind, float(due), float(seconds), status))
                self._changed.notify_all()

    async def requests_since(self, start: float, number: int) -> None:
        """Wait until this number of requests that were due after `start` have ended, of each kind a part."""

        def enough() -> bool:
            recent = [request for request in self.requests if request.due >= start]
            return len(recent) >= number and len({request.kind for request in recent}) == 2

        async with self._changed:
            await self._changed.wait_for(lambda: enough() or self._reader.done())
        assert not self._reader.done(), "the bystander has ended"

    def between(self, start: float, end: float) -> Phase:
        """Return the requests that were due in this time."""
        return Phase([request for request in self.requests if start <= request.due < end])

    async def stop(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader


class Target:
    """What an attacker knows: the server. It counts the answers that it gets."""

    def __init__(self, server: ServerProcess, bystander: Bystander, settings: Settings) -> None:
        self.server, self.bystander, self.settings = server, bystander, settings
        self.port = server.port
        self.answers: Counter[str] = Counter()
        self.notes: dict[str, float] = {}

    async def wait_for_bystander(self, number: int = PHASE_REQUESTS) -> None:
        """Wait until the bystander has sent this number of requests from now on: the attack lasts as long."""
        await self.bystander.requests_since(time.monotonic(), number)


Attack = Callable[[Target], Awaitable[None]]


def require_open_files(number: int) -> None:
    """Raise the limit of open files of this process. Skip the test if that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        pytest.skip(f"needs {number} open files, and the limit is {hard} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


@asynccontextmanager
async def running_server(
    settings: Settings,
    directory: Path,
    environment: Mapping[str, str],
    open_files: int | None = None,
    command: Sequence[str] = ("-m", "app.cli", "serve"),
) -> AsyncIterator[ServerProcess]:
    """Run an API process in production settings. `open_files` is its limit of open files."""
    port, log = closed_port(), directory / "server.log"
    # Without the variables of coverage, which would make the server slower and larger.
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DEALMARK_", "COV"))}
    variables = {
        **plain,
        "DATABASE_URL": settings.required_database_url,
        "REDIS_URL": settings.required_redis_url,
        "DEALMARK_DATA_DIR": str(directory),
        "DEALMARK_JWT_SECRET": SECRET,
        "DEALMARK_PORT": str(port),
        "DEALMARK_SHUTDOWN_TIMEOUT_SECONDS": "0",
        **environment,
    }

    process = _start([sys.executable, *command], variables, log, open_files)
    try:
        await _wait_until_open(port, process, log)
        yield ServerProcess(port, process, log)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _start(
    command: Sequence[str], variables: Mapping[str, str], log: Path, open_files: int | None
) -> subprocess.Popen[bytes]:
    def limit_open_files() -> None:
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

    with log.open("wb") as output:
        # The function only makes a system call, so it is safe although this process has threads.
        return subprocess.Popen(
            command, cwd=SERVER_DIRECTORY, env=variables, stdout=output, stderr=output, preexec_fn=limit_open_files
        )


async def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return
    pytest.fail(f"the server did not start:\n{await asyncio.to_thread(log.read_text)}")


@asynccontextmanager
async def running_bystander(port: int) -> AsyncIterator[Bystander]:
    """Run the bystander, and wait until the server is warm."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.abuse.bystander", str(port)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    bystander = Bystander(process)
    try:
        await bystander.requests_since(0.0, WARM_UP_REQUESTS)
        yield bystander
    finally:
        await bystander.stop()


async def measure_attack(
    name: str,
    attack: Attack,
    settings: Settings,
    directory: Path,
    environment: Mapping[str, str],
    open_files: int | None = None,
    command: Sequence[str] = ("-m", "app.cli", "serve"),
) -> AttackReport:
    """Run an attack on a new server, at least once and for at least MIN_ATTACK_SECONDS."""
    async with (
        running_server(settings, directory, environment, open_files, command) as server,
        running_bystander(server.port) as bystander,
    ):
        target = Target(server, bystander, settings)
        start = time.monotonic()
        await bystander.requests_since(start, PHASE_REQUESTS)
        memory_before, cpu_before = server.memory, server.cpu_seconds
        server.reset_memory_peak()
        attacked = time.monotonic()
        while True:
            await attack(target)
            ended = time.monotonic()
            if ended - attacked >= MIN_ATTACK_SECONDS:
                break
        await bystander.requests_since(ended, PHASE_REQUESTS)
        return AttackReport(
            name=name,
            before=bystander.between(start, attacked),
            during=bystander.between(attacked, ended),
            after=bystander.between(ended, time.monotonic()),
            memory_before=memory_before,
            memory_peak=server.memory_peak,
            memory_after=server.memory,
            seconds=ended - attacked,
            cpu_seconds=server.cpu_seconds - cpu_before,
            answers=target.answers,
            notes=target.notes,
        )
