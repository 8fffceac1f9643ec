"""Hot persisted documents beside a bare ASGI and a bare Starlette route that send the same bytes on the same server.

Server on one core, wrk on another. Rounds are interleaved, so that whatever else the machine does falls on all alike.
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
from app.engine.document import content_id
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import ROOT, filled_database
from bench.serving import Figures, Server, load, missing, running

LISTINGS = 50_000
ACCEPT = "application/graphql-response+json, application/json;q=0.9"  # as Apollo Client sends it
CONNECTIONS = 16
# Name, title, target as share of the requests per second of the bare ASGI route.
LINES = [
    ("asgi", "bare ASGI route", None),
    ("starlette", "bare Starlette route", None),
    ("dealmark", "persisted GET", 0.90),
    ("304", "persisted GET, 304", 1.00),
]


@dataclass(frozen=True)
class Page:
    """A request, and the answer that all servers give to it."""

    name: str
    url: str
    headers: dict[str, str]
    body: str

    @property
    def path(self) -> str:
        """Without the variables."""
        return self.url.partition("?")[0]


def main() -> None:
    """Prints requests per second and ratios; `--quick` takes fewer and shorter rounds."""
    if (lacks := missing()) is not None:
        print(lacks)
        return
    with filled_database(LISTINGS) as settings, ExitStack() as stack:
        slug = asyncio.run(prepare(settings))
        servers = {"dealmark": stack.enter_context(running([sys.executable, "-m", "app.cli", "serve"], settings))}
        pages = [ask(servers["dealmark"], *request) for request in requests(slug)]
        file = settings.data_dir / "answers.json"
        file.write_text(json.dumps({page.path: {"headers": page.headers, "body": page.body} for page in pages}))
        for kind in ("asgi", "starlette"):
            bare = [sys.executable, "-m", "bench.bare", kind, str(file)]
            servers[kind] = stack.enter_context(running(bare, settings))
        for page in pages:
            compare(page, servers)


async def prepare(settings: Settings) -> str:
    """Recalculates, so that answers are as long as in real life; the slug of the CPU that is shown in detail."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
        async with resources.read() as session:
            return str(await session.scalar(text("SELECT slug FROM cpu ORDER BY id LIMIT 1")))


def requests(slug: str) -> list[tuple[str, dict[str, object]]]:
    """Names of shipped documents, and variables."""
    return [("CpuList", {"first": 100}), ("CpuDetail", {"slug": slug}), ("Statistics", {})]


def ask(server: Server, name: str, variables: dict[str, object]) -> Page:
    """The hot answer to a shipped document."""
    document_id = content_id((ROOT / "app" / "documents" / f"{name}.graphql").read_text(encoding="utf-8"))
    url = f"/graphql/{document_id}" + (f"?{urlencode({'variables': json.dumps(variables)})}" if variables else "")
    for _ in range(3):
        response = httpx.get(f"http://127.0.0.1:{server.port}{url}", headers={"accept": ACCEPT})
        response.raise_for_status()
    assert response.headers["x-cache"] == "HIT-L1"
    assert "errors" not in response.json()
    headers = {header: value for header, value in response.headers.items() if header != "date"}
    return Page(name, url, headers, response.text)


def compare(page: Page, servers: Mapping[str, Server]) -> None:
    """Rounds of all servers in turn, and of 304 answers."""
    rounds, seconds = (3, 1) if "--quick" in sys.argv else (9, 3)
    measured: dict[str, list[Figures]] = {name: [] for name, *_ in LINES}
    for _ in range(rounds):
        for kind, server in servers.items():
            measured[kind].append(load(server, page.url, seconds, CONNECTIONS, {"accept": ACCEPT}))
        measured["304"].append(not_modified(servers["dealmark"], page.url, seconds))
    print(f"\n  {page.name}, {len(page.body.encode()):,} bytes (medians of {rounds} rounds of {seconds} s)")
    for name, title, target in LINES:
        mine, bare = measured[name], measured["asgi"]
        clock = [each.clock / other.clock for each, other in zip(mine, bare, strict=True)]
        cpu = median(each.cpu / other.cpu for each, other in zip(mine, bare, strict=True))
        verdict = "" if target is None else ("  within" if median(clock) >= target else "  MISSES") + f" {target:.2f}"
        rate = f"{median(each.clock for each in mine):9,.0f} requests/s"
        spread = f"{median(clock):.2f} ({min(clock):.2f} to {max(clock):.2f}) of bare ASGI, by CPU time {cpu:.2f}"
        print(f"    {title:<22}{rate}   {spread}{verdict}", flush=True)


def not_modified(server: Server, url: str, seconds: int) -> Figures:
    """The same with the validator of now; again where it was none any more at the end (`fresh` is answered anew)."""
    address = f"http://127.0.0.1:{server.port}{url}"
    for _ in range(5):
        etag = httpx.get(address, headers={"accept": ACCEPT}).headers["etag"]
        headers = {"accept": ACCEPT, "if-none-match": etag}
        figures = load(server, url, seconds, CONNECTIONS, headers)
        if httpx.get(address, headers=headers).status_code == 304:
            return figures
    raise SystemExit(f"{url} is not answered by 304")


if __name__ == "__main__":
    main()
