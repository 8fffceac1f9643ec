"""Extraction of offers from typical pages of shops."""

# ruff: noqa: E501 - HTML has long lines

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from app.db.tables import Condition, ListingFlag, ListingStatus
from app.ingestion.extract import protocols
from app.ingestion.extract.offer import Offer, Quality
from app.ingestion.extract.offer_builder import RawOffer, build_offer
from app.ingestion.extract.opengraph import OpenGraph
from app.ingestion.extract.pipeline import ADAPTERS, extract_offers
from app.ingestion.extract.price_parsing import parse_price
from app.ingestion.fetch.errors import AmbiguousPrice, ExtractionError, UnknownCurrency
from app.ingestion.fetch.page import WebPage
from tests.support.shop_pages import MICRODATA, RDFA, json_ld, json_ld_offer, json_ld_product, meta_tags

URL = "https://www.shop.example/p/1?x=y"


def page(body: str, url: str = URL, head: str = "") -> WebPage:
    return WebPage(url, f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode())


def the_offer(body: str, url: str = URL, head: str = "") -> Offer:
    (offer,) = extract_offers(page(body, url, head))
    return offer


def priced(offer: Offer) -> str:
    return f"{offer.price} {offer.currency}"


def test_extract_offers_of_complete_product_reads_all_values() -> None:
    product = json_ld_product(
        json_ld_offer(
            "1.299,00",
            "eur",
            availability="https://schema.org/InStock",
            itemCondition="https://schema.org/RefurbishedCondition",
            seller={"@type": "Organization", "name": "Chip &amp; Yard"},
            url="/p/1?variant=2#top",
            shippingDetails=[
                {
                    "@type": "OfferShippingDetails",
                    "shippingRate": {"@type": "MonetaryAmount", "value": 9.9, "currency": "EUR"},
                },
                {
                    "@type": "OfferShippingDetails",
                    "shippingRate": {"@type": "MonetaryAmount", "value": "4,90", "currency": "EUR"},
                },
                {
                    "@type": "OfferShippingDetails",
                    "shippingRate": {"@type": "MonetaryAmount", "value": 1, "currency": "USD"},
                },
            ],
        ),
        name="  Dell OptiPlex 7060\n <b>i5-8500T</b> &quot;Micro&quot;\u0000 ",
        sku=4711,
        mpn="7060M",
        gtin13="4006381333931",
        brand={"@type": "Brand", "name": "Dell"},
        image=[
            "/a.jpg",
            {"@type": "ImageObject", "url": "https://cdn.example/b.jpg"},
            "javascript:alert(1)",
            "data:x",
            "/a.jpg",
        ],
        additionalProperty=[
            {"@type": "PropertyValue", "name": "Processor", "value": "Intel Core i5-8500T"},
            {"@type": "PropertyValue", "name": "RAM Size", "value": "16 GB"},
            {"@type": "PropertyValue", "name": "SSD Capacity", "value": "256 GB"},
            {"@type": "PropertyValue", "name": "Weight", "value": 1.2},
        ],
    )
    assert the_offer(json_ld(product)) == Offer(
        title='Dell OptiPlex 7060 i5-8500T "Micro"',
        url="https://www.shop.example/p/1?variant=2",
        marketplace="shop.example",
        source="json-ld",
        price=Decimal("1299.00"),
        currency="EUR",
        shipping=Decimal("4.90"),
        condition=Condition.REFURBISHED,
        status=ListingStatus.ACTIVE,
        seller="Chip & Yard",
        vendor_item_id="4711",
        brand="Dell",
        mpn="7060M",
        gtin="4006381333931",
        images=("https://www.shop.example/a.jpg", "https://cdn.example/b.jpg"),
        cpu="Intel Core i5-8500T",
        memory="16 GB",
        storage="256 GB",
        specs={"Processor": "Intel Core i5-8500T", "RAM Size": "16 GB", "SSD Capacity": "256 GB", "Weight": "1.2"},
    )
    assert the_offer(json_ld(product)).quality is Quality.FULL
    assert the_offer(json_ld(product)).is_active_price


GROUP_ID = "https://www.shop.example/p/1#group"


@pytest.mark.parametrize(
    "blocks",
    [
        [json_ld_product(json_ld_offer())],
        [[json_ld_product(json_ld_offer())]],
        [
            {
                "@context": "https://schema.org",
                "@graph": [{"@type": "WebSite", "name": "x"}, json_ld_product(json_ld_offer())],
            }
        ],
        [{"@graph": [{"@graph": [json_ld_product(json_ld_offer())]}]}],
        [{"@type": "WebPage", "mainEntity": json_ld_product(json_ld_offer())}],
        [
            {
                "@type": ["WebPage", "ItemPage"],
                "mainEntity": {"@type": "WebPageElement", "mainEntity": json_ld_product(json_ld_offer())},
            }
        ],
        [
            {
                "@graph": [
                    {"@type": "WebPage", "mainEntity": {"@id": "#p"}},
                    json_ld_product(json_ld_offer(), **{"@id": "#p"}),
                ]
            }
        ],
        [{"@graph": [json_ld_product({"@id": "#o"}), {**json_ld_offer(), "@id": "#o"}]}],
        [json_ld_product(json_ld_offer(), **{"@type": ["Product", "Vehicle"]})],
        [json_ld_product(json_ld_offer(), **{"@type": "http://schema.org/Product"})],
        [json_ld_product(json_ld_offer(), **{"@type": "schema:Product"})],
        [
            {
                "@type": "s:Product",
                "s:name": "Intel Core i5-8500T",
                "s:offers": {"@type": "s:Offer", "s:price": "99.90", "s:priceCurrency": "USD"},
            }
        ],
        [json_ld_product([json_ld_offer()])],
        [json_ld_product(json_ld_offer(99.9))],
        [json_ld_product(json_ld_offer("$99.90", None))],
        [
            json_ld_product(
                {
                    "@type": "Offer",
                    "priceSpecification": {"@type": "PriceSpecification", "price": 99.9, "priceCurrency": "USD"},
                }
            )
        ],
        [
            json_ld_product(
                {
                    "@type": "Offer",
                    "priceCurrency": "USD",
                    "priceSpecification": [
                        {"@type": "UnitPriceSpecification", "price": 49.9, "priceType": "https://schema.org/ListPrice"},
                        {"@type": "DeliveryChargeSpecification", "price": 1},
                        {"@type": "UnitPriceSpecification", "price": 9, "billingDuration": "P1M"},
                        {"@type": "UnitPriceSpecification", "price": "99.90"},
                    ],
                }
            )
        ],
        [{"@type": "Offer", "price": "99.90", "priceCurrency": "USD", "itemOffered": json_ld_product()}],
        ["{ broken", json_ld_product(json_ld_offer()), "", "[1, 2", "null", "7", '"text"'],
        [json.dumps(json_ld_product(json_ld_offer())) + "} trailing", json_ld_product(json_ld_offer())],
        ["/* a comment */ " + json.dumps(json_ld_product(json_ld_offer()))],
        ["<!-- -->" + json.dumps(json_ld_product(json_ld_offer()))],
        [json_ld_product(json_ld_offer()), json_ld_product(json_ld_offer())],
        [json_ld_product(), json_ld_product(json_ld_offer())],
        [json_ld_product(json_ld_offer()), json_ld_product(json_ld_offer("5"), name="A cooler", url="/p/2")],
        [
            json_ld_product(json_ld_offer(), isRelatedTo=json_ld_product(json_ld_offer("5"), name="A cooler")),
            {
                "@type": "ItemList",
                "itemListElement": [{"@type": "ListItem", "item": json_ld_product(json_ld_offer("6"), name="B")}],
            },
        ],
        [
            {
                "@graph": [
                    json_ld_product(json_ld_offer(), isSimilarTo={"@id": "#2"}),
                    json_ld_product(json_ld_offer("5"), name="A cooler", **{"@id": "#2"}),
                ]
            }
        ],
        [
            {
                "@graph": [
                    json_ld_product(json_ld_offer(), **{"@id": "#p"}),
                    {"@type": "Review", "itemReviewed": {"@id": "#p"}},
                ]
            }
        ],
        [json_ld_product(json_ld_offer(itemOffered={"@id": "#p"}), **{"@id": "#p"})],
        [json_ld_product(None, price="99.90", priceCurrency="USD")],
        [json_ld_product(json_ld_offer(seller=json_ld_product(json_ld_offer("5"))))],
    ],
)
def test_json_ld_product_is_found_in_common_structures(blocks: list[object]) -> None:
    offer = the_offer(f"<h1>Intel Core i5-8500T</h1>{json_ld(*blocks)}")
    assert (offer.title, priced(offer), offer.source) == ("Intel Core i5-8500T", "99.90 USD", "json-ld")


@pytest.mark.parametrize("kind", ["application/ld+json; charset=utf-8", "Application/LD+JSON", " application/ld+json "])
def test_json_ld_block_with_other_spelling_of_type_is_read(kind: str) -> None:
    assert (
        priced(the_offer(f'<script type="{kind}">{json.dumps(json_ld_product(json_ld_offer()))}</script>'))
        == "99.90 USD"
    )


STOCK, GONE = {"availability": "https://schema.org/InStock"}, {"availability": "https://schema.org/OutOfStock"}
PARTS = {"itemCondition": "https://schema.org/DamagedCondition"}


@pytest.mark.parametrize(
    ("offers", "price", "status"),
    [
        ([json_ld_offer("120"), json_ld_offer("100"), json_ld_offer("110")], "100.00 USD", "active"),
        (
            [
                json_ld_offer("120", "USD", **STOCK),
                json_ld_offer("100", "EUR", **STOCK),
                json_ld_offer("80", "GBP", **GONE),
            ],
            "100.00 EUR",
            "active",
        ),
        ([json_ld_offer("120", **GONE), json_ld_offer("130", **STOCK)], "130.00 USD", "active"),
        ([json_ld_offer("120", **GONE), json_ld_offer("100", **GONE)], "100.00 USD", "ended"),
        ([json_ld_offer("20", **PARTS), json_ld_offer("100")], "100.00 USD", "active"),
        ([json_ld_offer("120", "XXX"), json_ld_offer("130", "USD")], "130.00 USD", "active"),
        ([json_ld_offer("10 - 20"), json_ld_offer("130")], "130.00 USD", "active"),
        ([json_ld_offer(None), json_ld_offer("130")], "130.00 USD", "active"),
        (
            {"@type": "AggregateOffer", "lowPrice": "1.099,00", "highPrice": "1.499,00", "priceCurrency": "EUR"},
            "1099.00 EUR",
            "active",
        ),
        ({"@type": "AggregateOffer", "lowPrice": 99.5, "priceCurrency": "GBP", "offerCount": 3}, "99.50 GBP", "active"),
        ({"@type": "AggregateOffer", "lowPrice": 99, "price": 120, "priceCurrency": "GBP"}, "99.00 GBP", "active"),
        ({"@type": "AggregateOffer", "price": 120, "priceCurrency": "GBP"}, "120.00 GBP", "active"),
        (
            {
                "@type": "AggregateOffer",
                "lowPrice": 50,
                "priceCurrency": "USD",
                "offers": [json_ld_offer("50", **GONE), json_ld_offer("70", **STOCK)],
            },
            "70.00 USD",
            "active",
        ),
        (
            {
                "@type": "AggregateOffer",
                "lowPrice": 50,
                "priceCurrency": "CHF",
                "offers": [{"@type": "Offer", "price": 50}],
            },
            "50.00 CHF",
            "active",
        ),
        (
            {
                "@type": "AggregateOffer",
                "lowPrice": 50,
                "priceCurrency": "CHF",
                "offers": [{"@type": "Offer", "url": "/x"}],
            },
            "50.00 CHF",
            "active",
        ),
        (
            [{"@type": "AggregateOffer", "lowPrice": 90, "priceCurrency": "USD"}, json_ld_offer("100", "EUR")],
            "90.00 USD",
            "active",
        ),
        ({"lowPrice": "90", "priceCurrency": "USD"}, "90.00 USD", "active"),
    ],
)
def test_product_with_several_offers_uses_cheapest_available_offer(offers: object, price: str, status: str) -> None:
    offer = the_offer(json_ld(json_ld_product(offers)))
    assert (priced(offer), offer.status) == (price, status)


@pytest.mark.parametrize(
    "offers",
    [
        None,
        [],
        {},
        json_ld_offer(None, "USD"),
        json_ld_offer("", "EUR"),
        json_ld_offer("Call us", None),
        {"@type": "Offer"},
    ],
)
def test_offer_without_price_has_no_price(offers: object) -> None:
    offer = the_offer(json_ld(json_ld_product(offers)))
    assert (offer.price, offer.currency, offer.quality, offer.is_active_price) == (None, None, Quality.PARTIAL, False)


def test_offer_with_price_zero_has_that_price() -> None:
    assert priced(the_offer(json_ld(json_ld_product(json_ld_offer(0))))) == "0.00 USD"


@pytest.mark.parametrize("currency", ["XXX", "BTC", "points", None, "", 7])
def test_offer_with_unknown_currency_raises_error(currency: object) -> None:
    with pytest.raises(UnknownCurrency):
        extract_offers(page(json_ld(json_ld_product(json_ld_offer("99", currency)))))


@pytest.mark.parametrize("price", ["10 - 20", "-5", "1.2.3", -1])
def test_offer_with_ambiguous_price_raises_error(price: object) -> None:
    with pytest.raises(AmbiguousPrice):
        extract_offers(page(json_ld(json_ld_product(json_ld_offer(price)))))


def variant(name: str, price: str, **more: Any) -> dict[str, Any]:
    return json_ld_product(json_ld_offer(price), name=name, sku=name[-1], **more)


GROUP: dict[str, Any] = {
    "@type": "ProductGroup",
    "@id": GROUP_ID,
    "name": "OptiPlex",
    "brand": "Dell",
    "image": "/g.jpg",
    "hasVariant": [
        variant("OptiPlex A", "300"),
        variant("OptiPlex B", "200", url="/p/1?v=b"),
        variant("OptiPlex C", "100", url="/p/1?v=c"),
    ],
}


@pytest.mark.parametrize(
    "group",
    [
        GROUP,
        {"@graph": [GROUP]},
        {
            "@graph": [
                {**GROUP, "hasVariant": [{"@id": f"#{n}"} for n in range(3)]},
                *({**one, "@id": f"#{n}"} for n, one in enumerate(GROUP["hasVariant"])),
            ]
        },
        {
            "@graph": [
                {name: value for name, value in GROUP.items() if name != "hasVariant"},
                *({**one, "isVariantOf": {"@id": GROUP_ID}} for one in GROUP["hasVariant"]),
            ]
        },
    ],
)
def test_product_group_returns_offer_per_variant(group: dict[str, object]) -> None:
    """Each variant is an offer and inherits missing values from the group."""
    offers = extract_offers(page(json_ld(group)))
    assert [(offer.title, priced(offer), offer.vendor_item_id, offer.brand) for offer in offers] == [
        ("OptiPlex C", "100.00 USD", "C", "Dell"),
        ("OptiPlex B", "200.00 USD", "B", "Dell"),
        ("OptiPlex A", "300.00 USD", "A", "Dell"),
    ]
    assert all(offer.images == ("https://www.shop.example/g.jpg",) for offer in offers)
    (chosen,) = extract_offers(page(json_ld(group), "https://www.shop.example/p/1?v=b"))
    assert chosen.title == "OptiPlex B"


def test_product_group_with_own_offers_returns_one_offer() -> None:
    group = {**GROUP, "hasVariant": [], "offers": {"@type": "AggregateOffer", "lowPrice": 5, "priceCurrency": "EUR"}}
    assert priced(the_offer(json_ld(group))) == "5.00 EUR"


def test_variant_without_name_inherits_name_of_group() -> None:
    nameless = {"@type": "Product", "sku": "1", "offers": json_ld_offer("7")}
    assert the_offer(json_ld({**GROUP, "hasVariant": [nameless]})).title == "OptiPlex"


def test_page_with_several_products_raises_error() -> None:
    with pytest.raises(ExtractionError, match="2 products"):
        extract_offers(
            page(json_ld(json_ld_product(json_ld_offer(), name="A"), json_ld_product(json_ld_offer(), name="B")))
        )


@pytest.mark.parametrize("hint", ["<h1>B</h1>", '<meta property="og:title" content="b">', "<title> B </title>"])
def test_page_with_several_products_uses_the_one_in_the_heading(hint: str) -> None:
    in_head = not hint.startswith("<h1")
    products = json_ld(json_ld_product(json_ld_offer(), name="A"), json_ld_product(json_ld_offer(), name="B"))
    assert the_offer(products if in_head else hint + products, head=hint if in_head else "").title == "B"


def test_page_with_list_of_products_raises_error() -> None:
    listed = {"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": json_ld_product(json_ld_offer())}]}
    with pytest.raises(ExtractionError):
        extract_offers(page(json_ld(listed)))


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("microdata", MICRODATA),
        ("microdata", MICRODATA.replace('itemprop="price" content="129.50"', 'itemprop="price"')),
        ("microdata", MICRODATA.replace("https://schema.org", "http://schema.org")),
        ("rdfa", RDFA),
        ("rdfa", RDFA.replace("https://schema.org", "http://schema.org")),
    ],
)
def test_microdata_and_rdfa_products_are_read(source: str, body: str) -> None:
    offer = the_offer(body)
    assert (offer.title, priced(offer), offer.source) == ("Ryzen 5 5600G boxed", "129.50 EUR", source)
    assert (offer.condition, offer.status, offer.seller) == (Condition.USED, ListingStatus.ACTIVE, "chipyard")
    assert (offer.brand, offer.vendor_item_id, offer.images) == ("AMD", "R5", ("https://www.shop.example/r.jpg",))


def test_microdata_price_without_offer_is_read() -> None:
    body = '<p itemscope itemtype="http://schema.org/Product"><b itemprop=name>R5</b><b itemprop=price>$99</b></p>'
    assert priced(the_offer(body)) == "99.00 USD"


GRAPH = {"og__type": "product", "og__title": "Ryzen 5 5600G", "og__image": "https://cdn.example/r.jpg"}


@pytest.mark.parametrize(
    ("properties", "price"),
    [
        ({"product__price__amount": "129.50", "product__price__currency": "EUR"}, "129.50 EUR"),
        ({"og__price__amount": "129,50", "og__price__currency": "EUR"}, "129.50 EUR"),
        (
            {
                "product__price__amount": "150",
                "product__sale_price__amount": "129.50",
                "product__price__currency": "EUR",
            },
            "129.50 EUR",
        ),
        ({"product__price__amount": "$129.50"}, "129.50 USD"),
        ({}, "None None"),
    ],
)
def test_opengraph_product_is_read(properties: Mapping[str, str], price: str) -> None:
    more = {
        "product__condition": "refurbished",
        "product__availability": "out of stock",
        "product__retailer_item_id": "7",
    }
    offer = the_offer("", head=meta_tags(**GRAPH, **properties, **more))
    assert (offer.title, priced(offer), offer.source) == ("Ryzen 5 5600G", price, "opengraph")
    assert (offer.condition, offer.status, offer.vendor_item_id) == (Condition.REFURBISHED, ListingStatus.ENDED, "7")
    assert offer.images == ("https://cdn.example/r.jpg",)


def test_opengraph_article_returns_no_offer() -> None:
    article = page("", head=meta_tags(og__type="article", og__title="Ryzen reviewed"))
    assert OpenGraph().read_offers(article) == ()


def test_opengraph_with_unknown_currency_raises_error() -> None:
    with pytest.raises(UnknownCurrency):
        extract_offers(page("", head=meta_tags(**GRAPH, product__price__amount="5", product__price__currency="XXX")))


def test_later_adapter_fills_only_missing_values() -> None:
    head = meta_tags(
        og__type="product",
        og__title="Other title",
        og__image="/o.jpg",
        product__price__amount="5",
        product__price__currency="EUR",
    )
    offer = the_offer(json_ld(json_ld_product(brand="Intel")), head=head)
    assert (offer.title, priced(offer), offer.source, offer.brand) == (
        "Intel Core i5-8500T",
        "5.00 EUR",
        "json-ld",
        "Intel",
    )
    assert offer.images == ("https://www.shop.example/o.jpg",)
    offer = the_offer(json_ld(json_ld_product(json_ld_offer("99"))), head=head)
    assert (priced(offer), offer.images) == ("99.00 USD", ("https://www.shop.example/o.jpg",)), (
        "the first price remains"
    )


def test_later_adapter_supplies_price_with_currency() -> None:
    head = meta_tags(**GRAPH, product__price__amount="99", product__price__currency="EUR")
    assert priced(the_offer(json_ld(json_ld_product(json_ld_offer("99", None))), head=head)) == "99.00 EUR"


@pytest.mark.parametrize(
    "body",
    [
        '<h1>Ryzen 5</h1><span class="price">99,90 €</span>',
        '<h1>Ryzen 5</h1><div class="product-price"><span>99</span>,<span>90</span> €</div>',
        '<h1>Ryzen 5</h1><p id="price">EUR 99.90</p><p class="price--main">€ 99,90</p>',
        '<h1>Ryzen 5</h1><span class="price old">120 €</span><del><b class="price">120 €</b></del><b class="price">99,90 €</b>',
        '<h1>Ryzen 5</h1><b class="price">99,90 €</b><div class="related"><b class="price">5 €</b></div><nav class="x"><b class="price">7 €</b></nav>',
        '<h1>Ryzen 5</h1><b class="price">99,90 €</b><b class="price">call us</b><b class="shipping-price">4 €</b>',
        '<span itemprop="price" content="99.90 EUR"></span><h1>Ryzen 5</h1>',
    ],
)
def test_html_with_one_price_is_read(body: str) -> None:
    offer = the_offer(body, head="<title>Ryzen 5 | Shop</title>")
    assert (offer.title, priced(offer), offer.source) == ("Ryzen 5", "99.90 EUR", "html")


@pytest.mark.parametrize(
    "body",
    [
        '<b class="price">99 €</b><b class="price">120 €</b>',
        '<b class="price">99</b>',
        '<b class="price">99 € - 120 €</b>',
        "<p>99 €</p>",
        '<b class="old-price">99 €</b>',
        '<b class="price">99 €</b>' * 500,
    ],
)
def test_html_with_doubtful_price_has_no_price(body: str) -> None:
    button = '<button class="add-to-cart">Buy</button>'
    assert the_offer(f"<h1>Ryzen 5</h1>{body}{button}").price is None
    with pytest.raises(ExtractionError):
        extract_offers(page(f"<h1>Ryzen 5</h1>{body}"))


@pytest.mark.parametrize(
    "button",
    ["<button>Add to cart</button>", '<form action="/add_to_cart"></form>', '<input type=submit name="buy-now">'],
)
def test_html_with_buy_button_returns_offer_without_price(button: str) -> None:
    offer = the_offer(f"<h1>A</h1><h1>B</h1>{button}", head="<title>Ryzen 5</title>")
    assert (offer.title, offer.price, offer.quality) == ("Ryzen 5", None, Quality.PARTIAL)


def test_fallback_adapter_is_not_used_after_another_found_an_offer() -> None:
    assert the_offer(json_ld(json_ld_product()) + '<b class="price">5 €</b>').price is None
    with pytest.raises(UnknownCurrency):
        extract_offers(page(json_ld(json_ld_product(json_ld_offer("5", None))) + '<h1>x</h1><b class="price">5 €</b>'))


@pytest.mark.parametrize(
    "body", ["", "<h1>Just a moment...</h1>", "<title>Robot check</title>", "<p>text</p>", "\0", "<", "<!--"]
)
def test_page_without_offer_raises_error(body: str) -> None:
    with pytest.raises(ExtractionError):
        extract_offers(page(body))


@pytest.mark.parametrize("name", [None, "", "  ", "<b></b>", "\u0000", True, [], {}])
def test_product_without_name_raises_error(name: object) -> None:
    with pytest.raises(ExtractionError):
        extract_offers(page(json_ld(json_ld_product(json_ld_offer(), name=name))))


@pytest.mark.parametrize(
    ("title", "condition", "flags"),
    [
        ("Ryzen 5 3600 (Renewed)", Condition.REFURBISHED, set()),
        ("Ryzen 5 3600 for parts / not working", Condition.FOR_PARTS, set()),
        ("Lot of 5 Ryzen 5 3600", Condition.NEW, {ListingFlag.LOT}),
        ("Ryzen 5 3600 + B450 motherboard bundle", Condition.NEW, {ListingFlag.BUNDLE}),
    ],
)
def test_offer_of_other_than_one_working_item_has_no_active_price(
    title: str, condition: Condition, flags: set[ListingFlag]
) -> None:
    offer = the_offer(json_ld(json_ld_product(json_ld_offer(itemCondition="NewCondition"), name=title)))
    assert (offer.condition, set(offer.flags)) == (condition, flags)
    assert offer.is_active_price is (condition is Condition.REFURBISHED)


@pytest.mark.parametrize(
    ("stated_url", "url"),
    [
        ("/p/1?v=2#x", "https://www.shop.example/p/1?v=2"),
        ("https://shop.example/p/1", "https://shop.example/p/1"),
        ("https://elsewhere.example/p/1", URL),
        ("javascript:alert(1)", URL),
        ("https://user:password@www.shop.example/", URL),
        ("//[", URL),
        (7, URL),
        (None, URL),
    ],
)
def test_offer_url_is_on_the_host_of_the_page(stated_url: object, url: str) -> None:
    assert the_offer(json_ld(json_ld_product(json_ld_offer(url=stated_url)))).url == url


@pytest.mark.parametrize(
    ("url", "marketplace", "item"),
    [
        ("https://www.ebay.com/itm/123456789012?x=y", "ebay", "123456789012"),
        ("https://www.ebay.co.uk/itm/some-title/123456789012", "ebay", "123456789012"),
        ("https://www.amazon.com/Some-Title/dp/B07SXMZLPK/ref=x", "amazon", "B07SXMZLPK"),
        ("https://www.amazon.de/gp/product/B07SXMZLPK", "amazon.de", "B07SXMZLPK"),
        ("https://www.amazon.co.uk/dp/B07SXMZLPK?th=1", "amazon.co.uk", "B07SXMZLPK"),
        ("https://www.newegg.com/p/N82E16819113569", "newegg", "N82E16819113569"),
        ("https://shop.example/itm/123456789012", "shop.example", "sku"),
        ("https://notebay.com/itm/123456789012", "notebay.com", "sku"),
        ("https://ebay.com.evil.example/itm/123456789012", "ebay.com.evil.example", "sku"),
        ("https://store.ebay.de.evil/itm/123456789012", "store.ebay.de.evil", "sku"),
    ],
)
def test_marketplace_and_item_id_are_read_from_url(url: str, marketplace: str, item: str) -> None:
    offer = the_offer(json_ld(json_ld_product(json_ld_offer(), sku="sku")), url)
    assert (offer.marketplace, offer.vendor_item_id) == (marketplace, item)


def test_page_in_other_encoding_is_decoded() -> None:
    block = json.dumps(json_ld_product(json_ld_offer("5 \u00a3", None), name="\u00dcber"), ensure_ascii=False)
    html = f"<meta charset=iso-8859-1>{json_ld(block)}"
    (offer,) = extract_offers(WebPage(URL, html.encode("latin-1")))
    assert (offer.title, priced(offer)) == ("\u00dcber", "5.00 GBP")
    (offer,) = extract_offers(WebPage(URL, html.encode("utf-16")))
    assert offer.title == "\u00dcber"
    (offer,) = extract_offers(WebPage(URL, html.replace("iso-8859-1", "x").encode(), "text/html; charset=utf-8"))
    assert offer.title == "\u00dcber"


def test_page_of_other_media_type_raises_error() -> None:
    with pytest.raises(ExtractionError):
        extract_offers(WebPage(URL, json_ld(json_ld_product(json_ld_offer())).encode(), "application/json"))


def test_adapter_example_in_documentation_reads_an_offer() -> None:
    """Run the example in the docstring of `protocols`, before the other adapters."""
    assert protocols.__doc__ is not None
    (code,) = re.findall(r"^    class Acme:.*?(?=^\S)", protocols.__doc__, re.DOTALL | re.MULTILINE)
    namespace: dict[str, Any] = {
        "WebPage": WebPage,
        "Offer": Offer,
        "Sequence": Sequence,
        "parse_price": parse_price,
        "build_offer": build_offer,
        "RawOffer": RawOffer,
    }
    exec(textwrap.dedent(code), namespace)
    acme_page = page("<h1>Ryzen 5</h1><b id=ask>1.299,00</b>", "https://acme.example/7")
    (offer,) = extract_offers(acme_page, (namespace["Acme"](), *ADAPTERS))
    assert (offer.title, priced(offer), offer.source) == ("Ryzen 5", "1299.00 EUR", "acme")
