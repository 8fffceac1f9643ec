"""eBay: items are asked from its Browse API, by the id in the URL, instead of from its pages.

https://developer.ebay.com/api-docs/buy/browse/resources/item/methods/getItemByLegacyId. It needs an application's
credentials (DEALMARK_EBAY_CREDENTIALS); without them eBay's URLs are fetched like any other.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from app.db.tables import Condition, ListingStatus
from app.ingestion.extract.offer import Flag, Offer, item_id_of, marketplace_of
from app.ingestion.extract.offer_builder import Found, is_sound, make
from app.ingestion.extract.price_parsing import Money, money
from app.ingestion.fetch.errors import Busy, Final, HttpRefused, NotUnderstood
from app.ingestion.fetch.fetcher import Ask, Fetcher
from app.ingestion.fetch.page import Page

JSON = "application/json"
SCOPE = "https://api.ebay.com/oauth/api_scope"
EARLY_SECONDS = 60.0  # a token is renewed so long before it ends
MOST_ITEMS = 200
# Site, by the ending of its host -> marketplace.
SITES = {
    "com": "EBAY_US", "co.uk": "EBAY_GB", "de": "EBAY_DE", "fr": "EBAY_FR", "it": "EBAY_IT", "es": "EBAY_ES",
    "com.au": "EBAY_AU", "ca": "EBAY_CA", "at": "EBAY_AT", "ch": "EBAY_CH", "be": "EBAY_BE", "ie": "EBAY_IE",
    "nl": "EBAY_NL", "pl": "EBAY_PL", "com.hk": "EBAY_HK", "com.sg": "EBAY_SG", "com.my": "EBAY_MY", "ph": "EBAY_PH",
}  # fmt: skip
# https://developer.ebay.com/api-docs/sell/static/metadata/condition-id-values.html
CONDITIONS = {
    "1000": Condition.NEW,
    "1500": Condition.OPEN_BOX,
    "1750": Condition.OPEN_BOX,
    **dict.fromkeys(("2000", "2010", "2020", "2030", "2500"), Condition.REFURBISHED),
    "2750": Condition.OPEN_BOX,
    **dict.fromkeys(("2990", "3000", "3010", "4000", "5000", "6000"), Condition.USED),
    "7000": Condition.FOR_PARTS,
}
STATUSES = {"IN_STOCK": ListingStatus.ACTIVE, "LIMITED_STOCK": ListingStatus.ACTIVE, "OUT_OF_STOCK": ListingStatus.SOLD}


class EbayItems:
    """The items of eBay, as a source of pages. One per process: it keeps the access token."""

    def __init__(self, fetcher: Fetcher, credentials: str, api_url: str = "https://api.ebay.com") -> None:
        """`credentials`: client id, colon, client secret."""
        self._fetcher = fetcher
        self._basic = base64.b64encode(credentials.encode()).decode()
        self._api = api_url.rstrip("/")
        self._token: str | None = None
        self._ends = 0.0
        self._renewing = asyncio.Lock()

    def serves(self, url: str) -> bool:
        """URLs of items on any of eBay's sites."""
        return marketplace_of(url) == "ebay" and _site(url) is not None and item_id_of(url) is not None

    async def fetch(self, url: str) -> Page:
        """What the API says about an item: one item, or `{"items": [...]}` when the URL names a choice of several.

        Raises like `Fetcher.fetch`; HttpRefused with status 404 means that the item is gone.
        """
        item, site = item_id_of(url), _site(url)
        assert item is not None
        assert site is not None
        variation = parse_qs(urlsplit(url).query).get("var", [""])[0]
        asked = {"legacy_item_id": item}
        if re.fullmatch(r"[1-9][0-9]{8,14}", variation):
            asked["legacy_variation_id"] = variation
        try:
            answer = await self._ask("get_item_by_legacy_id", asked, site)
        except HttpRefused as refusal:
            if refusal.status != 400 or "legacy_variation_id" in asked:
                raise
            # Error 11006: the id is that of a group, an item with variations.
            answer = await self._ask("get_items_by_item_group", {"item_group_id": item}, site)
        host = urlsplit(url).hostname
        return Page(f"https://{host}/itm/{item}", answer.body, JSON, url)

    async def _ask(self, method: str, asked: dict[str, str], site: str) -> Page:
        url = f"{self._api}/buy/browse/v1/item/{method}?{urlencode(asked)}"
        for is_again in (False, True):
            token = await self._access_token()
            headers = {"Authorization": f"Bearer {token}", "X-EBAY-C-MARKETPLACE-ID": site}
            try:
                return await self._fetcher.fetch(url, Ask(headers, types=frozenset({JSON})))
            except HttpRefused as refusal:
                if refusal.status != 401 or is_again:
                    raise
                if self._token == token:  # withdrawn before its time
                    self._token = None
        raise AssertionError

    async def _access_token(self) -> str:
        """OAuth 2.0 client credentials grant; one request, however many ask."""
        async with self._renewing:
            if self._token is None or time.monotonic() >= self._ends:
                content = urlencode({"grant_type": "client_credentials", "scope": SCOPE}).encode()
                headers = {"Authorization": f"Basic {self._basic}", "Content-Type": "application/x-www-form-urlencoded"}
                ask = Ask(headers, content, frozenset({JSON}))
                try:
                    page = await self._fetcher.fetch(f"{self._api}/identity/v1/oauth2/token", ask)
                except HttpRefused:
                    raise Final("eBay does not accept the credentials in DEALMARK_EBAY_CREDENTIALS.") from None
                answer = _parsed(page.body)
                token, seconds = answer.get("access_token"), answer.get("expires_in")
                if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
                    raise Busy("eBay answered without an access token.", 200)
                lasting = float(seconds) if isinstance(seconds, (int, float)) else 0.0
                self._token, self._ends = token, time.monotonic() + max(lasting - EARLY_SECONDS, 0.0)
            return self._token


class EbayItem:
    """What the Browse API says about an item."""

    name = "ebay"
    guesses = False

    def matches(self, page: Page) -> bool:
        """JSON under an eBay URL."""
        return page.media_type == JSON and marketplace_of(page.url) == "ebay"

    def read(self, page: Page) -> Sequence[Offer]:
        """The item, or those of a group, the cheapest that can be bought first. Raises NotUnderstood."""
        answer = _parsed(page.body)
        items = answer["items"] if isinstance(answer.get("items"), list) else [answer]
        found, faults = list[Offer](), list[NotUnderstood]()
        for item in items[:MOST_ITEMS]:
            try:
                offer = self._offer(page, item) if isinstance(item, dict) else None
            except NotUnderstood as fault:
                faults.append(fault)
            else:
                found += [offer] if offer is not None else []
        if faults and not found:
            raise faults[0]
        return sorted(found, key=lambda offer: (not is_sound(offer), offer.price is None, offer.price or 0))

    def _offer(self, page: Page, item: dict[str, Any]) -> Offer | None:
        options = item.get("buyingOptions")
        is_auction = isinstance(options, list) and "AUCTION" in options and "FIXED_PRICE" not in options
        price = None if is_auction else _money(item.get("price"))
        flags = {Flag.AUCTION} if is_auction else set[Flag]()
        if isinstance(item.get("lotSize"), int) and item["lotSize"] > 1:
            flags.add(Flag.LOT)
        identity = item.get("legacyItemId") or page.url.rpartition("/")[2]
        variation = str(item.get("itemId", "")).split("|")[-1]
        return make(
            page,
            self.name,
            Found(
                title=item.get("title"),
                money=price,
                shipping=_shipping(item, price),
                condition=CONDITIONS.get(str(item.get("conditionId"))) or item.get("condition"),
                status=_status(item),
                seller=_inside(item, "seller", "username"),
                item_id=identity,
                brand=item.get("brand"),
                mpn=item.get("mpn"),
                gtin=item.get("gtin"),
                images=[_inside(item, "image", "imageUrl"), *(_each(item, "additionalImages", "imageUrl"))],
                specs=list(
                    zip(_each(item, "localizedAspects", "name"), _each(item, "localizedAspects", "value"), strict=True)
                ),
                flags=frozenset(flags),
                variation=variation if variation.isdecimal() and variation != "0" else None,
            ),
        )


def _money(value: object) -> Money | None:
    """An Amount; where eBay converted it, what the seller really asks for."""
    if not isinstance(value, dict):
        return None
    if value.get("convertedFromValue") and value.get("convertedFromCurrency"):
        return money(value["convertedFromValue"], value["convertedFromCurrency"])
    return money(value.get("value"), value.get("currency"))


def _shipping(item: dict[str, Any], price: Money | None) -> object:
    """The lowest cost that is told, in the currency of the price."""
    costs = []
    for option in _list(item, "shippingOptions"):
        cost = _money(option.get("shippingCost")) if isinstance(option, dict) else None
        if cost is not None and price is not None and cost.currency == price.currency:
            costs.append(cost.amount)
    return min(costs, default=None)


def _status(item: dict[str, Any]) -> ListingStatus:
    told = [
        STATUSES.get(str(status)) for status in _each(item, "estimatedAvailabilities", "estimatedAvailabilityStatus")
    ]
    known = [status for status in told if status is not None]
    return ListingStatus.ACTIVE if not known or ListingStatus.ACTIVE in known else known[0]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotUnderstood("eBay answered with something that is no JSON.") from None
    if not isinstance(answer, dict):
        raise NotUnderstood("eBay answered with something else than an item.")
    return answer


def _site(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    return SITES.get(host.rpartition("ebay.")[2])


def _list(item: dict[str, Any], name: str) -> list[Any]:
    value = item.get(name)
    return value[:100] if isinstance(value, list) else []


def _each(item: dict[str, Any], name: str, part: str) -> Iterator[Any]:
    return (one.get(part) for one in _list(item, name) if isinstance(one, dict))


def _inside(item: dict[str, Any], name: str, part: str) -> Any:
    value = item.get(name)
    return value.get(part) if isinstance(value, dict) else None
