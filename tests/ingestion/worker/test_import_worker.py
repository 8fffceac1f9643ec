"""Imports from asking to stored: through the queue in PostgreSQL, a real fetcher and a site on this machine."""

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
    assert_counts_are_right,
    fetch_import_rows,
    import_urls,
    product_page,
    quick_settings,
    request_urls,
    run_importer,
    session_row,
    session_rows,
    wait_until_session_ended,
)
from tests.support.waiting import wait_until


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open resources with short times, allowed to ask this machine."""
    async with Resources.open(quick_settings(settings)) as opened:
        yield opened


async def test_a_link_becomes_a_listing(resources: Resources) -> None:
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
    await assert_counts_are_right(resources)


async def test_the_same_url_in_flight_is_one_fetch(resources: Resources) -> None:
    """In one session, in others, spelt otherwise, asked for while it is fetched, and with two workers."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: str, writer: asyncio.StreamWriter) -> None:
        began.set()
        await go_on.wait()
        writer.write(http_response(product_page("Intel Core i5-8500T", "10")))

    async with run_site({"/a": slow}) as shop:
        one = await request_urls(resources, shop.url("/a"), shop.url("/a#x"), shop.url("/a").replace("http", "HTTP"))
        async with run_importer(resources), run_importer(resources):
            await began.wait()
            two = await request_urls(resources, shop.url("/a"), priority=ImportPriority.HIGH)
            assert (await session_row(resources, two)).status == "running"
            go_on.set()
            sessions = [await wait_until_session_ended(resources, one), await wait_until_session_ended(resources, two)]
            assert len(shop.requests) == 1
            shop.pages["/a"] = http_response(product_page("Intel Core i5-8500T", "11"))
            again = await wait_until_session_ended(resources, await request_urls(resources, shop.url("/a")))
        assert len(shop.requests) == 2, "what has ended is fetched anew"
    assert [(each.status, each.complete) for each in (*sessions, again)] == [
        ("complete", 3),
        ("complete", 1),
        ("complete", 1),
    ]
    fetches = [row.fetch_id for session in (one, two) for row in await session_rows(resources, session)]
    assert len(set(fetches)) == 1
    (listing,) = await all_listings(resources)
    assert [price for _, price in await all_observations(resources)] == [Decimal(10), Decimal(11)]
    assert listing.price == Decimal(11)
    await assert_counts_are_right(resources)


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_host_is_asked_for_so_many_pages_at_a_time(settings: Settings, workers: int) -> None:
    at_once, most = 0, 0

    async def slow(_request: str, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.05)
        at_once -= 1
        writer.write(http_response(product_page("A thing", "10")))

    async with (
        Resources.open(quick_settings(settings, fetch_host_concurrency=2)) as resources,
        run_site({f"/{n}": slow for n in range(12)}) as shop,
        AsyncExitStack() as crew,
    ):
        for _ in range(workers):
            await crew.enter_async_context(run_importer(resources))
        session = await wait_until_session_ended(
            resources, await request_urls(resources, *(shop.url(f"/{n}") for n in range(12)))
        )
    assert (session.complete, most) == (12, 2)


async def test_a_host_is_asked_so_often(settings: Settings) -> None:
    """By all workers together; another host meanwhile."""
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
        run_importer(resources),
        run_importer(resources),
    ):
        began = time.monotonic()
        urls = [shop.url(f"/{n}") for shop in (one, two) for n in range(5)]
        assert (await wait_until_session_ended(resources, await request_urls(resources, *urls))).complete == 10
    assert times["two"][0] - began < 0.7, "the second host did not wait for the first"
    for each in times.values():
        assert len(each) == 5
        assert each[-1] - each[0] > 0.6  # four pauses, the first request of which may come late


async def test_what_is_more_urgent_comes_earlier(settings: Settings) -> None:
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
        async with run_importer(resources):
            await wait_until_session_ended(resources, last)

            async def all_asked() -> bool:
                return len(order) == len(names)

            await wait_until(all_asked)
    assert order == ["/raised", "/high", "/normal", "/second", "/low"]


async def test_what_may_work_later_is_tried_again(settings: Settings) -> None:
    """Each pause is twice as long as the one before, and a bit; after three of them it is over."""
    times: list[float] = []

    async def busy(_request: str, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        writer.write(http_response(status=503))

    async with (
        Resources.open(quick_settings(settings, fetch_retry_delay_seconds=0.1)) as resources,
        run_site({"/a": busy}) as shop,
    ):
        session_id = await request_urls(resources, shop.url("/a"))
        async with run_importer(resources):

            async def waits() -> Any:
                (row,) = await session_rows(resources, session_id)
                return row if row.status == "queued" and row.attempts else None

            waiting = await wait_until(waits)
            assert (waiting.error_code, waiting.retries) == ("FETCH_BUSY", waiting.attempts)
            assert (await session_row(resources, session_id)).status == "running"
            session = await wait_until_session_ended(resources, session_id)
    (row,) = await session_rows(resources, session_id)
    assert (session.status, session.failed, row.status, row.attempts) == ("failed", 1, "failed", 4)
    assert (row.error_code, row.error) == ("FETCH_BUSY", "127.0.0.1 answered with status 503.")
    pauses = [late - early for early, late in pairwise(times)]
    assert len(pauses) == 3
    for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True):
        assert least <= pause


async def hang_up(_request: str, _writer: asyncio.StreamWriter) -> None:
    """No answer at all."""


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


async def test_what_cannot_work_is_tried_once_and_what_may_four_times(resources: Resources) -> None:
    async with run_site({f"/{n}": answer for n, (answer, _, _) in enumerate(FAILING)}) as shop:
        session = await import_urls(resources, *(shop.url(f"/{n}") for n in range(len(FAILING))))
        asked = Counter(request.split(" ")[1] for request in shop.requests)
    assert (session.status, session.failed) == ("failed", len(FAILING))
    for row, (_, attempts, code) in zip(await session_rows(resources, session.id), FAILING, strict=True):
        path = f"/{row.position - 1}"
        assert (row.status, row.attempts, asked[path], row.error_code) == ("failed", attempts, attempts, code)
    assert await all_listings(resources) == []
    await assert_counts_are_right(resources)


async def test_a_server_that_wants_to_be_left_alone_is(settings: Settings) -> None:
    """For as long as it says, with all of its pages; and then it goes on."""
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
        async with run_importer(resources):
            session = await wait_until_session_ended(resources, session_id)
    assert (session.status, session.complete) == ("complete", 2)
    assert len(times) == 3
    assert times[1] - times[0] >= 1


async def test_an_offer_that_is_gone_ends(resources: Resources) -> None:
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


async def test_an_offer_that_moved_does_not_end(resources: Resources) -> None:
    """Where it was there is nothing; but it was seen elsewhere since then."""
    page = http_response(product_page("Intel Core i5-8500T", "10"))
    async with run_site({"/old": page, "/new": page}) as shop:
        await import_urls(resources, shop.url("/old"))
        await import_urls(resources, shop.url("/new"))
        for path, status in (("/old", "active"), ("/new", "ended")):
            shop.pages[path] = http_response(status=404)
            await import_urls(resources, shop.url(path))
            (listing,) = await all_listings(resources)
            assert listing.status == status


async def test_what_a_page_does_not_offer_any_more_is_missing(resources: Resources) -> None:
    """Until it is found again."""
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


async def test_what_takes_no_part_in_price_targets(resources: Resources) -> None:
    """Lots, pairs, bundles and broken parts; titles that name no CPU for certain; prices that are not told."""
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
    found = {row.id: row for row in await all_listings(resources)}
    stored = {path: found[row.listing_ids[0]] for path, row in rows.items()}
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


async def test_a_row_tells_why_a_priced_offer_does_not_count(resources: Resources) -> None:
    """No exchange rate, and parts that are worth all that is asked: only what is stored knows of these."""
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


async def test_variants_of_a_page_are_listings_of_their_own(resources: Resources) -> None:
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
    found = await all_listings(resources)
    by_id = {each.id: each for each in found}
    assert len(found) == 2
    best_first = [by_id[key] for key in row.listing_ids]
    assert [(each.memory_gb, each.price) for each in best_first] == [(8, Decimal(108)), (16, Decimal(116))]


async def test_a_large_page_is_kept_in_part(resources: Resources) -> None:
    """Cut between characters, in bytes; and forgotten in time."""
    filling = ("<p>" + "\u20ac" * 200_000 + "</p>").encode()
    page = product_page("A thing", "10").replace(b"</body>", filling + b"</body>")
    async with run_site(
        {"/a": http_response(page), "/b": http_response(product_page("Another \0 thing", "10"))}
    ) as shop:
        session = await import_urls(resources, shop.url("/a"), shop.url("/b"))
    assert session.status == "complete"
    large, small = await fetch_import_rows(resources, "SELECT * FROM import_payload ORDER BY fetch_id")
    assert large.truncated
    text_kept = zlib.decompress(large.content).decode()
    assert large.bytes == len(text_kept.encode())
    assert 512 * 1024 - 3 < large.bytes <= 512 * 1024
    assert page.decode().startswith(text_kept)
    assert (small.truncated, small.bytes) == (False, len(zlib.decompress(small.content)))
    assert await delete_old_payloads(resources) == 0
    async with resources.write() as tx:
        await tx.execute(text("UPDATE import_payload SET stored_at = now() - interval '31 days' WHERE truncated"))
    assert await delete_old_payloads(resources) == 1
    assert [row.bytes for row in await fetch_import_rows(resources, "SELECT bytes FROM import_payload")] == [
        small.bytes
    ]


async def test_a_page_that_cannot_be_stored_fails_alone(resources: Resources) -> None:
    async with resources.write() as tx:
        await tx.execute(text("ALTER TABLE listing ADD CHECK (title <> 'Bad')"))
    titles = ["Good", "Bad", "Fine"]
    async with run_site({f"/{title}": http_response(product_page(title, "10")) for title in titles}) as shop:
        session = await import_urls(resources, *(shop.url(f"/{title}") for title in titles))
    assert (session.status, session.complete, session.failed) == ("partial", 2, 1)
    assert [row.error_code for row in await session_rows(resources, session.id)] == [None, "INTERNAL", None]
    assert {row.title for row in await all_listings(resources)} == {"Good", "Fine"}
    await assert_counts_are_right(resources)


async def test_the_specifications_of_a_page_name_the_cpu_where_the_title_does_not(resources: Resources) -> None:
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
    found = {row.id: row for row in await all_listings(resources)}
    named = {path: found[row.listing_ids[0]].cpu_id for path, row in rows.items()}
    assert named == {"/specs": cpu, "/both": cpu, "/vague": cpu, "/contrary": None, "/nothing": None}
    assert rows["/contrary"].remarks == [
        "No CPU: The title names Intel Core i5-8500T, but the page's specifications name Intel Core i7-8700."
    ]


async def test_the_images_of_listings_are_told_with_their_cpus(resources: Resources) -> None:
    await add_cpu(resources, "Intel Core i5-8500T")
    async with run_site({"/a": http_response(product_page("Intel Core i5-8500T", "10"))}) as shop:
        await import_urls(resources, shop.url("/a"))
    query_text = '{ cpu(slug: "intel-core-i5-8500t") { listings { nodes { images } } } }'
    for _ in range(3):  # with a snapshot, and then in one statement
        assert await query_data(resources, query_text) == {
            "cpu": {"listings": {"nodes": [{"images": [shop.url("/picture.jpg")]}]}}
        }
