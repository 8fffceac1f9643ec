"""OpenGraph: og:title, product:price:amount and their kin, in the head of a page."""

from __future__ import annotations

from collections.abc import Sequence

from extruct.opengraph import OpenGraphExtractor

from app.ingestion.extract import condition_parsing
from app.ingestion.extract.offer import Offer
from app.ingestion.extract.offer_builder import Found, country, extracted, make
from app.ingestion.extract.price_parsing import money
from app.ingestion.fetch.page import HTML_TYPES, Page

PRICES = ("product:sale_price", "product:price", "og:price", "og:product:price", "twitter:price")
MOST_PROPERTIES = 1_000
LONGEST_PREFIXES = 4_000  # characters; extruct searches them in quadratic time


class OpenGraph:
    """A page that calls itself a product, or has a price in its head."""

    name = "opengraph"
    guesses = False

    def matches(self, page: Page) -> bool:
        """Any page with such properties, as long as there are not absurdly many."""
        if page.media_type not in HTML_TYPES or "og:" not in page.text:
            return False
        few = int(page.tree.xpath("count(//meta[@property])")) <= MOST_PROPERTIES
        return few and sum(map(len, page.tree.xpath("//@prefix"))) <= LONGEST_PREFIXES

    def read(self, page: Page) -> Sequence[Offer]:
        """One offer at most. Raises PriceUnclear and CurrencyUnknown."""
        properties: dict[str, list[str]] = {}
        for item in extracted(page, self.name, lambda: OpenGraphExtractor().extract_items(page.tree)):
            for name, value in item["properties"]:
                properties.setdefault(name.lower(), []).append(value)

        def first(*names: str) -> str | None:
            return next((value for name in names for value in properties.get(name, []) if value.strip()), None)

        priced = next((name for name in PRICES if first(f"{name}:amount")), None)
        is_product = (first("og:type") or "").lower().startswith(("product", "og:product"))
        if not priced and not is_product:
            return ()
        price = None
        if priced:
            currency = first(f"{priced}:currency", *(f"{name}:currency" for name in PRICES))
            price = money(first(f"{priced}:amount"), currency, country(page))
        offer = make(
            page,
            self.name,
            Found(
                title=first("og:title"),
                money=price,
                condition=first("product:condition", "og:condition"),
                status=condition_parsing.status(first("product:availability", "og:availability")),
                item_id=first("product:retailer_item_id"),
                url=first("og:url"),
                brand=first("product:brand", "og:brand"),
                mpn=first("product:mfr_part_no"),
                gtin=first("product:ean", "product:upc", "product:isbn"),
                images=[*properties.get("og:image:secure_url", []), *properties.get("og:image", [])],
            ),
        )
        return () if offer is None else (offer,)
