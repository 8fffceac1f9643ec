"""Build offers from the raw values that adapters collect: clean, bound and normalize each value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.db.tables import Condition, ListingFlag, ListingStatus
from app.ingestion.extract.condition_parsing import parse_condition
from app.ingestion.extract.offer import (
    CPU_SPEC_NAMES,
    MAX_SPECS,
    MAX_TITLE_LENGTH,
    MEMORY_SPEC_NAMES,
    STORAGE_SPEC_NAMES,
    Offer,
    choose_offer_url,
    clean_text,
    find_spec,
    item_id_from_url,
    marketplace_from_url,
    resolve_urls,
)
from app.ingestion.extract.price_parsing import Money, infer_country, parse_shipping
from app.ingestion.fetch.page import WebPage
from app.market.title_flags import find_flags

log = structlog.get_logger()


@dataclass(frozen=True)
class RawOffer:
    """The values of an offer as they stand on the page; only the price is already parsed."""

    title: object
    price: Money | None = None
    shipping: object = None  # in the currency of the price
    condition: object = None
    status: ListingStatus = ListingStatus.ACTIVE
    seller: object = None
    item_id: object = None
    variation_id: str | None = None  # which variation, if the item has several
    url: object = None
    brand: object = None
    mpn: object = None
    gtin: object = None
    images: Iterable[object] = ()
    specs: Iterable[tuple[object, object]] = ()
    flags: frozenset[ListingFlag] = field(default=frozenset())


def build_offer(page: WebPage, source: str, raw: RawOffer) -> Offer | None:
    """Return a clean offer, None if it has no title. `source` is the name of the adapter."""
    title = clean_text(raw.title, MAX_TITLE_LENGTH)
    if title is None:
        return None
    specs = clean_specs(raw.specs)
    price = raw.price
    item_id = item_id_from_url(page.url) or clean_text(raw.item_id)
    return Offer(
        title=title,
        url=choose_offer_url(raw.url, page.url),
        marketplace=marketplace_from_url(page.url),
        source=source,
        price=price.amount if price else None,
        currency=price.currency if price else None,
        shipping=parse_shipping(raw.shipping, price.currency) if price else None,
        condition=parse_condition(raw.condition, title),
        status=raw.status,
        seller=clean_text(raw.seller),
        vendor_item_id=f"{item_id}:{raw.variation_id}" if item_id and raw.variation_id else item_id,
        brand=clean_text(raw.brand),
        mpn=clean_text(raw.mpn),
        gtin=clean_text(raw.gtin),
        images=resolve_urls(raw.images, page.url),
        cpu=find_spec(specs, CPU_SPEC_NAMES),
        memory=find_spec(specs, MEMORY_SPEC_NAMES),
        storage=find_spec(specs, STORAGE_SPEC_NAMES),
        specs=specs,
        flags=raw.flags | find_flags(title),
    )


def clean_specs(pairs: Iterable[tuple[object, object]]) -> Mapping[str, str]:
    """Return the specifications with a name and a value, at most MAX_SPECS. The first value of a name counts."""
    specs: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = clean_text(raw_name), clean_text(raw_value)
        if name and value and len(specs) < MAX_SPECS:
            specs.setdefault(name, value)
    return specs


def page_country(page: WebPage) -> str:
    """Return the country of a page, see `infer_country`."""
    return infer_country(page.host, page.language)


def run_extractor(page: WebPage, syntax: str, extract: Callable[[], Iterable[Any]]) -> list[Any]:
    """Return the items of a third-party extractor, or none if it fails: hostile pages can make it raise anything."""
    try:
        return list(extract())
    except Exception as error:  # includes RecursionError
        log.info("ingestion.unreadable", syntax=syntax, host=page.host, error=f"{type(error).__name__}: {error}"[:200])
        return []


def is_buyable(offer: Offer) -> bool:
    """Whether the offer is for sale and not for parts."""
    return offer.status is ListingStatus.ACTIVE and offer.condition is not Condition.FOR_PARTS


def sort_best_first(offers: Iterable[Offer]) -> list[Offer]:
    """Return the offers ordered by price, those that are for sale first, those without a price last."""
    return sorted(offers, key=lambda offer: (not is_buyable(offer), offer.price is None, offer.price or 0))
