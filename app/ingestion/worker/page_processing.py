"""Turn a page into observed offers: extract the offers, match their CPUs, and collect remarks for the operator."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.db.tables import Condition, ImportStatus, ListingFlag
from app.ingestion.extract.offer import Offer, Quality
from app.ingestion.extract.pipeline import extract_offers
from app.ingestion.fetch.page import WebPage
from app.ingestion.worker.result_sql import PagePayload
from app.market.upsert import ObservedOffer
from app.titles.components import Components, parse_components
from app.titles.matcher import TitleDecision, TitleMatcher, TitleMatchResult
from app.valuation.adjusted_price import offer_attributes

MAX_PAYLOAD_BYTES = 512 * 1024  # in UTF-8
# The fastest level already makes pages six times smaller; higher levels would take longer than the extraction.
COMPRESSION_LEVEL = 1
MAX_REMARKS = 10
FLAG_REMARKS = {
    ListingFlag.BUNDLE: "The offer is a bundle: its price does not count for price targets.",
    ListingFlag.LOT: "The offer is a lot: its price does not count for price targets.",
    ListingFlag.AUCTION: "The offer is an auction: its price does not count for price targets.",
}


@dataclass(frozen=True, slots=True)
class ExtractionResult:
    """The offers of a page, the best first. `remarks` are sentences about what could not be decided."""

    status: ImportStatus
    quality: Quality
    adapter: str
    offers: Sequence[ObservedOffer]
    remarks: Sequence[str]


def process_page(page: WebPage, matcher: TitleMatcher, seen_at: datetime) -> ExtractionResult:
    """Extract and match the offers of a page. This is CPU-bound: call it in a thread. Raises like `extract_offers`."""
    observed, remarks = list[ObservedOffer](), list[str]()
    best = None
    for extracted in extract_offers(page):
        match, components = match_cpu(extracted, matcher), parse_components(extracted.title)
        offer = _complete_from_title(extracted, match, components)
        best = best or offer
        observed.append(_observe(offer, match, seen_at))
        remarks += _remarks(offer, match)
    assert best is not None
    has_all_prices = all(offer.price is not None for offer in observed)
    return ExtractionResult(
        status=ImportStatus.COMPLETE if has_all_prices else ImportStatus.PARTIAL,
        quality=best.quality,
        adapter=best.source,
        offers=observed,
        remarks=list(dict.fromkeys(remarks))[:MAX_REMARKS],
    )


def match_cpu(offer: Offer, matcher: TitleMatcher) -> TitleMatchResult:
    """Match the CPU in the title, or if the title has no model number, the CPU in the page's specifications.

    There is no match if the two disagree, because a wrong CPU would distort its price target.
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
    reason = f"The title names {by_title.cpu.name}, but the page's specifications name {by_specs.cpu.name}."
    return TitleMatchResult(TitleDecision.SEVERAL, None, reason, by_title.steps)


def compress_page(page: WebPage) -> PagePayload:
    """Return the text of a page as compressed UTF-8, truncated between two characters."""
    data = page.text.encode("utf-8", "replace")
    kept = data[:MAX_PAYLOAD_BYTES].decode("utf-8", "ignore").encode() if len(data) > MAX_PAYLOAD_BYTES else data
    return PagePayload(
        content=zlib.compress(kept, COMPRESSION_LEVEL),
        bytes=len(kept),
        truncated=len(data) > MAX_PAYLOAD_BYTES,
        content_type=page.content_type[:200],
    )


def _complete_from_title(offer: Offer, match: TitleMatchResult, components: Components) -> Offer:
    """Return the offer with values from the title where the page has none."""
    return replace(
        offer,
        cpu=offer.cpu or (match.cpu.name if match.cpu else None),
        memory=offer.memory or (f"{components.memory_gb} GB" if components.memory_gb else None),
        storage=offer.storage or (f"{components.storage[0].size_gb} GB" if components.storage else None),
        flags=offer.flags | {ListingFlag.LOT} if components.quantity > 1 else offer.flags,
    )


def _observe(offer: Offer, match: TitleMatchResult, seen_at: datetime) -> ObservedOffer:
    return ObservedOffer(
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
        cpu_id=match.cpu.id if match.cpu else None,
        images=offer.images,
        attributes=offer_attributes(offer.title, memory=offer.memory, storage=offer.storage, flags=offer.flags),
        seen_at=seen_at,
    )


def _remarks(offer: Offer, match: TitleMatchResult) -> Iterator[str]:
    if match.cpu is None:
        yield f"No CPU: {match.reason}"
    if offer.price is None:
        yield "The page has no price."
    if offer.condition is Condition.FOR_PARTS:
        yield "The offer is for parts: its price does not count for price targets."
    yield from (FLAG_REMARKS[flag] for flag in ListingFlag if flag in offer.flags)
