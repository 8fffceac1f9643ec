"""Imports from the request to the listing, with a real queue, a real fetcher and a local site."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from itertools import pairwise
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from app.db.tables import ImportPriority
from app.ingestion.retention import delete_old_payloads
from app.resources import Resources
from app.settings import Settings
from tests.support.catalog_rows import add_cpu
from tests.support.schema_execution import query_data
from tests.support.sites import Handler, http_response, redirect_response, run_site
from tests.support.url_imports import (
    all_listings,
    all_observations,
    assert_session_counts,
    fetch_import_rows,
    import_urls,
    product_page,
    quick_settings,
    request_urls,
    run_import_worker,
    session_row,
    session_rows,
    wait_until_session_ended,
)
from tests.support.waiting import wait_until


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open resources with short timeouts that may fetch from localhost."""
    async with Resources.open(quick_settings(settings)) as opened:
        yield opened


async def test_import_of_url_creates_listing(resources: Resources) -> None:
    cpu = await add_cpu(resources, "Intel Core i5-8500T @ 2.10GHz")
    async with run_site({"/a": http_response(product_page("Intel Core i5-8500T CPU, tested", "39.90"))}) as shop:
        session = await import_urls(resources, shop.url("/a"))
    assert (session.status, session.source, session.total, session.complete) == ("complete", "url", 1, 1)
    (row,) = await session_rows(resources, session.id)
    assert (row.status, row.attempts, row.retries, row.error, row.adapter) == ("complete", 1, 0, None, "json-ld")
    (listing,) = await all_listings(resources)
    assert row.listing_ids == [listing.id]
    assert (listing.cpu_id, listing.price, listing.adjusted_price) == (cpu, Decimal("39.90"), Decimal("39.90"))
    assert listing.images == [shop.url("/picture.jpg")]
    assert await all_observations(resources) == [(listing.id, Decimal("39.90"))]
    await assert_session_counts(resources)


async def test_import_of_url_already_in_progress_shares_the_fetch(resources: Resources) -> None:
    """Request a URL in one session and in others, in different forms, before and during its fetch, with two workers."""
    started, proceed = asyncio.Event(), asyncio.Event()

    async def slow(_request: str, writer: asyncio.StreamWriter) -> None:
        started.set()
        await proceed.wait()
        writer.write(http_response(product_page("Intel Core i5-8500T", "10")))

    async with run_site({"/a": slow}) as shop:
        first = await request_urls(resources, shop.url("/a"), shop.url("/a#x"), shop.url("/a").replace("http", "HTTP"))
        async with run_import_worker(resources), run_import_worker(resources):
            await started.wait()
            second = await request_urls(resources, shop.url("/a"), priority=ImportPriority.HIGH)
            assert (await session_row(resources, second)).status == "running"
            proceed.set()
            sessions = [
                await wait_until_session_ended(resources, first),
                await wait_until_session_ended(resources, second),
            ]
            assert len(shop.requests) == 1
            shop.pages["/a"] = http_response(product_page("Intel Core i5-8500T", "11"))
            third = await wait_until_session_ended(resources, await request_urls(resources, shop.url("/a")))
        assert len(shop.requests) == 2, "a finished URL is fetched again"
    assert [(session.status, session.complete) for session in (*sessions, third)] == [
        ("complete", 3),
        ("complete", 1),
        ("complete", 1),
    ]
    fetches = [row.fetch_id for session in (first, second) for row in await session_rows(resources, session)]
    assert len(set(fetches)) == 1
    (listing,) = await all_listings(resources)
    assert [price for _, price in await all_observations(resources)] == [Decimal(10), Decimal(11)]
    assert listing.price == Decimal(11)
    await assert_session_counts(resources)


@pytest.mark.parametrize("workers", [1, 3])
async def test_worker_limits_concurrent_fetches_per_host(settings: Settings, workers: int) -> None:
    running, max_running = 0, 0

    async def slow(_request: str, writer: asyncio.StreamWriter) -> None:
        nonlocal running, max_running
        running += 1
        max_running = max(max_running, running)
        await asyncio.sleep(0.05)
        running -= 1
        writer.write(http_response(product_page("A thing", "10")))

    async with (
        Resources.open(quick_settings(settings, fetch_host_concurrency=2)) as resources,
        run_site({f"/{n}": slow for n in range(12)}) as shop,
        AsyncExitStack() as stack,
    ):
        for _ in range(workers):
            await stack.enter_async_context(run_import_worker(resources))
        session = await wait_until_session_ended(
            resources, await request_urls(resources, *(shop.url(f"/{n}") for n in range(12)))
        )
    assert (session.complete, max_running) == (12, 2)


async def test_worker_delays_fetches_of_the_same_host(settings: Settings) -> None:
    """All workers together respect the delay; another host is fetched in the meantime."""
    times = defaultdict[str, list[float]](list)

    def page(name: str) -> Handler:
        async def answer(_request: str, writer: asyncio.StreamWriter) -> None:
            times[name].append(time.monotonic())
            writer.write(http_response(product_page("A thing", "10")))

        return answer

    async with (
        Resources.open(quick_settings(settings, fetch_host_delay_seconds=0.2)) as resources,
        run_site({f"/{n}": page("one") for n in range(5)}) as one,
        run_site({f"/{n}": page("two") for n in range(5)}) as two,
        run_import_worker(resources),
        run_import_worker(resources),
    ):
        start = time.monotonic()
        urls = [shop.url(f"/{n}") for shop in (one, two) for n in range(5)]
        assert (await wait_until_session_ended(resources, await request_urls(resources, *urls))).complete == 10
    assert times["two"][0] - start < 0.7, "the second host did not wait for the first"
    for host_times in times.values():
        assert len(host_times) == 5
        assert host_times[-1] - host_times[0] > 0.6  # four delays of 0.2 s; the first request may be late


async def test_worker_fetches_higher_priorities_first(settings: Settings) -> None:
    order: list[str] = []

    async def page(request: str, writer: asyncio.StreamWriter) -> None:
        order.append(request.split(" ")[1])
        writer.write(http_response(product_page("A thing", "10")))

    names = ["/low", "/normal", "/second", "/high", "/raised"]
    async with (
        Resources.open(quick_settings(settings, fetch_host_concurrency=1, fetch_concurrency=1)) as resources,
        run_site(dict.fromkeys(names, page)) as shop,
    ):
        for name, priority in (
            ("/low", ImportPriority.LOW),
            ("/raised", ImportPriority.LOW),
            ("/normal", ImportPriority.NORMAL),
            ("/second", ImportPriority.NORMAL),
            ("/high", ImportPriority.HIGH),
            ("/raised", ImportPriority.HIGH),
        ):
            last = await request_urls(resources, shop.url(name), priority=priority)
        async with run_import_worker(resources):
            await wait_until_session_ended(resources, last)

            async def all_requested() -> bool:
                return len(order) == len(names)

            await wait_until(all_requested)
    assert order == ["/raised", "/high", "/normal", "/second", "/low"]


async def test_worker_retries_with_doubling_delays(settings: Settings) -> None:
    """Each delay is at least twice the previous one. After three retries, the row fails."""
    times: list[float] = []

    async def busy(_request: str, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        writer.write(http_response(status=503))

    async with (
        Resources.open(quick_settings(settings, fetch_retry_delay_seconds=0.1)) as resources,
        run_site({"/a": busy}) as shop,
    ):
        session_id = await request_urls(resources, shop.url("/a"))
        async with run_import_worker(resources):

            async def queued_row() -> Any:
                (row,) = await session_rows(resources, session_id)
                return row if row.status == "queued" and row.attempts else None

            waiting = await wait_until(queued_row)
            assert (waiting.error_code, waiting.retries) == ("FETCH_BUSY", waiting.attempts)
            assert (await session_row(resources, session_id)).status == "running"
            session = await wait_until_session_ended(resources, session_id)
    (row,) = await session_rows(resources, session_id)
    assert (session.status, session.failed, row.status, row.attempts) == ("failed", 1, "failed", 4)
    assert (row.error_code, row.error) == ("FETCH_BUSY", "127.0.0.1 answered with status 503.")
    delays = [later - earlier for earlier, later in pairwise(times)]
    assert len(delays) == 3
    for delay, min_delay in zip(delays, (0.1, 0.2, 0.4), strict=True):
        assert min_delay <= delay


async def hang_up(_request: str, _writer: asyncio.StreamWriter) -> None:
    """Close the connection without a response."""


FAILING: list[tuple[bytes | Handler, int, str]] = [
    (http_response(status=500), 4, "FETCH_BUSY"),
    (http_response(status=429), 4, "FETCH_BUSY"),
    (hang_up, 4, "FETCH_UNREACHABLE"),
    (http_response(status=400), 1, "HTTP_REFUSED"),
    (http_response(status=403), 1, "HTTP_REFUSED"),
    (http_response(status=404), 1, "HTTP_REFUSED"),
    (http_response(b"{}", headers={"Content-Type": "application/json"}), 1, "CONTENT_TYPE_REFUSED"),
    (redirect_response("http://10.0.0.1/"), 1, "URL_REFUSED"),
    (http_response(b"<h1>nothing is sold here</h1>"), 1, "NOT_UNDERSTOOD"),
    (http_response(product_page("A thing", "12 or 13")), 1, "PRICE_UNCLEAR"),
    (http_response(product_page("A thing", "12", "Taler")), 1, "CURRENCY_UNKNOWN"),
]


async def test_worker_tries_permanent_errors_once_and_retryable_errors_four_times(resources: Resources) -> None:
    async with run_site({f"/{n}": answer for n, (answer, _, _) in enumerate(FAILING)}) as shop:
        session = await import_urls(resources, *(shop.url(f"/{n}") for n in range(len(FAILING))))
        requests = Counter(request.split(" ")[1] for request in shop.requests)
    assert (session.status, session.failed) == ("failed", len(FAILING))
    for row, (_, attempts, code) in zip(await session_rows(resources, session.id), FAILING, strict=True):
        path = f"/{row.position - 1}"
        assert (row.status, row.attempts, requests[path], row.error_code) == ("failed", attempts, attempts, code)
    assert await all_listings(resources) == []
    await assert_session_counts(resources)


async def test_retry_after_delays_all_pages_of_the_host(settings: Settings) -> None:
    """The worker waits for the requested time before it fetches any page of the host, then it continues."""
    times: list[float] = []

    async def limited(_request: str, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            writer.write(http_response(status=429, headers={"Retry-After": "1"}))
        else:
            writer.write(http_response(product_page("A thing", "10")))

    values = {"fetch_host_concurrency": 1, "fetch_retry_delay_seconds": 0.01}
    async with (
        Resources.open(quick_settings(settings, **values)) as resources,
        run_site({"/a": limited, "/b": limited}) as shop,
    ):
        session_id = await request_urls(resources, shop.url("/a"), shop.url("/b"))
        async with run_import_worker(resources):
            session = await wait_until_session_ended(resources, session_id)
    assert (session.status, session.complete) == ("complete", 2)
    assert len(times) == 3
    assert times[1] - times[0] >= 1


async def test_import_of_gone_page_ends_listing(resources: Resources) -> None:
    cpu = await add_cpu(resources, "Intel Core i5-8500T")
    async with run_site({"/a": http_response(product_page("Intel Core i5-8500T", "10"))}) as shop:
        await import_urls(resources, shop.url("/a"))
        for status in (404, 410):
            shop.pages["/a"] = http_response(status=status)
            session = await import_urls(resources, shop.url("/a"))
            (row,) = await session_rows(resources, session.id)
            (listing,) = await all_listings(resources)
            assert (row.status, row.error_code, row.listing_ids) == ("failed", "HTTP_REFUSED", [listing.id])
            assert (listing.status, listing.price) == ("ended", Decimal(10))
        shop.pages["/a"] = http_response(product_page("Intel Core i5-8500T", "12"))
        await import_urls(resources, shop.url("/a"))
    (listing,) = await all_listings(resources)
    assert (listing.status, listing.price, listing.cpu_id) == ("active", Decimal(12), cpu)


async def test_import_of_gone_page_keeps_listing_seen_elsewhere(resources: Resources) -> None:
    """The old page is gone, but a later import found the listing at another URL."""
    page = http_response(product_page("Intel Core i5-8500T", "10"))
    async with run_site({"/old": page, "/new": page}) as shop:
        await import_urls(resources, shop.url("/old"))
        await import_urls(resources, shop.url("/new"))
        for path, status in (("/old", "active"), ("/new", "ended")):
            shop.pages[path] = http_response(status=404)
            await import_urls(resources, shop.url(path))
            (listing,) = await all_listings(resources)
            assert listing.status == status


async def test_import_marks_listing_missing_when_page_offers_another(resources: Resources) -> None:
    """A later import finds the listing again."""
    async with run_site({"/a": http_response(product_page("Offer one", "10"))}) as shop:
        await import_urls(resources, shop.url("/a"))
        shop.pages["/a"] = http_response(product_page("Offer two", "20"))
        await import_urls(resources, shop.url("/a"))
        missing = {row.title: row.missing_since is not None for row in await all_listings(resources)}
        assert missing == {"Offer one": True, "Offer two": False}
        shop.pages["/a"] = http_response(product_page("Offer one", "10"))
        await import_urls(resources, shop.url("/a"))
    assert {row.title: row.missing_since is not None for row in await all_listings(resources)} == {
        "Offer one": False,
        "Offer two": True,
    }


async def test_import_of_offers_without_single_price_adds_remarks(resources: Resources) -> None:
    """Import lots, pairs, bundles, items for parts, titles with two CPUs, and pages without a price."""
    cpu = await add_cpu(resources, "Intel Core i5-8500T")
    await add_cpu(resources, "Intel Core i7-8700")
    broken = {"itemCondition": "https://schema.org/DamagedCondition"}
    pages = {
        "/good": product_page("Intel Core i5-8500T", "10"),
        "/lot": product_page("Lot of 4 Intel Core i5-8500T", "40"),
        "/pair": product_page("Matched pair Intel Core i5-8500T", "20"),
        "/bundle": product_page("Intel Core i5-8500T bundle with motherboard", "80"),
        "/broken": product_page("Intel Core i5-8500T", "5", sku="2", **broken),
        "/two": product_page("Intel Core i5-8500T or Intel Core i7-8700", "30"),
        "/unpriced": product_page("Intel Core i5-8500T, price on request", None),
    }
    async with run_site({path: http_response(page) for path, page in pages.items()}) as shop:
        session = await import_urls(resources, *(shop.url(path) for path in pages))
    rows = dict(zip(pages, await session_rows(resources, session.id), strict=True))
    listings = {row.id: row for row in await all_listings(resources)}
    stored = {path: listings[row.listing_ids[0]] for path, row in rows.items()}
    assert {path for path, row in stored.items() if row.adjusted_price is not None} == {"/good", "/two"}
    assert {path for path, row in stored.items() if row.cpu_id != cpu} == {"/two"}
    assert (stored["/lot"].quantity, stored["/pair"].quantity, stored["/bundle"].flags) == (4, 2, ["bundle"])
    assert (stored["/unpriced"].price, rows["/unpriced"].status) == (None, "partial")
    assert rows["/two"].remarks == [
        "No CPU: The title names more than one CPU: Intel Core i5-8500T, Intel Core i7-8700."
    ]
    assert rows["/lot"].remarks == ["The offer is a lot: its price does not count for price targets."]
    assert rows["/unpriced"].remarks == ["The page has no price."]
    assert (session.status, session.complete, session.partial) == ("partial", 6, 1)


async def test_import_of_offer_without_adjusted_price_adds_the_reason(resources: Resources) -> None:
    """Two reasons depend on stored data: a missing exchange rate, and components worth the whole price."""
    await add_cpu(resources, "Intel Core i5-8500T")
    rule = "INSERT INTO valuation_rule (component, unit, value_usd) VALUES ('memory', 'gb', 5)"
    async with resources.write() as tx:
        await tx.execute(text(rule))
    pages = {
        "/usd": product_page("Intel Core i5-8500T", "10"),
        "/yen": product_page("Intel Core i5-8500T tray", "2000", currency="JPY"),
        "/system": product_page("HP EliteDesk 800 G4 i5-8500T 16GB DDR4", "60"),
        "/dear": product_page("HP ProDesk 600 G4 i5-8500T 16GB DDR4", "120"),
    }
    async with run_site({path: http_response(page) for path, page in pages.items()}) as shop:
        await import_urls(resources, *(shop.url(path) for path in pages))
        session = await import_urls(resources, *(shop.url(path) for path in pages))
    rows = dict(zip(pages, await session_rows(resources, session.id), strict=True))
    assert {path: row.remarks for path, row in rows.items()} == {
        "/usd": [],
        "/yen": [
            "There is no exchange rate for JPY: the price does not count for price targets until one is imported."
        ],
        "/system": [
            "The other components are worth as much as the whole offer: its price does not count for price targets."
        ],
        "/dear": [],
    }


async def test_import_of_product_group_creates_listing_per_variant(resources: Resources) -> None:
    await add_cpu(resources, "Intel Core i5-8500T")
    group = {
        "@type": "ProductGroup",
        "name": "Mini PC Intel Core i5-8500T",
        "hasVariant": [
            {
                "@type": "Product",
                "name": f"Mini PC Intel Core i5-8500T {memory} GB RAM",
                "sku": f"m{memory}",
                "offers": {"@type": "Offer", "price": 100 + memory, "priceCurrency": "USD"},
            }
            for memory in (8, 16)
        ],
    }
    page = f'<script type="application/ld+json">{orjson.dumps(group).decode()}</script>'.encode()
    async with run_site({"/a": http_response(page)}) as shop:
        session = await import_urls(resources, shop.url("/a"))
    (row,) = await session_rows(resources, session.id)
    by_id = {listing.id: listing for listing in await all_listings(resources)}
    assert len(by_id) == 2
    best_first = [by_id[key] for key in row.listing_ids]
    assert [(listing.memory_gb, listing.price) for listing in best_first] == [(8, Decimal(108)), (16, Decimal(116))]


async def test_import_truncates_stored_page_and_retention_deletes_it(resources: Resources) -> None:
    """The stored page has a limited number of bytes and ends between two characters."""
    filling = ("<p>" + "\u20ac" * 200_000 + "</p>").encode()
    page = product_page("A thing", "10").replace(b"</body>", filling + b"</body>")
    async with run_site(
        {"/a": http_response(page), "/b": http_response(product_page("Another \0 thing", "10"))}
    ) as shop:
        session = await import_urls(resources, shop.url("/a"), shop.url("/b"))
    assert session.status == "complete"
    large, small = await fetch_import_rows(resources, "SELECT * FROM import_payload ORDER BY fetch_id")
    assert large.truncated
    stored_text = zlib.decompress(large.content).decode()
    assert large.bytes == len(stored_text.encode())
    assert 512 * 1024 - 3 < large.bytes <= 512 * 1024
    assert page.decode().startswith(stored_text)
    assert (small.truncated, small.bytes) == (False, len(zlib.decompress(small.content)))
    assert await delete_old_payloads(resources) == 0
    async with resources.write() as tx:
        await tx.execute(text("UPDATE import_payload SET stored_at = now() - interval '31 days' WHERE truncated"))
    assert await delete_old_payloads(resources) == 1
    assert [row.bytes for row in await fetch_import_rows(resources, "SELECT bytes FROM import_payload")] == [
        small.bytes
    ]


async def test_import_of_page_that_cannot_be_stored_fails_only_its_row(resources: Resources) -> None:
    async with resources.write() as tx:
        await tx.execute(text("ALTER TABLE listing ADD CHECK (title <> 'Bad')"))
    titles = ["Good", "Bad", "Fine"]
    async with run_site({f"/{title}": http_response(product_page(title, "10")) for title in titles}) as shop:
        session = await import_urls(resources, *(shop.url(f"/{title}") for title in titles))
    assert (session.status, session.complete, session.failed) == ("partial", 2, 1)
    assert [row.error_code for row in await session_rows(resources, session.id)] == [None, "INTERNAL", None]
    assert {row.title for row in await all_listings(resources)} == {"Good", "Fine"}
    await assert_session_counts(resources)


async def test_import_matches_cpu_in_specifications_if_title_has_none(resources: Resources) -> None:
    cpu = await add_cpu(resources, "Intel Core i5-8500T")
    await add_cpu(resources, "Intel Core i7-8700")

    def page(title: str, processor: str) -> bytes:
        specs = [{"@type": "PropertyValue", "name": "Processor", "value": processor}]
        return product_page(title, "10").replace(b'"offers"', b'"additionalProperty":%b,"offers"' % orjson.dumps(specs))

    pages = {
        "/specs": page("HP EliteDesk 800 G4 Mini", "Intel Core i5-8500T"),
        "/both": page("HP EliteDesk Intel Core i5-8500T", "Intel Core i5-8500T 2.1 GHz"),
        "/vague": page("HP EliteDesk 8 Intel Core i5-8500T", "Intel Core i5 8th Gen."),
        "/contrary": page("Dell Intel Core i5-8500T", "Intel Core i7-8700"),
        "/nothing": page("Dell OptiPlex Micro", "Intel"),
    }
    async with run_site({path: http_response(body) for path, body in pages.items()}) as shop:
        session = await import_urls(resources, *(shop.url(path) for path in pages))
    rows = dict(zip(pages, await session_rows(resources, session.id), strict=True))
    listings = {row.id: row for row in await all_listings(resources)}
    matched = {path: listings[row.listing_ids[0]].cpu_id for path, row in rows.items()}
    assert matched == {"/specs": cpu, "/both": cpu, "/vague": cpu, "/contrary": None, "/nothing": None}
    assert rows["/contrary"].remarks == [
        "No CPU: The title names Intel Core i5-8500T, but the page's specifications name Intel Core i7-8700."
    ]


async def test_imported_images_are_in_listings_of_the_cpu(resources: Resources) -> None:
    await add_cpu(resources, "Intel Core i5-8500T")
    async with run_site({"/a": http_response(product_page("Intel Core i5-8500T", "10"))}) as shop:
        await import_urls(resources, shop.url("/a"))
    query_text = '{ cpu(slug: "intel-core-i5-8500t") { listings { nodes { images } } } }'
    for _ in range(3):  # first with a snapshot, then with a single statement
        assert await query_data(resources, query_text) == {
            "cpu": {"listings": {"nodes": [{"images": [shop.url("/picture.jpg")]}]}}
        }
