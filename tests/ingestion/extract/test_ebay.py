"""eBay source and adapter, with a server that imitates the Browse API."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.db.tables import Condition, ListingFlag, ListingStatus
from app.ingestion.extract.ebay import EbaySource
from app.ingestion.extract.offer import Offer, Quality
from app.ingestion.extract.pipeline import create_fetcher, create_page_sources, extract_offers, load_page
from app.ingestion.fetch.errors import ExtractionError, HttpStatusError, PermanentError, ServerBusy, UnknownCurrency
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.fetch.page import WebPage
from app.settings import Settings
from tests.support.settings import make_settings
from tests.support.sites import Site, http_response, run_fetcher, run_site

URL = "https://www.ebay.com/itm/112259821206"
ITEM: dict[str, Any] = {
    "itemId": "v1|112259821206|0",
    "legacyItemId": "112259821206",
    "title": "Dell OptiPlex 7060 Micro i5-8500T 16GB 256GB",
    "price": {"value": "189.99", "currency": "USD"},
    "condition": "Used",
    "conditionId": "3000",
    "categoryPath": "Computers/Tablets & Networking|Desktops & All-In-Ones|PC Desktops & All-In-Ones",
    "buyingOptions": ["FIXED_PRICE", "BEST_OFFER"],
    "image": {"imageUrl": "https://i.ebayimg.com/images/g/a/s-l1600.jpg"},
    "additionalImages": [{"imageUrl": "https://i.ebayimg.com/images/g/b/s-l1600.jpg"}],
    "itemLocation": {"city": "New Holland", "country": "US"},
    "seller": {"username": "second_socket", "feedbackPercentage": "99.5", "feedbackScore": 4662},
    "brand": "Dell",
    "mpn": "7060M",
    "estimatedAvailabilities": [
        {
            "deliveryOptions": ["SHIP_TO_HOME"],
            "estimatedAvailabilityStatus": "IN_STOCK",
            "estimatedAvailableQuantity": 3,
        }
    ],
    "shippingOptions": [
        {
            "type": "Expedited Shipping",
            "shippingCost": {"value": "25.00", "currency": "USD"},
            "shippingCostType": "FIXED",
        },
        {
            "type": "Standard Shipping",
            "shippingCost": {"value": "9.50", "currency": "USD"},
            "shippingCostType": "FIXED",
        },
        {"type": "Calculated", "shippingCostType": "CALCULATED"},
    ],
    "localizedAspects": [
        {"type": "STRING", "name": "Processor", "value": "Intel Core i5 8th Gen."},
        {"type": "STRING", "name": "RAM Size", "value": "16 GB"},
        {"type": "STRING", "name": "SSD Capacity", "value": "256 GB"},
    ],
    "itemWebUrl": "https://www.ebay.com/itm/112259821206",
}
ERROR_OF_A_GROUP = {
    "errors": [
        {"errorId": 11006, "domain": "API_BROWSE", "category": "REQUEST", "message": "The legacyId is invalid. ..."}
    ]
}


def as_json(document: object, status: int = 200) -> bytes:
    return http_response(orjson.dumps(document), status, {"Content-Type": "application/json"})


def token(text: str = "t1", seconds: object = 7200) -> bytes:
    return as_json({"access_token": text, "expires_in": seconds, "token_type": "Application Access Token"})


TOKEN = "/identity/v1/oauth2/token"
LOOK_UP = "/buy/browse/v1/item/get_item_by_legacy_id?legacy_item_id=112259821206"
GROUP = "/buy/browse/v1/item/get_items_by_item_group?item_group_id=112259821206"


@pytest.fixture
async def api() -> AsyncIterator[Site]:
    async with run_site({TOKEN: token(), LOOK_UP: as_json(ITEM)}) as server:
        yield server


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with run_fetcher() as one:
        yield one


def ebay(api: Site, fetcher: Fetcher) -> EbaySource:
    return EbaySource(fetcher, "client:secret", api.url("/"))


def read(item: object) -> Offer:
    (offer,) = extract_offers(WebPage(URL, orjson.dumps(item), "application/json"))
    return offer


async def test_ebay_item_is_loaded_and_read(api: Site, fetcher: Fetcher) -> None:
    page = await ebay(api, fetcher).fetch(f"{URL}?hash=x&_trkparms=y")
    (offer,) = extract_offers(page)
    assert page.url == URL
    assert offer == Offer(
        title="Dell OptiPlex 7060 Micro i5-8500T 16GB 256GB",
        url=URL,
        marketplace="ebay",
        source="ebay",
        price=Decimal("189.99"),
        currency="USD",
        shipping=Decimal("9.50"),
        condition=Condition.USED,
        seller="second_socket",
        vendor_item_id="112259821206",
        brand="Dell",
        mpn="7060M",
        images=("https://i.ebayimg.com/images/g/a/s-l1600.jpg", "https://i.ebayimg.com/images/g/b/s-l1600.jpg"),
        cpu="Intel Core i5 8th Gen.",
        memory="16 GB",
        storage="256 GB",
        specs={"Processor": "Intel Core i5 8th Gen.", "RAM Size": "16 GB", "SSD Capacity": "256 GB"},
    )
    assert offer.quality is Quality.FULL
    grant, look_up = api.requests
    assert f"authorization: basic {base64.b64encode(b'client:secret').decode()}".lower() in grant.lower()
    assert grant.endswith("\r\n\r\ngrant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope")
    assert "bearer t1\r\n" in look_up.lower()
    assert "x-ebay-c-marketplace-id: ebay_us\r\n" in look_up.lower()


async def test_ebay_access_token_is_shared_until_it_expires(api: Site, fetcher: Fetcher) -> None:
    items = ebay(api, fetcher)
    await asyncio.gather(*(items.fetch(URL) for _ in range(5)))
    assert sum(TOKEN in request for request in api.requests) == 1
    api.pages[TOKEN] = token(seconds=30)
    items = ebay(api, fetcher)
    await items.fetch(URL)
    await items.fetch(URL)
    assert sum(TOKEN in request for request in api.requests) == 3, "a token that expires soon is not cached"


async def test_revoked_ebay_access_token_is_renewed_once(api: Site, fetcher: Fetcher) -> None:
    async def answer(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(as_json(ITEM) if "Bearer t2" in request else as_json({"errors": []}, 401))

    items = ebay(api, fetcher)
    await items.fetch(URL)
    api.pages |= {LOOK_UP: answer, TOKEN: token("t2")}
    assert (await items.fetch(URL)).body == orjson.dumps(ITEM)
    api.pages |= {LOOK_UP: as_json({}, 401)}
    with pytest.raises(HttpStatusError) as refusal:
        await items.fetch(URL)
    assert refusal.value.status == 401


async def test_wrong_ebay_credentials_raise_permanent_error(api: Site, fetcher: Fetcher) -> None:
    api.pages[TOKEN] = as_json({"error": "invalid_client", "error_description": "client authentication failed"}, 401)
    with pytest.raises(PermanentError, match="DEALMARK_EBAY_CREDENTIALS"):
        await ebay(api, fetcher).fetch(URL)


@pytest.mark.parametrize(
    "grant", [{}, {"access_token": 7}, {"access_token": ""}, {"access_token": "a\nb"}, {"access_token": "\u00fc"}]
)
async def test_ebay_grant_without_token_raises_server_busy(api: Site, fetcher: Fetcher, grant: object) -> None:
    api.pages[TOKEN] = as_json(grant)
    with pytest.raises(ServerBusy):
        await ebay(api, fetcher).fetch(URL)


async def test_ebay_item_with_variations_returns_offer_per_variation(api: Site, fetcher: Fetcher) -> None:
    def one(variation: int, price: str, status: str) -> dict[str, Any]:
        availability = [{"estimatedAvailabilityStatus": status}]
        more = {"price": {"value": price, "currency": "USD"}, "estimatedAvailabilities": availability}
        return {**ITEM, "itemId": f"v1|112259821206|{variation}", **more}

    api.pages[LOOK_UP] = as_json(ERROR_OF_A_GROUP, 400)
    api.pages[GROUP] = as_json(
        {"items": [one(41, "50", "OUT_OF_STOCK"), one(42, "90", "IN_STOCK"), one(43, "70", "LIMITED_STOCK")]}
    )
    offers = extract_offers(await ebay(api, fetcher).fetch(URL))
    assert [(offer.vendor_item_id, offer.price, offer.status) for offer in offers] == [
        ("112259821206:43", Decimal(70), ListingStatus.ACTIVE),
        ("112259821206:42", Decimal(90), ListingStatus.ACTIVE),
        ("112259821206:41", Decimal(50), ListingStatus.SOLD),
    ]
    chosen = f"{LOOK_UP}&legacy_variation_id=412674842751"
    api.pages[chosen] = as_json({**ITEM, "itemId": "v1|112259821206|412674842751"})
    (offer,) = extract_offers(await ebay(api, fetcher).fetch(f"{URL}?var=412674842751"))
    assert offer.vendor_item_id == "112259821206:412674842751"


async def test_missing_ebay_item_raises_status_404(api: Site, fetcher: Fetcher) -> None:
    api.pages[LOOK_UP] = as_json(
        {"errors": [{"errorId": 11001, "message": "The specified item Id was not found."}]}, 404
    )
    with pytest.raises(HttpStatusError) as refusal:
        await ebay(api, fetcher).fetch(URL)
    assert refusal.value.status == 404


async def test_ebay_rate_limit_raises_server_busy(api: Site, fetcher: Fetcher) -> None:
    api.pages[LOOK_UP] = http_response(b"{}", 429, {"Content-Type": "application/json", "Retry-After": "60"})
    with pytest.raises(ServerBusy) as busy:
        await ebay(api, fetcher).fetch(URL)
    assert busy.value.retry_after == 60


async def test_ebay_marketplace_header_follows_the_country_site(api: Site, fetcher: Fetcher) -> None:
    for host, marketplace in (("www.ebay.de", "EBAY_DE"), ("www.ebay.co.uk", "EBAY_GB"), ("m.ebay.com.au", "EBAY_AU")):
        page = await ebay(api, fetcher).fetch(f"https://{host}/itm/112259821206")
        assert page.url == f"https://{host}/itm/112259821206"
        assert f"marketplace-id: {marketplace}\r\n".lower() in api.requests[-1].lower()


@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        (URL, True),
        ("https://ebay.de/itm/title-of-it/112259821206?var=1", True),
        ("https://www.ebay.com/sch/i.html?_nkw=i5", False),
        ("https://www.ebay.com/itm/12", False),
        ("https://www.ebay.xyz/itm/112259821206", False),
        ("https://ebay.com.evil.example/itm/112259821206", False),
        ("https://evil.example/?https://www.ebay.com/itm/112259821206", False),
        ("https://notebay.com/itm/112259821206", False),
        ("", False),
    ],
)
def test_ebay_source_accepts_item_urls_only(url: str, is_accepted: bool, fetcher: Fetcher) -> None:
    assert EbaySource(fetcher, "client:secret").can_fetch(url) is is_accepted


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"price": None}, "price", None),
        ({"price": {"value": "1,5,5", "currency": "USD"}, "title": None}, "price", ExtractionError),
        ({"price": {"value": "100.00", "currency": "XXX"}}, "price", UnknownCurrency),
        (
            {"price": {"value": "200", "currency": "USD", "convertedFromValue": "180", "convertedFromCurrency": "EUR"}},
            "currency",
            "EUR",
        ),
        ({"buyingOptions": ["AUCTION"], "currentBidPrice": {"value": "1", "currency": "USD"}}, "price", None),
        ({"buyingOptions": ["AUCTION"]}, "flags", frozenset({ListingFlag.AUCTION})),
        ({"buyingOptions": ["AUCTION", "FIXED_PRICE"]}, "price", Decimal("189.99")),
        ({"lotSize": 4}, "flags", frozenset({ListingFlag.LOT})),
        ({"lotSize": 0}, "flags", frozenset()),
        ({"conditionId": "7000"}, "condition", Condition.FOR_PARTS),
        ({"conditionId": "1000"}, "condition", Condition.NEW),
        ({"conditionId": "1500"}, "condition", Condition.OPEN_BOX),
        ({"conditionId": "2010"}, "condition", Condition.REFURBISHED),
        ({"conditionId": "9", "condition": "Pre-owned"}, "condition", Condition.USED),
        ({"conditionId": "1000", "title": "i5-8500T for parts"}, "condition", Condition.FOR_PARTS),
        ({"shippingOptions": [{"shippingCost": {"value": "0.00", "currency": "USD"}}]}, "shipping", Decimal(0)),
        ({"shippingOptions": [{"shippingCost": {"value": "5", "currency": "EUR"}}]}, "shipping", None),
        ({"shippingOptions": "x", "image": 7, "additionalImages": [7, None]}, "images", ()),
        ({"estimatedAvailabilities": [{"estimatedAvailabilityStatus": "OUT_OF_STOCK"}]}, "status", ListingStatus.SOLD),
        ({"estimatedAvailabilities": [{"estimatedAvailabilityStatus": "?"}]}, "status", ListingStatus.ACTIVE),
    ],
)
def test_ebay_item_value_is_read(change: dict[str, Any], field: str, value: object) -> None:
    if isinstance(value, type):
        with pytest.raises(value):
            read({**ITEM, **change})
    else:
        assert getattr(read({**ITEM, **change}), field) == value


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"7", b"{}", b'{"items": []}', b'{"items": [7]}', b'{"errors": []}', b"[" * 100_000]
)
def test_ebay_response_without_item_raises_error(body: bytes) -> None:
    with pytest.raises(ExtractionError):
        extract_offers(WebPage(URL, body, "application/json"))


async def test_page_sources_depend_on_credentials(api: Site) -> None:
    plain, configured = Settings(), make_settings(
        ebay_credentials="client:secret", ebay_api_url=api.url(), fetch_allow=("127.0.0.1",)
    )  # fmt: skip
    async with create_fetcher(configured) as fetcher:
        assert create_page_sources(plain, fetcher) == ()
        page_sources = create_page_sources(configured, fetcher)
        assert (await load_page(URL, fetcher, page_sources)).body == orjson.dumps(ITEM)
        api.pages["/elsewhere"] = http_response()
        assert (await load_page(api.url("/elsewhere"), fetcher, page_sources)).body == b"<h1>x</h1>"
