"""Hostile pages: every adapter returns offers or raises a documented error, within limited time."""

# ruff: noqa: E501 - HTML has long lines

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ingestion.extract.offer import MAX_FIELD_LENGTH, MAX_IMAGES, MAX_SPECS, MAX_TITLE_LENGTH, Offer
from app.ingestion.extract.pipeline import ADAPTERS, extract_offers
from app.ingestion.extract.price_parsing import CURRENCY_CODES
from app.ingestion.fetch.errors import ExtractionError
from app.ingestion.fetch.page import WebPage
from tests.support.paths import ROOT
from tests.support.shop_pages import MICRODATA, RDFA, json_ld, json_ld_offer, json_ld_product, meta_tags

URL = "https://shop.example/p"
SEED = 7
MILLION = 1_000_000


def check(body: bytes | str, content_type: str = "text/html", url: str = URL) -> list[Offer]:
    """Read a page with every adapter and check the offers."""
    page = WebPage(url, body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"), content_type)
    offers: list[Offer] = []
    for read in (extract_offers, *(adapter.read_offers for adapter in ADAPTERS if _matches(adapter, page))):
        try:
            offers += read(page)
        except ExtractionError:
            continue
    for offer in offers:
        texts = [
            offer.title,
            offer.seller,
            offer.vendor_item_id,
            offer.brand,
            offer.mpn,
            offer.gtin,
            *offer.specs,
            *offer.specs.values(),
        ]
        assert 0 < len(offer.title) <= MAX_TITLE_LENGTH
        assert all(
            text is None or (text and text.isprintable() and len(text) <= max(MAX_TITLE_LENGTH, MAX_FIELD_LENGTH))
            for text in texts
        )
        "".join(text or "" for text in texts).encode()
        assert len(offer.images) <= MAX_IMAGES
        assert len(offer.specs) <= MAX_SPECS
        assert all(re.match(r"https?://[^\s]+$", address) for address in (offer.url, *offer.images))
        assert offer.currency in CURRENCY_CODES | {None}
        assert offer.price is None or 0 <= offer.price < 10**10
        assert offer.quality
    return offers


def _matches(adapter: Any, page: WebPage) -> bool:
    try:
        return bool(adapter.can_read(page))
    except ExtractionError:
        return False


HOSTILE = {
    "deep elements": "<div>" * MILLION,
    "deep and wide": "<div><b>x</b>" * 200_000,
    "attributes": "<div " + " ".join(f"a{n}" for n in range(MILLION // 2)) + ">",
    "attributes behind quotes": "<div " + " ".join(f'a{n}=">"' for n in range(MILLION // 4)) + ">",
    "attributes behind slashes": "<div" + "/a" * MILLION + ">",
    "many prices": '<b class="price">5 €</b>' * 100_000,
    "different prices": "".join(f'<b class="price">{n} x {n} €</b>' for n in range(50_000)),
    "nested prices": '<b class="price">' * 250 + "5 €" * 50_000,
    "open comment": "<!--" * MILLION,
    "angle brackets": "<" * 3 * MILLION,
    "entities": "&amp;" * MILLION,
    "deep objects": json_ld('{"a":' * 150_000 + "1" + "}" * 150_000),
    "deep lists": json_ld("[" * 900_000),
    "deep product": json_ld('{"@type":"Product","name":"x","offers":' * 5000 + "1" + "}" * 5000),
    "broken block": json_ld('{"@type":"Product","a":"' + "x/" * 400_000),
    "comments in a block": json_ld("/*" * 400_000),
    "broken blocks": json_ld("/" * 50_000) * 60,
    "many blocks": json_ld(json_ld_product(json_ld_offer())) * 10_000,
    "many products": json_ld([json_ld_product(json_ld_offer(), name=f"p{n}") for n in range(4000)]),
    "many offers": json_ld(json_ld_product([json_ld_offer(n) for n in range(9000)])),
    "circles": json_ld({"@graph": [{"@type": "ProductGroup", "@id": f"#{n}", "name": "x", "hasVariant": [{"@id": f"#{m}"} for m in range(80)],
                                   "isVariantOf": {"@id": f"#{n - 1}"}} for n in range(200)]}),
    "refers to itself": json_ld({"@type": "Product", "@id": "#a", "name": {"@id": "#a"}, "offers": {"@id": "#a"}, "brand": {"@id": "#a"}}),
    "huge numbers": json_ld(json_ld_product(json_ld_offer("9" * 400_000)), '{"@type":"Product","name":' + "9" * 5000 + "}"),
    "not numbers": json_ld('{"@type":"Product","name":"x","offers":{"price":NaN,"priceCurrency":"USD"}}',
                          '{"@type":"Product","name":"x","offers":{"price":1e999,"priceCurrency":"USD"}}'),
    "half a character": json_ld('{"@type":"Product","name":"\\ud800 x \\u0000","sku":"\\udfff","offers":{"price":"1","priceCurrency":"USD"}}'),
    "wrong types": json_ld({"@type": 7, "name": []}, {"@type": [None, {}], "offers": 3}, json_ld_product([[json_ld_offer()], "x", 7, None], name={"a": 1}, image={}),
                          json_ld_product({"@type": "AggregateOffer", "offers": "x", "lowPrice": []}, brand=[[]], additionalProperty="x"),
                          {"@graph": "x"}, {"@graph": {"@graph": 7}}, {"@value": json_ld_product()}, {"@type": "ProductGroup", "name": "x", "hasVariant": 7}),
    "a title of a million": json_ld(json_ld_product(json_ld_offer(), name="a&lt;b&gt;" * 100_000, sku="x" * MILLION)),
    "nested items": "<div itemscope itemtype=https://schema.org/Product itemprop=x>" * 240,
    "many properties": "<div itemscope itemtype=https://schema.org/Product>" + "<b itemprop=name>x</b>" * 1990,
    "more properties": "<div itemscope itemtype=https://schema.org/Product>" + "<b itemprop=name>x</b>" * 100_000,
    "nested properties": "<div itemscope itemtype=https://schema.org/Product>" + "<div itemprop=name>" * 240 + "<i>x</i>" * 100_000,
    "references that are few": "".join(f"<div itemscope itemtype=https://schema.org/Product itemref='{' '.join(f'a{n}' for n in range(9))}'></div>" for _ in range(5))
    + "".join(f"<p id=a{n}>" for n in range(9)) + "<b itemprop=name>x</b>" * 280,
    "references": ("<div itemscope itemtype=https://schema.org/Product itemref='" + "a " * 10_000 + "'></div>") * 9 + "<p id=a>" + "<b itemprop=name>x</b>" * 1900,
    "references in a circle": "<div itemscope itemtype=https://schema.org/Product itemref=a id=b></div><div id=a itemref=b itemscope itemprop=offers></div>",
    "long itemprop": "<div itemscope itemtype=Product itemprop='" + "name " * MILLION + "'>x</div>",
    "rdfa nested": "<div vocab='https://schema.org/' typeof=Product>" + "<div property=name>" * 240 + "x" * 100_000,
    "rdfa types": "<div vocab='https://schema.org/' typeof='Product " + " ".join(f"a:b{n}" for n in range(100_000)) + "'>x",
    "rdfa prefixes": "<div prefix='" + " ".join(f"a{n}: http://x/{n}" for n in range(100_000)) + "' typeof='schema:Product'>x",
    "rdfa namespaces": "<div " + " ".join(f"xmlns:a{n}='http://x/{n}'" for n in range(200)) + " typeof='schema:Product'>" + "<b property=a1:b>c</b>" * 1000,
    "many metas": "<head>" + "<meta property='og:title' content='x'>" * 100_000,
    "long prefix": "<html prefix='" + "a" * 3 * MILLION + "'><head><meta property=og:type content=product><meta property=og:title content=x>",
    "many headings": "<h1>x" * 300_000 + "<b class=price>5 €</b>",
    "encodings": "<meta charset=utf-7>" + "+AGE-" * MILLION,
    "encoding that takes hours": "<meta charset=punycode>" + "a" * MILLION + "-" + "a" * MILLION,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_extraction_of_hostile_page_finishes_in_time(name: str) -> None:
    check(HOSTILE[name])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"\xff\xfe<\0",
        bytes(range(256)) * 1000,
        b"<?xml version='1.0' encoding='utf-16'?><p>x",
        b"\xef\xbb\xbf",
    ],
)
@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        *(
            f"text/html; charset={name}"
            for name in ("utf-16", "nonsense", "base64", "idna", "undefined", "unicode_escape")
        ),
        "application/json",
        "",
    ],
)
def test_extraction_of_arbitrary_bytes_raises_documented_errors_only(body: bytes, content_type: str) -> None:
    check(body, content_type)
    check(body, content_type, "https://www.ebay.com/itm/112259821206")


def test_extraction_opens_no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDFa vocabularies, JSON-LD contexts, HTML frames and entities could be fetched, but are not."""
    asked: list[object] = []

    def record(*arguments: object, **_named: object) -> None:
        asked.append(arguments)
        raise OSError

    monkeypatch.setattr(socket.socket, "connect", record)
    monkeypatch.setattr(socket, "getaddrinfo", record)
    elsewhere = RDFA.replace("https://schema.org/", "http://127.0.0.1:1/vocabulary/")
    profile = "<html xmlns:a='http://127.0.0.1:1/' version='XHTML+RDFa 1.0' profile='http://127.0.0.1:1/'><base href='http://127.0.0.1:1/'>"
    document = "<!DOCTYPE html SYSTEM 'http://127.0.0.1:1/x.dtd' [<!ENTITY e SYSTEM 'http://127.0.0.1:1/'>]>"
    context = json_ld(json_ld_product(json_ld_offer(), **{"@context": "http://127.0.0.1:1/context"}))
    offers = check(
        f"{document}{profile}&e;<iframe src='http://127.0.0.1:1/'></iframe>{elsewhere}{RDFA}{MICRODATA}{context}"
    )
    assert {"json-ld", "rdfa", "microdata"} <= {offer.source for offer in offers}
    assert asked == []


WHOLE = f"""<!doctype html><html lang="en-US"><head>{meta_tags(og__type="product", og__title="R", product__price__amount="5")}
</head><body><h1>R</h1><b class="price">$5</b>{json_ld(json_ld_product(json_ld_offer(), sku="1", image="/x"))}{MICRODATA}{RDFA}</body></html>"""


def test_extraction_of_mutated_page_raises_documented_errors_only() -> None:
    """Remove, duplicate and exchange parts of a page."""
    chance = random.Random(SEED)
    for _ in range(150):
        text = WHOLE
        for _ in range(chance.randrange(1, 6)):
            start, end = sorted((chance.randrange(len(text)), chance.randrange(len(text))))
            end = min(end, start + chance.choice((1, 5, 60, 400)))
            piece = chance.choice(("", text[start:end] * 2, chance.choice("<>\"'&{}[],:\0"), "\ufffd"))
            text = text[:start] + piece + text[end:]
        check(text)


KEYS = st.sampled_from(
    ["@type", "@id", "@graph", "name", "offers", "price", "priceCurrency", "lowPrice", "availability", "itemCondition", "url", "image", "brand",
     "seller", "hasVariant", "isVariantOf", "mainEntity", "itemOffered", "priceSpecification", "shippingDetails", "shippingRate", "value",
     "additionalProperty", "sku", "@value"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["Product", "ProductGroup", "Offer", "AggregateOffer", "USD", "XXX", "9.99", "1.299,00 €", "#a", "#b", "/x", "InStock", "https://schema.org/Product"]),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=7)),
    max_leaves=40,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=8), TREES)
def test_extraction_of_arbitrary_json_ld_raises_documented_errors_only(node: dict[str, object], other: object) -> None:
    check(json_ld(json.dumps({**node, "@type": "Product", "name": "x"}), json.dumps(node), json.dumps(other)))


@settings(deadline=None)
@given(TREES)
def test_extraction_of_arbitrary_ebay_item_raises_documented_errors_only(item: object) -> None:
    body = json.dumps(
        {
            "title": "x",
            "price": item,
            "seller": item,
            "localizedAspects": item,
            "shippingOptions": item,
            "image": item,
            "lotSize": item,
        }
    )
    check(body, "application/json", "https://www.ebay.com/itm/112259821206")
    check(json.dumps({"items": item}), "application/json", "https://www.ebay.com/itm/112259821206")


PIECES = [
    "<",
    ">",
    "/",
    "=",
    '"',
    "'",
    "&",
    ";",
    "abc",
    "<div",
    "itemscope",
    "itemtype=Product",
    "itemprop=name",
    "itemprop=offers",
    "typeof=Product",
    "property=name",
    "<h1>",
    "class=price>",
    "5€",
    "</div>",
    "<script",
    "type=application/ld+json>",
    '{"@type":"Product"}',
    "{",
    "}",
    "og:type",
    "<meta",
    "content=product",
    "itemref=a",
    "id=a",
    "<b>",
    "</script>",
    "lang=",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "\0", "\n"]), max_size=80))
def test_extraction_of_arbitrary_html_raises_documented_errors_only(pieces: list[str]) -> None:
    check(" ".join(pieces))
    check("".join(pieces))


NESTED_MICRODATA = """
import faulthandler
from contextlib import suppress
from app.ingestion.extract.structured_data import Microdata
from app.ingestion.fetch.errors import ExtractionError
from app.ingestion.fetch.page import WebPage

def read_at_depth(depth):
    if depth:
        read_at_depth(depth - 1)
    else:
        with suppress(ExtractionError):
            Microdata().read_offers(WebPage("https://shop.example/p", body))

faulthandler.dump_traceback_later(60, exit=True)
body = b"<div itemscope itemtype=https://schema.org/Product itemprop=x>" * 240
for depth in range(20, 50):  # the limit is reached at different points of the extraction
    read_at_depth(depth)
"""


def test_microdata_beyond_the_recursion_limit_does_not_block_later_pages() -> None:
    """In a process of its own, because a thread that waits for a lock of lxml cannot be interrupted."""
    command = [sys.executable, "-c", NESTED_MICRODATA]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "RecursionError" in process.stdout
