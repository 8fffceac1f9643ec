"""Import of fetched pages by one worker process: extract, match, value and store.

Runs the code of the worker from claiming a page to the commit, with a fetcher that returns pages from memory.
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
from app.ingestion.fetch.page import WebPage
from app.ingestion.fetch.url_policy import AllowList
from app.ingestion.requests.import_requests import ImportRequest, RequestedRow, request_import
from app.ingestion.worker.import_worker import ImportWorker
from app.resources import Resources
from app.settings import Settings
from bench.database import filled_database, vacuum

LISTINGS = 100_000
PAGES = 6_000
MAX_ROWS_PER_FILE = 1_000
TARGET_PAGES_PER_SECOND = 500
HOSTS = 20
PAGE_BYTES = 40_000
CONDITIONS = ("Used", "New", "Refurbished")

MARKUP = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} | Shop {host}</title>
<meta property="og:title" content="{title}"><meta property="og:type" content="product">
<meta property="og:image" content="https://{host}/i/{number}.jpg">{head}</head>
<body><header><nav>{navigation}</nav></header><main><h1>{title}</h1>{body}<div class="description">{filling}</div>
</main><footer>{navigation}</footer></body></html>"""


class MemoryFetcher:
    """A fetcher that returns pages from memory."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}

    async def fetch(self, url: str, _request: object = None) -> WebPage:
        """Return the page of this URL."""
        return WebPage(url, self.pages[url], "text/html; charset=utf-8", url)


def main() -> None:
    """Print offers per second, for new, changed and unchanged pages. With `--quick`, use fewer pages."""
    quick = "--quick" in sys.argv
    with filled_database(10_000 if quick else LISTINGS) as settings:
        asyncio.run(measure(settings, 2_000 if quick else PAGES))


async def measure(settings: Settings, pages: int) -> None:
    """Import new offers, the same ones at other prices, and the same ones unchanged."""
    settings = settings.model_copy(
        update={"fetch_host_delay_seconds": 0.0, "fetch_host_concurrency": 100, "fetch_concurrency": 100}
    )
    async with Resources.open(settings) as resources:
        async with resources.read() as session:
            rows = await session.rows(text("SELECT name FROM cpu ORDER BY md5(name) LIMIT 3000"))
        names = [row.name.partition(" @")[0] for row in rows]
        for title, factor in (("new offers", 1.0), ("at another price", 1.1), ("unchanged", 1.1)):
            fetcher = MemoryFetcher()
            fetcher.pages = dict(make_page(names, number, factor) for number in range(pages))
            size = sum(map(len, fetcher.pages.values())) / pages / 1000
            await import_pages(resources, fetcher, list(fetcher.pages)[:MAX_ROWS_PER_FILE])  # warm-up
            await vacuum(resources)
            seconds, cpu_seconds = await import_pages(resources, fetcher, list(fetcher.pages)[MAX_ROWS_PER_FILE:])
            rate = (pages - MAX_ROWS_PER_FILE) / seconds
            verdict = "reaches" if rate >= TARGET_PAGES_PER_SECOND else "MISSES"
            measured = pages - MAX_ROWS_PER_FILE
            print(
                f"  {title}: {rate:.0f} offers/s ({measured:,} pages of {size:.0f} KB in {seconds:.1f} s, "
                f"{cpu_seconds / measured * 1000:.2f} ms of CPU time each); {verdict} the target of "
                f"{TARGET_PAGES_PER_SECOND}",
                flush=True,
            )
        async with resources.read() as session:
            (matched,) = await session.rows(
                text("SELECT count(*) AS n, count(cpu_id) AS matched FROM listing WHERE marketplace LIKE '%.example'")
            )
        print(f"  listings: {matched.n:,}, with a CPU: {matched.matched:,}")


async def import_pages(resources: Resources, fetcher: MemoryFetcher, urls: Sequence[str]) -> tuple[float, float]:
    """Import these pages. Return the seconds, and the CPU seconds of this process."""
    sessions = []
    for start in range(0, len(urls), MAX_ROWS_PER_FILE):
        rows = [RequestedRow(url) for url in urls[start : start + MAX_ROWS_PER_FILE]]
        async with resources.write() as tx:
            request = ImportRequest(ImportSource.CSV, "file.csv", ImportPriority.NORMAL, "bench")
            sessions.append(await request_import(tx, request, rows, AllowList()))
    started_at, cpu_started_at = time.perf_counter(), time.process_time()
    worker = asyncio.create_task(ImportWorker(resources, fetcher).run())  # type: ignore[arg-type]
    count_unfinished = text(
        "SELECT count(*) FROM import_session WHERE id = ANY(CAST(:ids AS bigint[])) AND finished_at IS NULL"
    )
    while True:
        await asyncio.sleep(0.1)
        async with resources.read() as session:
            if not await session.scalar(count_unfinished, {"ids": sessions}):
                break
        if worker.done():
            worker.result()
    elapsed = time.perf_counter() - started_at, time.process_time() - cpu_started_at
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return elapsed


def make_page(names: Sequence[str], number: int, factor: float) -> tuple[str, bytes]:
    """Return URL and body of a page: four in six have JSON-LD, one has microdata, one only OpenGraph."""
    rng = random.Random(number)
    host = f"shop{number % HOSTS}.example"
    name = names[number % len(names)]
    suffix = rng.choice(("", "", ", tested", " 16GB RAM 512GB SSD Mini PC", " boxed", " 8GB DDR4 Win11 Pro"))
    title = f"{name}{suffix} - No. {number}"
    price = f"{(20 + rng.random() * 400) * factor:.2f}"
    condition = f"https://schema.org/{rng.choice(CONDITIONS)}Condition"
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
