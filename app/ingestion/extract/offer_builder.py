"""How adapters make offers out of what they found: everything is cleaned, bounded and normalised here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.db.tables import Condition, ListingStatus
from app.ingestion.extract import condition_parsing
from app.ingestion.extract.offer import (
    CPU_SPECS,
    LONGEST_TITLE,
    MEMORY_SPECS,
    MOST_SPECS,
    STORAGE_SPECS,
    Flag,
    Offer,
    clean,
    item_id_of,
    marketplace_of,
    named_spec,
    offer_url,
    web_urls,
)
from app.ingestion.extract.price_parsing import Money, country_of, shipping_amount
from app.ingestion.fetch.page import Page
from app.market.title_flags import flags

log = structlog.get_logger()


@dataclass(frozen=True)
class Found:
    """What an adapter found, as it stands on the page; only the price has been read."""

    title: object
    money: Money | None = None
    shipping: object = None  # in the currency of the price
    condition: object = None
    status: ListingStatus = ListingStatus.ACTIVE
    seller: object = None
    item_id: object = None
    variation: str | None = None  # which one, of an item that is a choice of several
    url: object = None
    brand: object = None
    mpn: object = None
    gtin: object = None
    images: Iterable[object] = ()
    specs: Iterable[tuple[object, object]] = ()
    flags: frozenset[Flag] = field(default=frozenset())


def make(page: Page, source: str, found: Found) -> Offer | None:
    """The offer, None when it has no title."""
    title = clean(found.title, LONGEST_TITLE)
    if title is None:
        return None
    specs = clean_specs(found.specs)
    price = found.money
    item_id = item_id_of(page.url) or clean(found.item_id)
    return Offer(
        title=title,
        url=offer_url(found.url, page.url),
        marketplace=marketplace_of(page.url),
        source=source,
        price=price.amount if price else None,
        currency=price.currency if price else None,
        shipping=shipping_amount(found.shipping, price.currency) if price else None,
        condition=condition_parsing.condition(found.condition, title),
        status=found.status,
        seller=clean(found.seller),
        vendor_item_id=f"{item_id}:{found.variation}" if item_id and found.variation else item_id,
        brand=clean(found.brand),
        mpn=clean(found.mpn),
        gtin=clean(found.gtin),
        images=web_urls(found.images, page.url),
        cpu=named_spec(specs, CPU_SPECS),
        memory=named_spec(specs, MEMORY_SPECS),
        storage=named_spec(specs, STORAGE_SPECS),
        specs=specs,
        flags=found.flags | flags(title),
    )


def clean_specs(pairs: Iterable[tuple[object, object]]) -> Mapping[str, str]:
    """Names and values that are not empty, each name once."""
    specs: dict[str, str] = {}
    for name, value in pairs:
        cleaned, told = clean(name), clean(value)
        if cleaned and told and len(specs) < MOST_SPECS:
            specs.setdefault(cleaned, told)
    return specs


def country(page: Page) -> str:
    """The country of a page, see `country_of`."""
    return country_of(page.host, page.language)


def extracted(page: Page, syntax: str, extract: Callable[[], Iterable[Any]]) -> list[Any]:
    """What an extractor finds; nothing when a page made it fail, in whatever way. Pages are written by anybody."""
    try:
        return list(extract())
    except Exception as error:  # also RecursionError
        log.info("ingestion.unreadable", syntax=syntax, host=page.host, error=f"{type(error).__name__}: {error}"[:200])
        return []


def is_sound(offer: Offer) -> bool:
    """Whether the offer can be bought and is not for parts."""
    return offer.status is ListingStatus.ACTIVE and offer.condition is not Condition.FOR_PARTS
