"""The largest operations that the limits admit: CPU time, and milliseconds per 1,000 points of cost.

Each operation repeats a field for as many parents and under as many aliases as the limits of cost and aliases admit,
and is executed without caches. CPU time is that of this process and of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg

from app.db.tables import JobKind
from app.engine.document import Document, Operation, prepare_document
from app.engine.executor import Executor
from app.engine.validation_rules import MAX_ALIASES
from app.graphql.viewer import Role, Viewer
from app.job_handlers import dispatch
from app.resources import Resources
from app.schema.build import build_graphql_schema
from app.settings import Settings
from bench.database import filled_database, vacuum

LISTINGS = 50_000
MAX_SECONDS = 1.0
VIEWER = Viewer("bench", Role.ADMIN)
SELECT_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
ORDERS = ("NAME", "CORES", "TDP_W", "CPU_MARK_MULTI", "CPU_MARK_SINGLE", "PRICE_GOOD", "SAMPLE_SIZE", "PERCENTILE")
TITLE = " ".join(f"Intel Core i{n % 9}-{n * 37 % 9000 + 1000}T DDR4 16GB 512GB NVMe" for n in range(30))[:950]
# Fields of a CPU.
CPU_FIELDS = (
    "id name slug manufacturer socket category cores tdpW cpuMarkMulti priceTarget { good fair }",
    "listingsCount",
    "listings(first: 1) { nodes { title price } }",
    "listings(first: 100) { nodes { title price seller valuation { total } } }",
    "listings(first: 2) { nodes { lifecycle(first: 1) { at } } }",
    "listings(first: 2) { nodes { priceHistory(first: 1) { totalCount nodes { at } } } }",
    "priceDistribution(bins: 1) { count }",
    "priceDistribution(bins: 100) { count }",
    "similar(first: 1) { name }",
    "similar(first: 24) { name }",
    "priceHistory(range: ALL, interval: WEEK) { at lowest average }",
    "priceHistory(range: DAYS_30) { at }",
    "priceLows { current }",
)
# Fields of the query; `N` stands for the number of the alias.
QUERY_FIELDS = (
    'cpu(slug: "cpu-N") { name }',
    'cpus(first: 1, filter: {search: "core iN", withListings: true}) { totalCount }',
    "cpus(first: 200, filter: {withListings: false, cores: {max: N}}) { nodes { name } }",
    "cpuFacets(filter: {threads: {max: 2N}}) { ratings { count } }",
    "cpuFacets(filter: {withListings: true, threads: {max: 2N}}) { sockets { value count } categories { count } }",
    "priceMap(filter: {threads: {max: 20N}}) { id name slug manufacturer price cpuMarkMulti rating }",
    f'matchTitle(title: "N {TITLE}") {{ decision reason }}',
    "statistics { total manufacturers sockets }",
    "priceChanges(first: 1N) { totalCount nodes { at } }",
)


@dataclass(frozen=True)
class Measurement:
    """The cost of an operation, and the seconds of CPU time of this process and of PostgreSQL."""

    name: str
    points: int
    process: float
    postgres: float

    @property
    def seconds(self) -> float:
        """CPU time of both."""
        return self.process + self.postgres

    @property
    def rate(self) -> float:
        """Milliseconds per 1,000 points."""
        return self.seconds * 1e6 / self.points


def main() -> None:
    """Print the CPU time of each operation, and the ratio of the dearest to the cheapest field."""
    with filled_database(LISTINGS) as settings:
        measurements = asyncio.run(measure_all(settings))
    print(f"  {'points':>7}{'process':>10}{'PostgreSQL':>12}{'per 1,000 points':>18}")
    for each in sorted(measurements, key=lambda each: -each.seconds):
        times = f"{each.process * 1000:7.0f} ms{each.postgres * 1000:9.0f} ms{each.rate:15.1f} ms"
        print(f"  {each.points:7,}{times}  {each.name[:90]}")
    slowest = max(measurements, key=lambda each: each.seconds)
    rates = [each.rate for each in measurements if each.points > max(e.points for e in measurements) / 2]
    print(f"  The dearest of the large operations costs {max(rates) / min(rates):.0f} times the cheapest, per point.")
    state = "within" if slowest.seconds <= MAX_SECONDS else "MISSES"
    print(f"  The slowest operation takes {slowest.seconds:.2f} s of CPU time; {state} {MAX_SECONDS:g} s", flush=True)


async def measure_all(settings: Settings) -> list[Measurement]:
    """Calculate the figures, and measure all fields."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
        await vacuum(resources)
        executor = Executor(resources, build_graphql_schema())
        executor.timeout_seconds = 600
        connection = await asyncpg.connect(settings.required_database_url)
        try:
            probe = Probe(executor, connection, settings.cost_limit)
            names = [*(f"CPU.{name}" for name in CPU_FIELDS), *QUERY_FIELDS]
            return [await probe.measure(name) for name in names]
        finally:
            await connection.close()


class Probe:
    """Measures operations."""

    def __init__(self, executor: Executor, connection: asyncpg.Connection, cost_limit: int) -> None:
        self.executor, self.connection, self.cost_limit = executor, connection, cost_limit

    async def measure(self, name: str) -> Measurement:
        """Execute the largest operation with a field several times, and return its median times."""
        document, operation, points = self._largest(name)
        times = [await self._run(document, operation) for _ in range(2 if "--quick" in sys.argv else 4)]
        process, postgres = (median(values) for values in zip(*times[1:], strict=True))
        return Measurement(name, points, process, postgres)

    def _largest(self, name: str) -> tuple[Document, Operation, int]:
        """Return the largest operation with this field that is admitted, and its cost."""
        candidates = []
        for page_size in (20, 100, 200) if name.startswith("CPU.") else (0,):
            _, _, points = self._prepare(name, page_size, 1)
            if points <= self.cost_limit:
                aliases = min(self.cost_limit // points, MAX_ALIASES)
                candidates.append(self._prepare(name, page_size, aliases))
        return max(candidates, key=lambda candidate: candidate[2])

    def _prepare(self, name: str, page_size: int, aliases: int) -> tuple[Document, Operation, int]:
        selections = (_selection(name, page_size, number) for number in range(1, aliases + 1))
        text = "{ " + " ".join(f"a{n}: {selection}" for n, selection in enumerate(selections)) + " }"
        document = prepare_document(self.executor.schema, "bench", text)
        operation = document.select_operation(None)
        return document, operation, operation.cost({})

    async def _run(self, document: Document, operation: Operation) -> tuple[float, float]:
        """Execute an operation. Return the seconds of CPU time of this process and of PostgreSQL."""
        before, started = await self._postgres_seconds(), time.process_time()
        outcome = await self.executor.run(document, operation, {}, VIEWER)
        process = time.process_time() - started
        assert outcome.has_no_errors, outcome.body[:500]
        return process, await self._postgres_seconds() - before

    async def _postgres_seconds(self) -> float:
        """Return the CPU time of all connections."""
        pids = [row["pid"] for row in await self.connection.fetch(SELECT_BACKENDS)]
        return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, which the kernel counts in nanoseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _selection(name: str, page_size: int, number: int) -> str:
    """Return a field of the query; a field of a CPU for a page of CPUs. Each number selects other rows."""
    if not name.startswith("CPU."):
        return name.replace("N", str(number), 1)
    order = f"{{field: {ORDERS[number % len(ORDERS)]}, direction: DESC}}"
    arguments = f"first: {page_size}, filter: {{cores: {{max: {200 - number}}}}}, orderBy: [{order}]"
    return f"cpus({arguments}) {{ nodes {{ {name.removeprefix('CPU.')} }} }}"


if __name__ == "__main__":
    main()
