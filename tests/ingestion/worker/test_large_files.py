"""Import of 1,000 URLs, some of which are slow, broken, redirecting or hostile."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from decimal import Decimal

import pytest

from app.ingestion.fetch.fetcher import FetchLimits
from app.resources import Resources
from app.settings import Settings
from tests.support.catalog_rows import add_cpu
from tests.support.effort import size_of
from tests.support.sites import Handler, http_response, redirect_response, run_site
from tests.support.url_imports import (
    all_listings,
    all_observations,
    assert_session_counts,
    product_page,
    quick_settings,
    request_urls,
    run_import_worker,
    session_rows,
    wait_until_session_ended,
)

ROWS = size_of(short=300, long=1000)
# Only the page that never answers reaches a timeout, even on a machine that pauses for seconds.
LIMITS = FetchLimits(timeout_seconds=60, idle_timeout_seconds=4, max_bytes=64 * 1024)


def offer_page(number: int) -> bytes:
    return product_page(f"Intel Core i5-8500T, number {number}", f"{number}.50")


async def silent(_request: str, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def endless(_request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    for _ in range(100):
        writer.write(b"<p>" * 1000)
        await writer.drain()


async def cut_off(_request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<html>")


def slow(number: int) -> Handler:
    async def answer(_request: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(http_response(offer_page(number)))

    return answer


def flaky(number: int) -> Handler:
    """Return a page that answers with status 503 before the third request."""
    requests = 0

    async def answer(_request: str, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        writer.write(http_response(offer_page(number)) if requests == 3 else http_response(status=503))

    return answer


BOMB = http_response(gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})
# Row number modulo 100 -> page and expected error code.
BROKEN_PAGES: dict[int, tuple[bytes | Handler, str | None]] = {
    1: (silent, "FETCH_TIMED_OUT"),
    2: (endless, "PAGE_TOO_LARGE"),
    3: (cut_off, "FETCH_UNREACHABLE"),
    4: (BOMB, "PAGE_TOO_LARGE"),
    5: (http_response(status=500), "FETCH_BUSY"),
    6: (http_response(status=404), "HTTP_REFUSED"),
    7: (redirect_response("http://169.254.169.254/latest/meta-data/"), "URL_REFUSED"),
    8: (redirect_response("/again"), "TOO_MANY_REDIRECTS"),
    9: (http_response(b"<div " + b"a=1 " * 9000 + b">"), "NOT_UNDERSTOOD"),
    10: (http_response(b"\x00\xff" * 3000), "NOT_UNDERSTOOD"),
    11: (http_response(b"%PDF", headers={"Content-Type": "application/pdf"}), "CONTENT_TYPE_REFUSED"),
    12: (http_response(b'<script type="application/ld+json">' + b'{"@graph":[' * 3000), "NOT_UNDERSTOOD"),
    13: (http_response(b"<p>" * 20_000), "NOT_UNDERSTOOD"),
}


@pytest.mark.sized
async def test_import_of_large_file_finishes_every_row(settings: Settings) -> None:
    pages: dict[str, bytes | Handler] = {"/again": redirect_response("/again"), "/target": b""}
    expected: list[str | None] = []
    for number in range(ROWS):
        kind = number % 100
        if kind in BROKEN_PAGES:
            pages[f"/{number}"], code = BROKEN_PAGES[kind]
        elif kind == 20:
            pages[f"/{number}"], code = slow(number), None
        elif kind == 21:
            pages[f"/{number}"], code = flaky(number), None
        elif kind == 22:
            pages[f"/{number}"], pages[f"/to/{number}"] = (
                redirect_response(f"/to/{number}"),
                http_response(offer_page(number)),
            )
            code = None
        else:
            pages[f"/{number}"], code = http_response(offer_page(number)), None
        expected.append(code)
    values = {"fetch_host_concurrency": 32, "fetch_concurrency": 32, "fetch_retry_delay_seconds": 0.1}
    async with Resources.open(quick_settings(settings, **values)) as resources, run_site(pages) as shop:
        cpu = await add_cpu(resources, "Intel Core i5-8500T")
        urls = [shop.url(f"/{number}") for number in range(ROWS)]
        session_id = await request_urls(resources, *urls[:-2], "http://192.168.0.1/", "no url")
        async with run_import_worker(resources, LIMITS):
            session = await wait_until_session_ended(resources, session_id)
        rows = await session_rows(resources, session_id)
        expected[-2:] = ["URL_REFUSED", "URL_REFUSED"]
        assert [row.error_code for row in rows] == expected
        assert {row.status for row in rows} == {"complete", "failed"}
        assert [row.attempts for row in rows if row.position % 100 == 22] == [3] * (ROWS // 100)
        complete = expected.count(None)
        assert (session.status, session.total, session.complete) == ("partial", ROWS, complete)
        assert session.failed == ROWS - complete
        listings = await all_listings(resources)
        assert Counter(listing.cpu_id for listing in listings) == {cpu: complete}
        prices = [Decimal(f"{row.position - 1}.50") for row in rows if row.error_code is None]
        assert sorted(listing.price for listing in listings) == prices
        assert sorted(price for _, price in await all_observations(resources)) == prices
        await assert_session_counts(resources)
