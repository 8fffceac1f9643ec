"""The three syntaxes of schema.org in HTML, read by extruct, each within bounds that keep hostile pages cheap."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import lxml.etree
from extruct.jsonld import JsonLdExtractor
from extruct.rdfa import RDFaExtractor
from extruct.utils import parse_xmldom_html
from extruct.w3cmicrodata import MicrodataExtractor

from app.ingestion.extract.html_scanner import scripts
from app.ingestion.extract.offer import Offer
from app.ingestion.extract.offer_builder import extracted
from app.ingestion.extract.schema_org import read_products
from app.ingestion.fetch.page import HTML_TYPES, Page

# JSON-LD: broken blocks are parsed once more in Python, which takes a second per million characters.
MOST_BLOCKS = 60
LONGEST_BLOCK = 1_000_000  # characters, of one and of all that are broken
# Microdata and RDFa: the time goes with the product of elements and nesting.
MOST_ITEMS = 500
MOST_PROPERTIES = 2_000
MOST_REFERENCES = 5  # elements with itemref, and ids in each
MOST_REFERRED_PROPERTIES = 300  # of a page with references, each of which is followed anew
MOST_WORK = 3_000_000  # characters in all properties together, see `_is_little_work`
ELEMENT_WORK = 50  # one element takes as long as so many characters
MOST_RDFA_ELEMENTS = 10_000
LONGEST_RDFA_NAMES = 30_000  # characters in all attributes that name types and properties
LONGEST_RDFA_PREFIXES = 4_000

CHARACTERS = lxml.etree.XPath("string-length(.)")
DESCENDANTS = lxml.etree.XPath("count(descendant::*)")


class JsonLd:
    """Product in script blocks. One broken block does not hide the others."""

    name = "json-ld"
    guesses = False

    def matches(self, page: Page) -> bool:
        """Any page with such a block."""
        return page.media_type in HTML_TYPES and "ld+json" in page.text.lower()

    def read(self, page: Page) -> Sequence[Offer]:
        """See `read_products`."""
        return read_products(page, self.name, self._items(page))

    def _items(self, page: Page) -> Iterator[Any]:
        plain = self._plain_items(page)
        yield from self._items_of_tree(page) if plain is None else plain

    def _plain_items(self, page: Page) -> list[Any] | None:
        """The items of a page whose blocks are all proper, without its tree; None for other pages."""
        blocks = scripts(page.text, "ld+json")
        if not blocks:
            return None
        items: list[Any] = []
        left = 2 * LONGEST_BLOCK
        for block in blocks[:MOST_BLOCKS]:
            if len(block) > min(left, LONGEST_BLOCK):
                continue
            left -= len(block)
            try:
                read = json.loads(block, strict=False)
            except (ValueError, RecursionError):
                return None  # extruct mends some of these
            items += read if isinstance(read, list) else [read]
        return [item for item in items if item]

    def _items_of_tree(self, page: Page) -> Iterator[Any]:
        blocks = page.tree.xpath("//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]")
        left = 2 * LONGEST_BLOCK
        for block in blocks[:MOST_BLOCKS]:
            length = len(block.text or "")
            if length > min(left, LONGEST_BLOCK):
                continue
            left -= length
            block.set("type", "application/ld+json")  # the only spelling that extruct knows
            yield from extracted(page, self.name, partial(JsonLdExtractor().extract_items, block))


class Microdata:
    """itemscope, itemtype, itemprop."""

    name = "microdata"
    guesses = False

    def matches(self, page: Page) -> bool:
        """A page with a product or an offer in it that is not too entangled."""
        if page.media_type not in HTML_TYPES or "itemtype" not in page.text:
            return False
        items, properties, references = (
            page.tree.xpath(path) for path in ("//*[@itemscope]", "//*[@itemprop]", "//*[@itemref]")
        )
        most = MOST_REFERRED_PROPERTIES if references else MOST_PROPERTIES
        few = len(items) <= MOST_ITEMS and len(properties) <= most and len(references) <= MOST_REFERENCES
        return few and _is_little_work(properties)

    def read(self, page: Page) -> Sequence[Offer]:
        """See `read_products`."""
        for element in page.tree.xpath("//*[@itemref]"):
            element.set("itemref", " ".join(list(dict.fromkeys(element.get("itemref").split()))[:MOST_REFERENCES]))
        items = extracted(page, self.name, lambda: MicrodataExtractor().extract_items(page.tree, page.url))
        return read_products(page, self.name, [_as_linked_data(item, 0) for item in items])


class Rdfa:
    """typeof, property, vocab."""

    name = "rdfa"
    guesses = False

    def matches(self, page: Page) -> bool:
        """A page that is not too large, with something typed in it."""
        if page.media_type not in HTML_TYPES or "typeof" not in page.text or page.elements > MOST_RDFA_ELEMENTS:
            return False
        kinds = " ".join(page.tree.xpath("//@typeof"))
        names = len(kinds) + sum(map(len, page.tree.xpath("//@property | //@rel | //@rev | //@vocab")))
        prefixes = sum(map(len, page.tree.xpath("//@prefix | //@*[starts-with(name(), 'xmlns')]")))
        if names > LONGEST_RDFA_NAMES or prefixes > LONGEST_RDFA_PREFIXES:
            return False
        if "Product" not in kinds and "Offer" not in kinds:
            return False
        properties = page.tree.xpath("//*[@property or @typeof or @rel or @rev]")
        return len(properties) <= MOST_PROPERTIES and _is_little_work(properties)

    def read(self, page: Page) -> Sequence[Offer]:
        """See `read_products`."""
        return read_products(page, self.name, extracted(page, self.name, lambda: self._items(page)))

    def _items(self, page: Page) -> list[Any]:
        tree = parse_xmldom_html(page.text.encode("utf-8", "replace").replace(b"\0", b""), encoding="utf-8")
        found: list[Any] = RDFaExtractor().extract_items(tree, base_url=page.url)
        return found


def _is_little_work(elements: Sequence[Any]) -> bool:
    """Whether all these can be read in a second or so. Each is read with all that is in it: nested ones count twice."""
    work = 0.0
    for element in elements:
        work += CHARACTERS(element) + ELEMENT_WORK * (1 + DESCENDANTS(element))
        if work > MOST_WORK:
            return False
    return True


def _as_linked_data(item: Any, depth: int) -> Any:
    """Items of microdata in the shape of JSON-LD."""
    if isinstance(item, list):
        return [_as_linked_data(one, depth + 1) for one in item]
    if not isinstance(item, dict) or depth > 60:
        return item if isinstance(item, str) else None
    node = {name: _as_linked_data(value, depth + 1) for name, value in item.get("properties", {}).items()}
    return {**node, "@type": item.get("type", []), **({"@id": item["id"]} if "id" in item else {})}
