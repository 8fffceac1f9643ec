"""What a page comes to: the offers on it as they will be stored, and what was left open."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.db.tables import Condition, ImportStatus
from app.ingestion.extract.offer import Flag, Offer, Quality
from app.ingestion.extract.pipeline import understand
from app.ingestion.fetch.page import Page
from app.ingestion.worker.queue_sql import Payload
from app.market.upsert import Sighting
from app.titles.components import Parts, read_parts
from app.titles.matcher import Match, Matcher, TitleDecision
from app.valuation.adjusted_price import carried

MOST_PAYLOAD = 512 * 1024  # bytes in UTF-8
LEVEL = 1  # pages become a sixth even so, and more would take longer than to understand them
MOST_REMARKS = 10
FLAGGED = {
    Flag.BUNDLE: "It is a bundle: its price takes no part in price targets.",
    Flag.LOT: "It is a lot: its price takes no part in price targets.",
    Flag.AUCTION: "It is an auction: its price takes no part in price targets.",
}


@dataclass(frozen=True, slots=True)
class Digest:
    """The offers of a page, the best first. `remarks`: sentences about what was left open."""

    status: ImportStatus
    quality: Quality
    adapter: str
    sightings: Sequence[Sighting]
    remarks: Sequence[str]


def digest(page: Page, matcher: Matcher, seen_at: datetime) -> Digest:
    """Understands a page. It computes, so call it in a thread. Raises NotUnderstood and its kin."""
    offers = understand(page)
    sightings, remarks = list[Sighting](), list[str]()
    best = None
    for offer in offers:
        found, parts = named_cpu(offer, matcher), read_parts(offer.title)
        told = _completed(offer, found, parts)
        best = best or told
        sightings.append(_sighting(told, found, parts, seen_at))
        remarks += _remarks(told, found, parts)
    assert best is not None
    priced = all(sighting.price is not None for sighting in sightings)
    return Digest(
        status=ImportStatus.COMPLETE if priced else ImportStatus.PARTIAL,
        quality=best.quality,
        adapter=best.source,
        sightings=sightings,
        remarks=list(dict.fromkeys(remarks))[:MOST_REMARKS],
    )


def named_cpu(offer: Offer, matcher: Matcher) -> Match:
    """The CPU that the title names; where it has no model number, the one that the page's own specifications name.

    None when the two contradict: a wrong CPU would poison its price target.
    """
    by_title = matcher.match(offer.title)
    if offer.cpu is None or by_title.decision not in {TitleDecision.MATCHED, TitleDecision.NO_MODEL}:
        return by_title
    by_specs = matcher.match(offer.cpu)
    if by_specs.cpu is None:
        return by_title
    if by_title.cpu is None:
        return by_specs
    if by_title.cpu.id == by_specs.cpu.id:
        return by_title
    reason = f"The title names {by_title.cpu.name}, the page's specifications {by_specs.cpu.name}."
    return Match(TitleDecision.SEVERAL, None, reason, by_title.steps)


def payload_of(page: Page) -> Payload:
    """The page as it was fetched, as text in UTF-8, cut between characters."""
    data = page.text.encode("utf-8", "replace")
    cut = data[:MOST_PAYLOAD].decode("utf-8", "ignore").encode() if len(data) > MOST_PAYLOAD else data
    return Payload(zlib.compress(cut, LEVEL), len(cut), len(data) > MOST_PAYLOAD, page.content_type[:200])


def _completed(offer: Offer, found: Match, parts: Parts) -> Offer:
    """With what the title told where the page did not."""
    return replace(
        offer,
        cpu=offer.cpu or (found.cpu.name if found.cpu else None),
        memory=offer.memory or (f"{parts.memory_gb} GB" if parts.memory_gb else None),
        storage=offer.storage or (f"{parts.storage[0].size_gb} GB" if parts.storage else None),
        flags=offer.flags | {Flag.LOT} if parts.quantity > 1 else offer.flags,
    )


def _sighting(offer: Offer, found: Match, parts: Parts, seen_at: datetime) -> Sighting:
    return Sighting(
        title=offer.title,
        url=offer.url,
        marketplace=offer.marketplace,
        seller=offer.seller,
        vendor_item_id=offer.vendor_item_id,
        condition=offer.condition,
        status=offer.status,
        price=offer.price,
        currency=offer.currency,
        shipping=offer.shipping,
        cpu_id=found.cpu.id if found.cpu else None,
        images=offer.images,
        carried=carried(offer.title, memory=offer.memory, storage=offer.storage, flags=offer.flags),
        seen_at=seen_at,
    )


def _remarks(offer: Offer, found: Match, parts: Parts) -> Iterator[str]:
    if found.cpu is None:
        yield f"No CPU: {found.reason}"
    if offer.price is None:
        yield "The page tells no price."
    if offer.condition is Condition.FOR_PARTS:
        yield "It is for parts: its price takes no part in price targets."
    yield from (FLAGGED[flag] for flag in Flag if flag in offer.flags)
