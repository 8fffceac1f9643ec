"""Shapes of files, pages, titles and small texts from clients and shops, with the functions that read them."""

from __future__ import annotations

import base64
import gzip
import zlib
from contextlib import suppress
from datetime import UTC, datetime

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.staging import _ChunkEncoder
from app.bulk_import.uploaded_file import UploadedFile
from app.core.global_ids import decode_global_id
from app.ingestion.extract.condition_parsing import parse_availability, parse_condition
from app.ingestion.extract.offer import clean_text, resolve_url
from app.ingestion.extract.pipeline import extract_offers
from app.ingestion.extract.price_parsing import parse_price, parse_shipping
from app.ingestion.fetch.decompression import create_decoder
from app.ingestion.fetch.errors import PageTooLarge
from app.ingestion.fetch.fetcher import parse_retry_after
from app.ingestion.fetch.page import WebPage
from app.ingestion.fetch.url_policy import AllowList
from app.ingestion.requests.import_requests import parse_target
from app.ingestion.requests.url_files import read_url_file
from app.market.title_flags import find_flags, is_broken
from app.titles.components import parse_components
from app.titles.cpu_names import parse_cpu_name
from app.titles.matcher import TitleMatcher
from app.valuation.rules_sql import OLDEST_FIRST
from tests.complexity.growth import ClientInput
from tests.complexity.shapes import numbered, reading, repeat, text_inputs
from tests.titles.catalog_names import NAMES

FILE = 512 * 1024
PAGE = 512 * 1024
TITLE = 256 * 1024
MATCHER = TitleMatcher((number, name, f"slug-{number}") for number, name in enumerate(NAMES))


def _read_csv(text: str) -> object:
    """Read a file of listings and encode its rows for PostgreSQL."""
    encoder: _ChunkEncoder[None] = _ChunkEncoder(
        CsvRecords(UploadedFile("a.csv", text.encode()), ("title", "price"), ("title",)), None
    )
    while encoder.next_chunk()[0]:
        pass
    return encoder.rows


CSV_INPUTS = [
    *text_inputs(
        "CSV",
        _read_csv,
        FILE,
        {
            "rows": lambda n: repeat("a,1\n", n, "title,price\n"),
            "blank lines": lambda n: repeat("\n", n, "title,price\n"),
            "blank lines before the header": lambda n: repeat("\n", n, end="title,price\n"),
            "cells of a row": lambda n: repeat("a,", n, "title,price\n"),
            "columns": lambda n: numbered("a#,", n, "title,", "\n"),
            "columns with the same name": lambda n: repeat("price,", n, "title,", "\n"),
            "a long cell": lambda n: repeat("a", n, "title,price\n"),
            "quoted cells": lambda n: repeat('"a",""""\n', n, "title,price\n"),
            "lines of a cell": lambda n: repeat("a\n", n, 'title,price\n"', '",1\n'),
            "lines of an open quote": lambda n: repeat("a\n", n, 'title,price\n"'),
            "open quotes": lambda n: repeat('"a\n', n, "title,price\n"),
            "rows that end a quote and open another": lambda n: repeat('a","b\n', n, "title,price\n"),
            "rows that end with a stray quote": lambda n: repeat('a","b\n', n, "title,price\n", 'a"b\n'),
            "backslashes": lambda n: repeat("\\a,1\n", n, "title,price\n"),
            "carriage returns": lambda n: repeat("a,1\r", n, "title,price\n"),
            "NUL characters": lambda n: repeat("\0,1\n", n, "title,price\n"),
        },
    ),
    *text_inputs(
        "file of URLs",
        lambda text: read_url_file(UploadedFile("a", text.encode())),
        FILE,
        {
            "rows": lambda n: repeat("https://shop.example/1\n", n, "url\n"),
            "rows that end a quote and open another": lambda n: repeat('a","b\n', n, "url\n"),
            "JSON": lambda n: repeat('{"url":"https://shop.example/1"},', n, "[", "{}]"),
            "JSON without URLs": lambda n: repeat("1,", n, "[", "1]"),
            "nested JSON": lambda n: "[" * n,
        },
    ),
]


def _page(body: str) -> str:
    return f"<html lang=en><head><title>CPU</title></head><body><h1>CPU</h1>{body}</body></html>"


def _json_ld(content: str) -> str:
    return _page(f'<script type="application/ld+json">{content}</script>')


def _read_page(text: str) -> object:
    return extract_offers(WebPage("https://shop.example/1", text.encode()))


_PRODUCT = '{"@type":"Product","name":"a#","offers":{"@type":"Offer","price":1,"priceCurrency":"USD"}}'
PAGE_INPUTS = [
    *text_inputs(
        "HTML",
        _read_page,
        PAGE,
        {
            "elements": lambda n: _page("<p>a</p>" * n),
            "nested elements": lambda n: _page("<div>" * n + "a"),
            "open tags": lambda n: _page("<a" * n),
            "open tags with spaces": lambda n: _page("<a " * n),
            "an open tag with quotes": lambda n: _page("<a " + '="' * n),
            "an open tag with mixed quotes": lambda n: _page("<a " + "=\"'" * n),
            "attributes": lambda n: _page("<a " + numbered("a#=1 ", n) + ">"),
            "attributes without values": lambda n: _page("<a " + "a " * n + ">"),
            "spaces in a tag": lambda n: _page("<a" + " " * n + ">"),
            "comments": lambda n: _page("<!-- -->" * n),
            "open comments": lambda n: _page("<!--" * n),
            "hyphens of a comment": lambda n: _page("<!--" + "-" * n),
            "scripts": lambda n: _page("<script>a</script>" * n),
            "open scripts": lambda n: _page("<script>" * n + "ld+json"),
            "scripts of another type": lambda n: _page('<script type="a">ld+json</script>' * n),
            "ends of scripts": lambda n: _page("<script>" + "</script" * n),
            "less-than signs": lambda n: _page("<" * n),
            "entities": lambda n: _page("&amp;" * n),
            "open entities": lambda n: _page("&" * n),
            "a long heading": lambda n: f"<h1>{'a ' * n}</h1>",
            "headings": lambda n: _page("<h1>a</h1>" * n),
            "prices": lambda n: _page('<b class="price">$1.00</b>' * n),
            "different prices": lambda n: _page(numbered('<b class="price">$#</b>', n)),
            "nested prices": lambda n: _page('<b class="price">' * n + "$1.00"),
            "long classes": lambda n: _page(f'<b class="{"price " * n}">$1.00</b>'),
            "buttons": lambda n: _page("<button>a</button>" * n),
            "OpenGraph properties": lambda n: _page(numbered('<meta property="og:a#" content="b">', n)),
            "an OpenGraph prefix": lambda n: (
                f'<html prefix="{numbered("a#: b ", n)}"><meta property="og:type" content="product">'
            ),
            "html elements": lambda n: "<html>" * n,
            "meta elements with a charset": lambda n: '<meta charset="a">' * n,
            "letters without a lower case of one character": lambda n: _page("\u0130" * n + "ld+json"),
        },
    ),
    *text_inputs(
        "microdata",
        _read_page,
        PAGE,
        {
            "items": lambda n: _page('<p itemscope itemtype="http://schema.org/Product"></p>' * n),
            "nested items": lambda n: _page('<p itemscope itemprop=a itemtype="http://schema.org/Product">' * n),
            "properties": lambda n: _page(
                '<p itemscope itemtype="http://schema.org/Product">' + "<b itemprop=name>a</b>" * n + "</p>"
            ),
            "nested properties": lambda n: _page(
                '<p itemscope itemtype="http://schema.org/Product">' + "<b itemprop=name>a" * n
            ),
            "references": lambda n: _page(
                numbered('<p id=i# itemscope itemref="i0 i1 i2" itemtype="http://schema.org/Product"></p>', n)
            ),
        },
    ),
    *text_inputs(
        "RDFa",
        _read_page,
        PAGE,
        {
            "items": lambda n: _page('<p vocab="http://schema.org/" typeof=Product></p>' * n),
            "nested items": lambda n: _page('<p vocab="http://schema.org/" property=a typeof=Product>' * n),
            "properties": lambda n: _page(
                '<p vocab="http://schema.org/" typeof=Product>' + "<b property=name>a</b>" * n
            ),
            "prefixes": lambda n: _page(f'<p typeof=Product prefix="{numbered("a#: b ", n)}">'),
        },
    ),
    *text_inputs(
        "JSON-LD",
        _read_page,
        PAGE,
        {
            "names": lambda n: _json_ld(numbered('"n#":1', n, "{", "}", ",")),
            "nested lists": lambda n: _json_ld("[" * n),
            "closed nested lists": lambda n: _json_ld("[" * n + "]" * n),
            "nested objects": lambda n: _json_ld('{"@graph":' * n + "1" + "}" * n),
            "products": lambda n: _json_ld(numbered(_PRODUCT, n, "[", "]", ",")),
            "products of a graph": lambda n: _json_ld(numbered(_PRODUCT, n, '{"@graph":[', "]}", ",")),
            "products with the same id": lambda n: _json_ld(
                repeat('{"@type":"Product","@id":"a","name":"a"},', n, "[", "{}]")
            ),
            "groups": lambda n: _json_ld(numbered('{"@type":"ProductGroup","@id":"g#","name":"a#"},', n, "[", "{}]")),
            "groups and variants": lambda n: _json_ld(
                numbered(
                    '{"@type":"ProductGroup","@id":"g#"},{"@type":"Product","isVariantOf":{"@id":"g#"}},', n, "[", "{}]"
                )
            ),
            "variants": lambda n: _json_ld(
                numbered('{"@type":"Product","name":"a#"}', n, '{"@type":"ProductGroup","hasVariant":[', "]}", ",")
            ),
            "offers": lambda n: _json_ld(
                repeat('{"@type":"Offer","price":"1"},', n, '{"@type":"Product","name":"a","offers":[', "{}]}")
            ),
            "products and elements": lambda n: _json_ld(numbered(_PRODUCT, n, "[", "]", ",")) + "<p></p>" * n,
            "variants of a described group": lambda n: _json_ld(
                repeat('{"@type":"Product","isVariantOf":{"@type":"ProductGroup","name":"a"}},', n, "[", "{}]")
            ),
            "references": lambda n: _json_ld(
                numbered('{"@id":"a#","@type":"Product","isRelatedTo":{"@id":"a0"}},', n, "[", "{}]")
            ),
            "types": lambda n: _json_ld(numbered('"a#"', n, '{"@type":[', "]}", ",")),
            "a long type": lambda n: _json_ld('{"@type":"' + "/" * n + '"}'),
            "a long price": lambda n: _json_ld('{"@type":"Product","name":"a","offers":{"price":' + "1" * n + "}}"),
            "a long name": lambda n: _json_ld('{"@type":"Product","name":"' + "<a " * n + '","offers":{"price":1}}'),
            "an invalid block": lambda n: _json_ld("{" + "// a\n" * n),
            "an invalid block with commas": lambda n: _json_ld("[1" + ",}" * n),
            "an invalid block with comments": lambda n: _json_ld("{" + "/* " * n),
            "blocks": lambda n: _page('<script type="application/ld+json">{"a":1}</script>' * n),
        },
    ),
    *text_inputs(
        "gzip",
        lambda text: _decompress(gzip.compress(text.encode()), "gzip"),
        4 * PAGE,
        {"a bomb": lambda n: "a" * n},
    ),
    ClientInput(
        "gzip: empty members", reading(lambda data: _decompress(data, "gzip")), lambda n: gzip.compress(b"") * n, 20_000
    ),
    ClientInput(
        "deflate: empty blocks",
        reading(lambda data: _decompress(data, "deflate")),
        lambda n: zlib.compress(b"", 0)[:2] + b"\0\0\0\xff\xff" * n,
        100_000,
    ),
]


def _decompress(data: bytes, encoding: str) -> object:
    decoder, output = create_decoder(encoding), bytearray()
    with suppress(PageTooLarge):
        for start in range(0, len(data), 16_384):
            decoder.feed(data[start : start + 16_384], output, PAGE)
        decoder.finish()
    return output


def _read_title(title: str) -> object:
    parse_components.cache_clear()
    condition = parse_condition(title, title)
    return MATCHER.match(title), parse_components(title), find_flags(title), is_broken(title), condition


TEXT_INPUTS = [
    *text_inputs(
        "title",
        _read_title,
        TITLE,
        {
            "words": lambda n: repeat("i5-8500t ", n),
            "digits": lambda n: repeat("8", n),
            "spaces": lambda n: repeat(" ", n),
            "signs": lambda n: repeat("-", n),
            "accents": lambda n: repeat("a\u0301", n),
            "bundles": lambda n: repeat("and+", n),
            "bundles with long words": lambda n: repeat("and-", n),
            "bundles of a board": lambda n: repeat("and-", n, "board "),
            "bundles with words": lambda n: repeat("with a ", n),
            "lots": lambda n: repeat("lot of (2", n),
            "sizes": lambda n: repeat("16gb/", n),
            "times": lambda n: repeat("2 x ", n),
            "graphics cards": lambda n: repeat("radeon rx 580 ", n),
            "refurbished": lambda n: repeat("refurbished", n),
            "broken": lambda n: repeat("no not ", n, end="working"),
            "systems": lambda n: repeat("windows ", n),
        },
    ),
    *text_inputs(
        "price",
        lambda text: (parse_price(text, "USD"), parse_shipping(text)),
        TITLE,
        {
            "digits": lambda n: repeat("1", n),
            "separators": lambda n: repeat("1,", n),
            "signs": lambda n: repeat("-$", n),
            "spaces": lambda n: repeat(" ", n, end="1"),
        },
    ),
    ClientInput("price: a large number", reading(lambda value: parse_price(value, "USD")), lambda n: 10**n, 4_000),
    *text_inputs(
        "text of a page",
        lambda text: (clean_text(text), resolve_url(text, "https://a.example"), parse_availability(text)),
        TITLE,
        {
            "tags": lambda n: repeat("<a", n),
            "entities": lambda n: repeat("&amp", n),
            "slashes": lambda n: repeat("/", n),
            "parents": lambda n: repeat("../", n),
            "colons": lambda n: repeat("a:", n),
        },
    ),
    *text_inputs(
        "URL",
        lambda text: parse_target(text, AllowList.from_entries([])),
        TITLE,
        {
            "labels": lambda n: repeat("a.", n, "https://", "example"),
            "a path": lambda n: repeat("/a", n, "https://a.example"),
            "letters to encode": lambda n: repeat("\u00e9", n, "https://a.example/"),
            "an international name": lambda n: repeat("\u00e9", n, "https://", ".example"),
            "digits": lambda n: repeat("1", n, "https://"),
        },
    ),
    *text_inputs(
        "Retry-After",
        lambda text: parse_retry_after(text, datetime(2026, 1, 1, tzinfo=UTC)),
        TITLE,
        {
            "digits": lambda n: repeat("1", n),
            "words": lambda n: repeat("a ", n),
            "parentheses": lambda n: repeat("(", n, "Wed, 21 Oct 2015 07:28:00 "),
            "commas": lambda n: repeat(",", n),
        },
    ),
    *text_inputs(
        "name of a CPU",
        lambda text: parse_cpu_name(1, text, "a"),
        TITLE,
        {
            "words": lambda n: repeat("i5-8500t ", n),
            "letters": lambda n: repeat("a ", n, "Intel "),
            "clocks": lambda n: repeat("2.1ghz ", n, "Intel Core i5-8500T @ "),
        },
    ),
    *text_inputs(
        "cursor",
        lambda text: OLDEST_FIRST.decode(text),
        TITLE,
        {
            "letters": lambda n: repeat("a", n),
            "nested lists": lambda n: base64.urlsafe_b64encode(b"[" * n).decode(),
            "a long number": lambda n: base64.urlsafe_b64encode(b"[1," + b"1" * n + b"]").decode(),
        },
    ),
    *text_inputs(
        "global id",
        decode_global_id,
        TITLE,
        {
            "letters": lambda n: base64.b64encode(b"A" * n + b":1").decode(),
            "digits": lambda n: base64.b64encode(b"CPU:1" + b"1" * n).decode(),
        },
    ),
]

FILE_INPUTS = [*CSV_INPUTS, *PAGE_INPUTS, *TEXT_INPUTS]
