"""Interfaces of the extraction: adapters read offers from pages, page sources load pages from an API.

To support another marketplace, write a class with the members of `Adapter` and insert it into
`app.ingestion.extract.pipeline.ADAPTERS`, before the adapters that know less about its pages:

    class Acme:
        name = "acme"  # the `source` of its offers
        is_fallback = False

        def can_read(self, page: WebPage) -> bool:
            return page.host == "acme.example"

        def read_offers(self, page: WebPage) -> Sequence[Offer]:
            price = parse_price(page.tree.xpath("string(//*[@id='ask'])"), "EUR")
            offer = build_offer(page, self.name, RawOffer(title=page.tree.xpath("string(//h1)"), price=price))
            return () if offer is None else (offer,)

The pipeline asks the adapters in order; each adapter only fills gaps of the previous ones. `read_offers` receives
arbitrary bytes and raises no exceptions but ExtractionError, AmbiguousPrice and UnknownCurrency
(tests/ingestion/extract/test_hostile_pages.py tests all ADAPTERS with hostile pages).

A marketplace with an API also needs a `PageSource`; app.ingestion.extract.ebay is an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.ingestion.extract.offer import Offer
from app.ingestion.fetch.page import WebPage


class Adapter(Protocol):
    """Reader of one page format."""

    @property
    def name(self) -> str:
        """The `source` of its offers."""

    @property
    def is_fallback(self) -> bool:
        """Whether it reads markup for people. The pipeline asks it only if no other adapter found an offer."""

    def can_read(self, page: WebPage) -> bool:
        """Whether the page may contain offers in this format. Must be fast."""

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return the offers of the page, the best first, possibly none. Raises ExtractionError."""


class PageSource(Protocol):
    """Way to load pages other than by their URL: the API of a marketplace."""

    def can_fetch(self, url: str) -> bool:
        """Whether it can load the page of this URL. Must be fast."""

    async def fetch(self, url: str) -> WebPage:
        """Return the response of the API as a page for an adapter. Raises RetryableError and PermanentError."""
