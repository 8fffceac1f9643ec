"""Sustained ingest of pages that are already fetched: parse, match, value, upsert, by one worker process.

The worker's own code from the claim to the commit, with a fetcher that has the pages in memory.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence

import orjson
from sqlalchemy import text

from app.db.tables import ImportPriority, ImportSource
from app.ingestion.fetch.page import Page
from app.ingestion.fetch.url_policy import AllowList
from app.ingestion.requests.import_requests import ImportRequest, RequestedRow, request_import
from app.ingestion.worker.import_worker import ImportWorker
from app.resources import Resources
from app.settings import Settings
from bench.database import filled_database, vacuum

LISTINGS = 100_000
PAGES = 6_000
FILE = 1_000  # rows, the most that one may have
TARGET = 500
HOSTS = 20
PAGE_BYTES = 40_000
CONDITIONS = ("Used", "New", "Refurbished")

MARKUP = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} | Shop {host}</title>
<meta property="og:title" content="{title}"><meta property="og:type" content="product">
<meta property="og:image" content="https://{host}/i/{number}.jpg">{head}</head>
<body><header><nav>{navigation}</nav></header><main><h1>{title}</h1>{body}<div class="description">{filling}</div>
</main><footer>{navigation}</footer></body></html>"""


class Memory:
    """A fetcher that has fetched before."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}

    async def fetch(self, url: str, _ask: object = None) -> Page:
        """The page of this URL."""
        return Page(url, self.pages[url], "text/html; charset=utf-8", url)


def main() -> None:
    """Prints offers per second, of pages seen for the first time and again; `--quick`: fewer."""
    quick = "--quick" in sys.argv
    with filled_database(10_000 if quick else LISTINGS) as settings:
        asyncio.run(measure(settings, 2_000 if quick else PAGES))


async def measure(settings: Settings, pages: int) -> None:
    """New offers, the same at other prices, and the same again."""
    settings = settings.model_copy(
        update={"fetch_host_delay_seconds": 0.0, "fetch_host_concurrency": 100, "fetch_concurrency": 100}
    )
    async with Resources.open(settings) as resources:
        async with resources.read() as session:
            rows = await session.rows(text("SELECT name FROM cpu ORDER BY md5(name) LIMIT 3000"))
        names = [row.name.partition(" @")[0] for row in rows]
        for title, factor in (("new offers", 1.0), ("at another price", 1.1), ("unchanged", 1.1)):
            memory = Memory()
            memory.pages = dict(made(names, number, factor) for number in range(pages))
            size = sum(map(len, memory.pages.values())) / pages / 1000
            await one(resources, memory, list(memory.pages)[:FILE])  # warm
            await vacuum(resources)
            took, cpu = await one(resources, memory, list(memory.pages)[FILE:])
            rate = (pages - FILE) / took
            verdict = "reaches" if rate >= TARGET else "MISSES"
            print(
                f"  {title}: {rate:.0f} offers/s ({pages - FILE:,} pages of {size:.0f} KB in {took:.1f} s, "
                f"{cpu / (pages - FILE) * 1000:.2f} ms of processor each); {verdict} the target of {TARGET}",
                flush=True,
            )
        async with resources.read() as session:
            (matched,) = await session.rows(
                text("SELECT count(*) AS n, count(cpu_id) AS matched FROM listing WHERE marketplace LIKE '%.example'")
            )
        print(f"  listings: {matched.n:,}, with a CPU: {matched.matched:,}")


async def one(resources: Resources, memory: Memory, urls: Sequence[str]) -> tuple[float, float]:
    """Seconds until all these are stored, and processor seconds of this process."""
    sessions = []
    for start in range(0, len(urls), FILE):
        rows = [RequestedRow(url) for url in urls[start : start + FILE]]
        async with resources.write() as tx:
            request = ImportRequest(ImportSource.CSV, "file.csv", ImportPriority.NORMAL, "bench")
            sessions.append(await request_import(tx, request, rows, AllowList()))
    began, used = time.perf_counter(), time.process_time()
    working = asyncio.create_task(ImportWorker(resources, memory).run())  # type: ignore[arg-type]
    left = text("SELECT count(*) FROM import_session WHERE id = ANY(CAST(:ids AS bigint[])) AND finished_at IS NULL")
    while True:
        await asyncio.sleep(0.1)
        async with resources.read() as session:
            if not await session.scalar(left, {"ids": sessions}):
                break
        if working.done():
            working.result()
    took = time.perf_counter() - began, time.process_time() - used
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return took


def made(names: Sequence[str], number: int, factor: float) -> tuple[str, bytes]:
    """URL and body of a page: two of three with JSON-LD, others with microdata, or with OpenGraph alone."""
    chance = random.Random(number)
    host = f"shop{number % HOSTS}.example"
    name = names[number % len(names)]
    beside = chance.choice(("", "", ", tested", " 16GB RAM 512GB SSD Mini PC", " boxed", " 8GB DDR4 Win11 Pro"))
    title = f"{name}{beside} - No. {number}"
    price = f"{(20 + chance.random() * 400) * factor:.2f}"
    condition = f"https://schema.org/{chance.choice(CONDITIONS)}Condition"
    head = body = ""
    if number % 6 < 4:
        data = {
            "@context": "https://schema.org",
            "@graph": [
                {"@type": "BreadcrumbList", "itemListElement": [{"@type": "ListItem", "position": 1, "name": "CPUs"}]},
                {
                    "@type": "Product",
                    "name": title,
                    "sku": str(number),
                    "image": [f"https://{host}/i/{number}-{n}.jpg" for n in range(4)],
                    "brand": {"@type": "Brand", "name": name.split()[0]},
                    "offers": {
                        "@type": "Offer",
                        "price": price,
                        "priceCurrency": "USD",
                        "itemCondition": condition,
                        "availability": "https://schema.org/InStock",
                    },
                },
            ],
        }
        head = f'<script type="application/ld+json">{orjson.dumps(data).decode()}</script>'
    elif number % 6 == 4:
        body = (
            f'<div itemscope itemtype="https://schema.org/Product"><span itemprop="name">{title}</span>'
            f'<meta itemprop="sku" content="{number}"><img itemprop="image" src="/i/{number}.jpg">'
            f'<div itemprop="offers" itemscope itemtype="https://schema.org/Offer"><span itemprop="price" '
            f'content="{price}">{price}</span><meta itemprop="priceCurrency" content="USD">'
            f'<link itemprop="itemCondition" href="{condition}"></div></div>'
        )
    else:
        head = (
            f'<meta property="product:price:amount" content="{price}">'
            '<meta property="product:price:currency" content="USD">'
            f'<meta property="product:retailer_item_id" content="{number}">'
        )
    navigation = "".join(f'<a class="link level-{n % 3}" href="/c/{n}">Category {n}</a>' for n in range(60))
    bare = MARKUP.format(
        title=title, host=host, number=number, head=head, body=body, navigation=navigation, filling="{filling}"
    )
    words = "".join(
        f'<p class="text t{n % 7}">Lorem ipsum <b>dolor</b> sit amet {n}, consetetur <i>sadipscing</i> elitr.</p>'
        for n in range(max(0, (PAGE_BYTES - len(bare)) // 105))
    )
    return f"https://{host}/p/{number}", bare.replace("{filling}", words).encode()
