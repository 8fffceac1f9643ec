"""A page and what it offers: the adapters, and the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.ingestion.extract.ebay import EbayItem, EbayItems
from app.ingestion.extract.html_heuristics import PlainHtml
from app.ingestion.extract.offer import Offer, completed
from app.ingestion.extract.opengraph import OpenGraph
from app.ingestion.extract.protocols import Adapter, Source
from app.ingestion.extract.structured_data import JsonLd, Microdata, Rdfa
from app.ingestion.fetch.errors import NotUnderstood
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.fetch.page import Page
from app.ingestion.fetch.url_policy import AllowList
from app.settings import Settings

# Those that know most come first.
ADAPTERS: tuple[Adapter, ...] = (EbayItem(), JsonLd(), Microdata(), Rdfa(), OpenGraph(), PlainHtml())


def open_fetcher(settings: Settings) -> Fetcher:
    """The fetcher of a process; use it in `async with`. Raises StartupError when the allow-list is not usable."""
    return Fetcher(AllowList.of(settings.fetch_allow))


def sources(settings: Settings, fetcher: Fetcher) -> tuple[Source, ...]:
    """The APIs that there are credentials for."""
    credentials = settings.ebay_credentials
    if credentials is None:
        return ()
    return (EbayItems(fetcher, credentials.get_secret_value(), settings.ebay_api_url),)


async def obtain(url: str, fetcher: Fetcher, others: Iterable[Source] = ()) -> Page:
    """The page of a URL, from the first source that serves it, else from the web. Raises Retryable and Final."""
    for source in others:
        if source.serves(url):
            return await source.fetch(url)
    return await fetcher.fetch(url)


def understand(page: Page, adapters: Iterable[Adapter] = ADAPTERS) -> Sequence[Offer]:
    """The offers of a page, at least one: several when it is about a thing in several variants, the best first.

    It computes for as long as large pages take (most take milliseconds), so call it in a thread. Raises NotUnderstood,
    PriceUnclear and CurrencyUnknown, nothing else, whatever the page is.
    """
    found: Sequence[Offer] = ()
    faults: list[NotUnderstood] = []
    for adapter in adapters:
        if _is_complete(found) or (adapter.guesses and (found or faults)) or not adapter.matches(page):
            continue
        try:
            read = adapter.read(page)
        except NotUnderstood as fault:
            faults.append(fault)
            continue
        if not found:
            found = read
        elif len(found) == len(read) == 1:
            found = (completed(found[0], read[0]),)
    if faults and not any(offer.price is not None for offer in found):
        raise faults[0]
    if not found:
        raise NotUnderstood("The page does not say that it offers anything.")
    return found


def _is_complete(offers: Sequence[Offer]) -> bool:
    return len(offers) > 1 or any(offer.price is not None and offer.images for offer in offers)
