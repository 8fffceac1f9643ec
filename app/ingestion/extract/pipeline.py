"""Load the page of a URL and extract its offers: the list of adapters and the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.ingestion.extract.ebay import EbayAdapter, EbaySource
from app.ingestion.extract.html_heuristics import HtmlHeuristics
from app.ingestion.extract.offer import Offer, fill_gaps
from app.ingestion.extract.opengraph import OpenGraph
from app.ingestion.extract.protocols import Adapter, PageSource
from app.ingestion.extract.structured_data import JsonLd, Microdata, Rdfa
from app.ingestion.fetch.errors import ExtractionError
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.fetch.page import WebPage
from app.ingestion.fetch.url_policy import AllowList
from app.settings import Settings

# The most reliable format comes first.
ADAPTERS: tuple[Adapter, ...] = (EbayAdapter(), JsonLd(), Microdata(), Rdfa(), OpenGraph(), HtmlHeuristics())


def create_fetcher(settings: Settings) -> Fetcher:
    """Return the fetcher of a process, to be used in `async with`. Raises StartupError for an invalid allow-list."""
    return Fetcher(AllowList.from_entries(settings.fetch_allow))


def create_page_sources(settings: Settings, fetcher: Fetcher) -> tuple[PageSource, ...]:
    """Return the marketplace APIs that the settings contain credentials for."""
    credentials = settings.ebay_credentials
    if credentials is None:
        return ()
    return (EbaySource(fetcher, credentials.get_secret_value(), settings.ebay_api_url),)


async def load_page(url: str, fetcher: Fetcher, sources: Iterable[PageSource] = ()) -> WebPage:
    """Return the page of a URL, from the first API that has it, else from the web.

    Raises RetryableError and PermanentError.
    """
    for source in sources:
        if source.can_fetch(url):
            return await source.fetch(url)
    return await fetcher.fetch(url)


def extract_offers(page: WebPage, adapters: Iterable[Adapter] = ADAPTERS) -> Sequence[Offer]:
    """Return the offers of a page, at least one; several for a product with variants, the best first.

    This is CPU-bound (milliseconds for most pages, more for large ones): call it in a thread. Raises ExtractionError,
    AmbiguousPrice and UnknownCurrency, and no other exceptions for any page.
    """
    offers: Sequence[Offer] = ()
    errors: list[ExtractionError] = []
    for adapter in adapters:
        if _is_complete(offers) or (adapter.is_fallback and (offers or errors)) or not adapter.can_read(page):
            continue
        try:
            adapter_offers = adapter.read_offers(page)
        except ExtractionError as error:
            errors.append(error)
            continue
        if not offers:
            offers = adapter_offers
        elif len(offers) == len(adapter_offers) == 1:
            offers = (fill_gaps(offers[0], adapter_offers[0]),)
    if errors and not any(offer.price is not None for offer in offers):
        raise errors[0]
    if not offers:
        raise ExtractionError("The page does not contain an offer.")
    return offers


def _is_complete(offers: Sequence[Offer]) -> bool:
    return len(offers) > 1 or any(offer.price is not None and offer.images for offer in offers)
