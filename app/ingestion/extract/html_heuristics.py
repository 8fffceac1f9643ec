"""Pages without any markup for programs: the heading, and a price only where it is beyond doubt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.ingestion.extract.offer import Offer, clean
from app.ingestion.extract.offer_builder import Found, country, make
from app.ingestion.extract.price_parsing import Money, money
from app.ingestion.fetch.errors import CurrencyUnknown, PriceUnclear
from app.ingestion.fetch.page import HTML_TYPES, Page

MOST_CANDIDATES = 200
PRICE_NAMES = re.compile(r"(?:^|[-_\s])(?:price|preis|prix|precio|prezzo|prijs)|price$", re.IGNORECASE)
# Prices of something else, of before, or of a part.
OTHER_NAMES = re.compile(
    r"old|was|before|former|strike|crossed|regular|list|retail|rrp|msrp|uvp|save|saving|discount|shipping|delivery|unit"
    r"|month|instal|finance|from|range|related|recommend|similar|upsell|cross|bundle|cart|min|max|filter|label|history",
    re.IGNORECASE,
)
BUY_NAMES = re.compile(
    r"add[-_ ]?to[-_ ]?(?:cart|basket|bag)|buy[-_ ]?(?:now|button|box)|warenkorb|in-den-korb", re.IGNORECASE
)


class PlainHtml:
    """The last resort."""

    name = "html"
    guesses = True

    def matches(self, page: Page) -> bool:
        """Any HTML."""
        return page.media_type in HTML_TYPES

    def read(self, page: Page) -> Sequence[Offer]:
        """One offer at most: none when nothing on the page says that something is sold."""
        price = self._price(page)
        if price is None and not self._can_be_bought(page):
            return ()
        pictures = page.tree.xpath("//meta[@property='og:image']/@content")[:5]
        offer = make(page, self.name, Found(title=self._title(page), money=price, images=pictures))
        return () if offer is None else (offer,)

    def _title(self, page: Page) -> str | None:
        headings = [
            text for element in page.tree.xpath("//h1")[:5] if (text := clean(element.text_content()[:2000], 500))
        ]
        if len(set(headings)) == 1:
            return headings[0]
        titles = page.tree.xpath("//meta[@property='og:title']/@content | //head/title/text()")[:2]
        return next((text for title in titles if (text := clean(title, 500))), None)

    def _price(self, page: Page) -> Money | None:
        """The one price that all elements called so agree on."""
        place = country(page)
        found, candidates = set[Money](), 0
        for element in page.tree.xpath("//*[@class or @id or @itemprop]"):
            if len(found) > 1:
                return None
            if not self._is_called_price(element):
                continue
            candidates += 1
            if candidates > MOST_CANDIDATES:
                return None  # a list of many things
            text = self._own_text(element)
            try:
                price = money(text, None, place) if text else None
            except (PriceUnclear, CurrencyUnknown):
                continue
            if price is not None and price.amount:
                found.add(price)
        return found.pop() if len(found) == 1 else None

    def _is_called_price(self, element: Any) -> bool:
        names = self._names(element)
        if not PRICE_NAMES.search(names) or OTHER_NAMES.search(names):
            return False
        above = [one for one, _ in zip(element.iterancestors(), range(6), strict=False)]
        return not any(
            one.tag in {"del", "s", "strike", "nav", "footer"} or OTHER_NAMES.search(self._names(one)) for one in above
        )

    def _names(self, element: Any) -> str:
        return " ".join((element.get("class") or "", element.get("id") or "", element.get("itemprop") or ""))[:500]

    def _own_text(self, element: Any) -> str | None:
        """What the element says, unless it contains more than a price."""
        if element.tag in {"script", "style", "input", "body", "html", "form", "select"} or len(element) > 8:
            return None
        if element.xpath("boolean(.//del | .//s | .//strike)"):
            return None
        told = element.get("content")
        text = told or "".join(element.itertext())[:300]
        return clean(text, 200) if len(text) < 200 else None

    def _can_be_bought(self, page: Page) -> bool:
        for element in page.tree.xpath("//button | //input[@type='submit'] | //form | //a[@class or @id]")[
            :MOST_CANDIDATES
        ]:
            names = " ".join((self._names(element), element.get("name") or "", element.get("action") or ""))[:600]
            if BUY_NAMES.search(names) or BUY_NAMES.search(
                "".join(element.itertext())[:60] if element.tag != "form" else ""
            ):
                return True
        return False
