"""Adapter for OpenGraph properties (og:title, product:price:amount ...) in the head of a page."""

from __future__ import annotations

from collections.abc import Sequence

from extruct.opengraph import OpenGraphExtractor

from app.ingestion.extract.condition_parsing import parse_availability
from app.ingestion.extract.offer import Offer
from app.ingestion.extract.offer_builder import RawOffer, build_offer, page_country, run_extractor
from app.ingestion.extract.price_parsing import parse_price
from app.ingestion.fetch.page import HTML_TYPES, WebPage

# Prefixes of the properties for the amount and the currency, the most reliable first.
PRICE_PROPERTIES = ("product:sale_price", "product:price", "og:price", "og:product:price", "twitter:price")
MAX_PROPERTIES = 1_000
MAX_PREFIXES_LENGTH = 4_000  # characters; extruct searches them in quadratic time


class OpenGraph:
    """Adapter for pages that declare a product, or that have a price in their head."""

    name = "opengraph"
    is_fallback = False

    def can_read(self, page: WebPage) -> bool:
        """Accept HTML pages with OpenGraph properties, within limits that keep the extraction fast."""
        if page.media_type not in HTML_TYPES or "og:" not in page.text:
            return False
        has_few_properties = int(page.tree.xpath("count(//meta[@property])")) <= MAX_PROPERTIES
        return has_few_properties and sum(map(len, page.tree.xpath("//@prefix"))) <= MAX_PREFIXES_LENGTH

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return at most one offer. Raises AmbiguousPrice and UnknownCurrency."""
        properties: dict[str, list[str]] = {}
        for item in run_extractor(page, self.name, lambda: OpenGraphExtractor().extract_items(page.tree)):
            for name, value in item["properties"]:
                properties.setdefault(name.lower(), []).append(value)

        def first(*names: str) -> str | None:
            return next((value for name in names for value in properties.get(name, []) if value.strip()), None)

        prefix = next((name for name in PRICE_PROPERTIES if first(f"{name}:amount")), None)
        is_product = (first("og:type") or "").lower().startswith(("product", "og:product"))
        if not prefix and not is_product:
            return ()
        price = None
        if prefix:
            currency = first(f"{prefix}:currency", *(f"{name}:currency" for name in PRICE_PROPERTIES))
            price = parse_price(first(f"{prefix}:amount"), currency, page_country(page))
        offer = build_offer(
            page,
            self.name,
            RawOffer(
                title=first("og:title"),
                price=price,
                condition=first("product:condition", "og:condition"),
                status=parse_availability(first("product:availability", "og:availability")),
                item_id=first("product:retailer_item_id"),
                url=first("og:url"),
                brand=first("product:brand", "og:brand"),
                mpn=first("product:mfr_part_no"),
                gtin=first("product:ean", "product:upc", "product:isbn"),
                images=[*properties.get("og:image:secure_url", []), *properties.get("og:image", [])],
            ),
        )
        return () if offer is None else (offer,)
