"""eBay: load items from its Browse API instead of its pages, and read offers from the responses.

The item id in the URL identifies the item:
https://developer.ebay.com/api-docs/buy/browse/resources/item/methods/getItemByLegacyId. The API needs the credentials
of an application (DEALMARK_EBAY_CREDENTIALS). Without credentials, eBay's pages are fetched like any other.
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

from app.db.tables import Condition, ListingFlag, ListingStatus
from app.ingestion.extract.offer import Offer, item_id_from_url, marketplace_from_url
from app.ingestion.extract.offer_builder import RawOffer, build_offer, sort_best_first
from app.ingestion.extract.price_parsing import Money, parse_price
from app.ingestion.fetch.errors import ExtractionError, HttpStatusError, PermanentError, ServerBusy
from app.ingestion.fetch.fetcher import Fetcher, FetchRequest
from app.ingestion.fetch.page import WebPage

JSON = "application/json"
SCOPE = "https://api.ebay.com/oauth/api_scope"
TOKEN_RENEWAL_MARGIN_SECONDS = 60.0  # a token is renewed this long before it expires
MAX_ITEMS = 200
# Domain suffix of the country site -> marketplace id of the API.
MARKETPLACE_IDS = {
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


class EbaySource:
    """Page source for eBay items. A process has one, which caches the access token."""

    def __init__(self, fetcher: Fetcher, credentials: str, api_url: str = "https://api.ebay.com") -> None:
        """Take the credentials as "client_id:client_secret"."""
        self._fetcher = fetcher
        self._basic_auth = base64.b64encode(credentials.encode()).decode()
        self._api_url = api_url.rstrip("/")
        self._token: str | None = None
        self._token_expiry = 0.0  # time.monotonic()
        self._token_lock = asyncio.Lock()

    def can_fetch(self, url: str) -> bool:
        """Accept URLs of items on any country site of eBay."""
        return (
            marketplace_from_url(url) == "ebay"
            and _marketplace_id(url) is not None
            and item_id_from_url(url) is not None
        )

    async def fetch(self, url: str) -> WebPage:
        """Return the response of the API: one item, or `{"items": [...]}` for an item with variations.

        Raises like `Fetcher.fetch`; HttpStatusError with status 404 means that the item is gone.
        """
        item_id, marketplace_id = item_id_from_url(url), _marketplace_id(url)
        assert item_id is not None
        assert marketplace_id is not None
        variation_id = parse_qs(urlsplit(url).query).get("var", [""])[0]
        arguments = {"legacy_item_id": item_id}
        if re.fullmatch(r"[1-9][0-9]{8,14}", variation_id):
            arguments["legacy_variation_id"] = variation_id
        try:
            response = await self._call("get_item_by_legacy_id", arguments, marketplace_id)
        except HttpStatusError as error:
            if error.status != 400 or "legacy_variation_id" in arguments:
                raise
            # Error 11006: the id is that of an item group, that is, an item with variations.
            response = await self._call("get_items_by_item_group", {"item_group_id": item_id}, marketplace_id)
        host = urlsplit(url).hostname
        return WebPage(f"https://{host}/itm/{item_id}", response.body, JSON, url)

    async def _call(self, method: str, arguments: dict[str, str], marketplace_id: str) -> WebPage:
        url = f"{self._api_url}/buy/browse/v1/item/{method}?{urlencode(arguments)}"
        for is_second_attempt in (False, True):
            token = await self._access_token()
            headers = {"Authorization": f"Bearer {token}", "X-EBAY-C-MARKETPLACE-ID": marketplace_id}
            try:
                return await self._fetcher.fetch(url, FetchRequest(headers, accepted_types=frozenset({JSON})))
            except HttpStatusError as error:
                if error.status != 401 or is_second_attempt:
                    raise
                if self._token == token:  # revoked before its expiry
                    self._token = None
        raise AssertionError

    async def _access_token(self) -> str:
        """Return a valid token by the OAuth 2.0 client credentials grant. Concurrent callers share one request."""
        async with self._token_lock:
            if self._token is None or time.monotonic() >= self._token_expiry:
                await self._renew_token()
            assert self._token is not None
            return self._token

    async def _renew_token(self) -> None:
        content = urlencode({"grant_type": "client_credentials", "scope": SCOPE}).encode()
        headers = {"Authorization": f"Basic {self._basic_auth}", "Content-Type": "application/x-www-form-urlencoded"}
        request = FetchRequest(headers, content, frozenset({JSON}))
        try:
            page = await self._fetcher.fetch(f"{self._api_url}/identity/v1/oauth2/token", request)
        except HttpStatusError:
            raise PermanentError("eBay does not accept the credentials in DEALMARK_EBAY_CREDENTIALS.") from None
        response = _parse_json(page.body)
        token, seconds = response.get("access_token"), response.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise ServerBusy("eBay answered without an access token.", 200)
        lifetime = float(seconds) if isinstance(seconds, (int, float)) else 0.0
        self._token = token
        self._token_expiry = time.monotonic() + max(lifetime - TOKEN_RENEWAL_MARGIN_SECONDS, 0.0)


class EbayAdapter:
    """Adapter for responses of the Browse API."""

    name = "ebay"
    is_fallback = False

    def can_read(self, page: WebPage) -> bool:
        """Accept JSON under an eBay URL."""
        return page.media_type == JSON and marketplace_from_url(page.url) == "ebay"

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return the item, or its variations, the cheapest that is for sale first. Raises ExtractionError."""
        response = _parse_json(page.body)
        items = response["items"] if isinstance(response.get("items"), list) else [response]
        offers, errors = list[Offer](), list[ExtractionError]()
        for item in items[:MAX_ITEMS]:
            try:
                offer = self._build_offer(page, item) if isinstance(item, dict) else None
            except ExtractionError as error:
                errors.append(error)
            else:
                offers += [offer] if offer is not None else []
        if errors and not offers:
            raise errors[0]
        return sort_best_first(offers)

    def _build_offer(self, page: WebPage, item: dict[str, Any]) -> Offer | None:
        options = item.get("buyingOptions")
        is_auction = isinstance(options, list) and "AUCTION" in options and "FIXED_PRICE" not in options
        price = None if is_auction else _parse_amount(item.get("price"))
        flags = {ListingFlag.AUCTION} if is_auction else set[ListingFlag]()
        if isinstance(item.get("lotSize"), int) and item["lotSize"] > 1:
            flags.add(ListingFlag.LOT)
        variation_id = str(item.get("itemId", "")).split("|")[-1]  # "v1|<item id>|<variation id>"
        aspects = zip(
            _nested_values(item, "localizedAspects", "name"),
            _nested_values(item, "localizedAspects", "value"),
            strict=True,
        )
        return build_offer(
            page,
            self.name,
            RawOffer(
                title=item.get("title"),
                price=price,
                shipping=_lowest_shipping(item, price),
                condition=CONDITIONS.get(str(item.get("conditionId"))) or item.get("condition"),
                status=_parse_status(item),
                seller=_nested_value(item, "seller", "username"),
                item_id=item.get("legacyItemId") or page.url.rpartition("/")[2],
                brand=item.get("brand"),
                mpn=item.get("mpn"),
                gtin=item.get("gtin"),
                images=[
                    _nested_value(item, "image", "imageUrl"),
                    *_nested_values(item, "additionalImages", "imageUrl"),
                ],
                specs=list(aspects),
                flags=frozenset(flags),
                variation_id=variation_id if variation_id.isdecimal() and variation_id != "0" else None,
            ),
        )


def _parse_amount(value: object) -> Money | None:
    """Parse an Amount of the API. If eBay converted it, return the amount in the currency of the seller."""
    if not isinstance(value, dict):
        return None
    if value.get("convertedFromValue") and value.get("convertedFromCurrency"):
        return parse_price(value["convertedFromValue"], value["convertedFromCurrency"])
    return parse_price(value.get("value"), value.get("currency"))


def _lowest_shipping(item: dict[str, Any], price: Money | None) -> object:
    """Return the lowest shipping cost in the currency of the price."""
    costs = []
    for option in _list(item, "shippingOptions"):
        cost = _parse_amount(option.get("shippingCost")) if isinstance(option, dict) else None
        if cost is not None and price is not None and cost.currency == price.currency:
            costs.append(cost.amount)
    return min(costs, default=None)


def _parse_status(item: dict[str, Any]) -> ListingStatus:
    names = _nested_values(item, "estimatedAvailabilities", "estimatedAvailabilityStatus")
    statuses = [STATUSES[str(name)] for name in names if str(name) in STATUSES]
    return ListingStatus.ACTIVE if not statuses or ListingStatus.ACTIVE in statuses else statuses[0]


def _parse_json(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ExtractionError("The response of eBay is not JSON.") from None
    if not isinstance(content, dict):
        raise ExtractionError("The response of eBay does not contain an item.")
    return content


def _marketplace_id(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    return MARKETPLACE_IDS.get(host.rpartition("ebay.")[2])


def _list(item: dict[str, Any], name: str) -> list[Any]:
    value = item.get(name)
    return value[:100] if isinstance(value, list) else []


def _nested_values(item: dict[str, Any], name: str, key: str) -> Iterator[Any]:
    return (element.get(key) for element in _list(item, name) if isinstance(element, dict))


def _nested_value(item: dict[str, Any], name: str, key: str) -> Any:
    value = item.get(name)
    return value.get(key) if isinstance(value, dict) else None
