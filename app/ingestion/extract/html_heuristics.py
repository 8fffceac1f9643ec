"""Adapter for pages without structured data: reads the heading, and a price only if it is unambiguous."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.ingestion.extract.offer import Offer, clean_text
from app.ingestion.extract.offer_builder import RawOffer, build_offer, page_country
from app.ingestion.extract.price_parsing import Money, parse_price
from app.ingestion.fetch.errors import AmbiguousPrice, UnknownCurrency
from app.ingestion.fetch.page import HTML_TYPES, WebPage

MAX_CANDIDATES = 200
# Attribute values (class, id, itemprop) of elements that contain a price.
PRICE_NAMES = re.compile(r"(?:^|[-_\s])(?:price|preis|prix|precio|prezzo|prijs)|price$", re.IGNORECASE)
# Attribute values of former prices, and of prices of other or partial items.
OTHER_PRICE_NAMES = re.compile(
    r"old|was|before|former|strike|crossed|regular|list|retail|rrp|msrp|uvp|save|saving|discount|shipping|delivery|unit"
    r"|month|instal|finance|from|range|related|recommend|similar|upsell|cross|bundle|cart|min|max|filter|label|history",
    re.IGNORECASE,
)
BUY_NAMES = re.compile(
    r"add[-_ ]?to[-_ ]?(?:cart|basket|bag)|buy[-_ ]?(?:now|button|box)|warenkorb|in-den-korb", re.IGNORECASE
)


class HtmlHeuristics:
    """Fallback adapter for any HTML page."""

    name = "html"
    is_fallback = True

    def can_read(self, page: WebPage) -> bool:
        """Accept any HTML page."""
        return page.media_type in HTML_TYPES

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return one offer, or none if nothing on the page indicates a sale."""
        price = self._find_price(page)
        if price is None and not self._has_buy_button(page):
            return ()
        images = page.tree.xpath("//meta[@property='og:image']/@content")[:5]
        offer = build_offer(page, self.name, RawOffer(title=self._find_title(page), price=price, images=images))
        return () if offer is None else (offer,)

    def _find_title(self, page: WebPage) -> str | None:
        headings = [
            text for element in page.tree.xpath("//h1")[:5] if (text := clean_text(element.text_content()[:2000], 500))
        ]
        if len(set(headings)) == 1:
            return headings[0]
        titles = page.tree.xpath("//meta[@property='og:title']/@content | //head/title/text()")[:2]
        return next((text for title in titles if (text := clean_text(title, 500))), None)

    def _find_price(self, page: WebPage) -> Money | None:
        """Return the price if all price elements of the page have the same one."""
        country = page_country(page)
        prices, candidates = set[Money](), 0
        for element in page.tree.xpath("//*[@class or @id or @itemprop]"):
            if len(prices) > 1:
                return None
            if not self._is_price_element(element):
                continue
            candidates += 1
            if candidates > MAX_CANDIDATES:
                return None  # probably a list of products
            text = self._price_text(element)
            try:
                price = parse_price(text, None, country) if text else None
            except (AmbiguousPrice, UnknownCurrency):
                continue
            if price is not None and price.amount:
                prices.add(price)
        return prices.pop() if len(prices) == 1 else None

    def _is_price_element(self, element: Any) -> bool:
        names = self._names(element)
        if not PRICE_NAMES.search(names) or OTHER_PRICE_NAMES.search(names):
            return False
        ancestors = [ancestor for ancestor, _ in zip(element.iterancestors(), range(6), strict=False)]
        return not any(
            ancestor.tag in {"del", "s", "strike", "nav", "footer"} or OTHER_PRICE_NAMES.search(self._names(ancestor))
            for ancestor in ancestors
        )

    def _names(self, element: Any) -> str:
        return " ".join((element.get("class") or "", element.get("id") or "", element.get("itemprop") or ""))[:500]

    def _price_text(self, element: Any) -> str | None:
        """Return the text of an element, None if it contains more than a price."""
        if element.tag in {"script", "style", "input", "body", "html", "form", "select"} or len(element) > 8:
            return None
        if element.xpath("boolean(.//del | .//s | .//strike)"):
            return None
        text = element.get("content") or "".join(element.itertext())[:300]
        return clean_text(text, 200) if len(text) < 200 else None

    def _has_buy_button(self, page: WebPage) -> bool:
        controls = page.tree.xpath("//button | //input[@type='submit'] | //form | //a[@class or @id]")
        for element in controls[:MAX_CANDIDATES]:
            names = " ".join((self._names(element), element.get("name") or "", element.get("action") or ""))[:600]
            label = "".join(element.itertext())[:60] if element.tag != "form" else ""
            if BUY_NAMES.search(names) or BUY_NAMES.search(label):
                return True
        return False
