"""From a page to the offers that it makes.

An adapter is a class with the members of `Adapter`: a name, `matches(page)`, which must be cheap and goes by host and
content, and `read(page)`. To add one, write it, and put it into `ADAPTERS` (app.ingestion.extract.pipeline) before
those that know less about its pages: they are asked in that order, and each next one only fills what is missing.
`read` may raise NotUnderstood, PriceUnclear and CurrencyUnknown and nothing else, on whatever bytes; it builds its
offers with `app.ingestion.extract.offer_builder.make`, which cleans, bounds and normalises. Marketplaces that are asked
through an API rather than by page have a `Source` too (app.ingestion.extract.ebay shows one).

`tests/ingestion/test_hostile_pages.py` runs whatever is in `ADAPTERS` over hostile pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.ingestion.extract.offer import Offer
from app.ingestion.fetch.page import Page


class Adapter(Protocol):
    """Reads one way of telling offers."""

    @property
    def name(self) -> str:
        """What offers call their source."""

    @property
    def guesses(self) -> bool:
        """Whether it reads what is meant for people's eyes; it is asked when no other adapter found anything."""

    def matches(self, page: Page) -> bool:
        """Whether it is worth reading the page. Cheap."""

    def read(self, page: Page) -> Sequence[Offer]:
        """The offers of the page, best first; none when there are none. Raises NotUnderstood."""


class Source(Protocol):
    """Another way to a page than asking for its URL: an API of the marketplace."""

    def serves(self, url: str) -> bool:
        """Whether it knows what this URL is about. Cheap."""

    async def fetch(self, url: str) -> Page:
        """What the API says, as a page that an adapter matches. Raises Retryable and Final."""
