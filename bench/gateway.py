"""Cached responses, compared with a bare ASGI and a bare Starlette route that send the same bytes.

The server runs on one core, wrk on another. Rounds are interleaved, so that other load affects all servers equally.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlencode

import httpx
from sqlalchemy import text

from app.db.tables import JobKind
from app.documents.registry import builtin_documents
from app.engine.document import content_id
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import filled_database
from bench.serving import LoadResult, Server, missing_requirement, run_load_test, running_server

LISTINGS = 50_000
ACCEPT = "application/graphql-response+json, application/json;q=0.9"  # of Apollo Client
CONNECTIONS = 16
# Name, title, and target: share of the requests per second of the bare ASGI route.
MEASUREMENTS = [
    ("asgi", "bare ASGI route", None),
    ("starlette", "bare Starlette route", None),
    ("dealmark", "persisted GET", 0.90),
    ("304", "persisted GET, 304", 1.00),
]


@dataclass(frozen=True)
class Page:
    """A request, and the response that all servers send."""

    name: str
    url: str
    headers: dict[str, str]
    body: str

    @property
    def path(self) -> str:
        """URL without the variables."""
        return self.url.partition("?")[0]


def main() -> None:
    """Print requests per second and ratios. With `--quick`, run fewer and shorter rounds."""
    if (requirement := missing_requirement()) is not None:
        print(requirement)
        return
    with filled_database(LISTINGS) as settings, ExitStack() as stack:
        slug = asyncio.run(prepare(settings))
        servers = {
            "dealmark": stack.enter_context(running_server([sys.executable, "-m", "app.cli", "serve"], settings))
        }
        pages = [fetch_page(servers["dealmark"], *request) for request in requests(slug)]
        file = settings.data_dir / "responses.json"
        file.write_text(json.dumps({page.path: {"headers": page.headers, "body": page.body} for page in pages}))
        for kind in ("asgi", "starlette"):
            bare = [sys.executable, "-m", "bench.bare", kind, str(file)]
            servers[kind] = stack.enter_context(running_server(bare, settings))
        for page in pages:
            compare(page, servers)


async def prepare(settings: Settings) -> str:
    """Calculate the figures, so that responses are complete. Return the slug of a CPU for the detail query."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
        async with resources.read() as session:
            return str(await session.scalar(text("SELECT slug FROM cpu ORDER BY id LIMIT 1")))


def requests(slug: str) -> list[tuple[str, dict[str, object]]]:
    """Return names of built-in documents and their variables."""
    return [("CpuList", {"first": 100}), ("CpuDetail", {"slug": slug}), ("Statistics", {})]


def fetch_page(server: Server, name: str, variables: dict[str, object]) -> Page:
    """Return the cached response of a built-in document."""
    document_id = content_id(builtin_documents()[name])
    url = f"/graphql/{document_id}" + (f"?{urlencode({'variables': json.dumps(variables)})}" if variables else "")
    for _ in range(3):
        response = httpx.get(f"http://127.0.0.1:{server.port}{url}", headers={"accept": ACCEPT})
        response.raise_for_status()
    assert response.headers["x-cache"] == "HIT-L1"
    assert "errors" not in response.json()
    headers = {header: value for header, value in response.headers.items() if header != "date"}
    return Page(name, url, headers, response.text)


def compare(page: Page, servers: Mapping[str, Server]) -> None:
    """Run rounds of all servers in turn, and of 304 responses."""
    rounds, seconds = (3, 1) if "--quick" in sys.argv else (9, 3)
    measured: dict[str, list[LoadResult]] = {name: [] for name, *_ in MEASUREMENTS}
    for _ in range(rounds):
        for kind, server in servers.items():
            measured[kind].append(run_load_test(server, page.url, seconds, CONNECTIONS, {"accept": ACCEPT}))
        measured["304"].append(not_modified(servers["dealmark"], page.url, seconds))
    print(f"\n  {page.name}, {len(page.body.encode()):,} bytes (medians of {rounds} rounds of {seconds} s)")
    for name, title, target in MEASUREMENTS:
        results, baseline = measured[name], measured["asgi"]
        ratios = [
            result.requests_per_second / other.requests_per_second
            for result, other in zip(results, baseline, strict=True)
        ]
        cpu_ratio = median(
            result.requests_per_cpu_second / other.requests_per_cpu_second
            for result, other in zip(results, baseline, strict=True)
        )
        verdict = "" if target is None else ("  within" if median(ratios) >= target else "  MISSES") + f" {target:.2f}"
        rate = f"{median(result.requests_per_second for result in results):9,.0f} requests/s"
        spread = (
            f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of bare ASGI, by CPU time {cpu_ratio:.2f}"
        )
        print(f"    {title:<22}{rate}   {spread}{verdict}", flush=True)


def not_modified(server: Server, url: str, seconds: int) -> LoadResult:
    """Measure 304 responses. Repeat with the new ETag if the response was regenerated in between."""
    address = f"http://127.0.0.1:{server.port}{url}"
    for _ in range(5):
        etag = httpx.get(address, headers={"accept": ACCEPT}).headers["etag"]
        headers = {"accept": ACCEPT, "if-none-match": etag}
        result = run_load_test(server, url, seconds, CONNECTIONS, headers)
        if httpx.get(address, headers=headers).status_code == 304:
            return result
    raise SystemExit(f"{url} does not return 304.")


if __name__ == "__main__":
    main()
