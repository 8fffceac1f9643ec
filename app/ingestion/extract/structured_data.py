"""Adapters for the three syntaxes of schema.org in HTML: JSON-LD, microdata and RDFa.

extruct does the parsing. Each adapter checks limits first, so that hostile pages do not take long.
"""

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

from app.ingestion.extract.html_scanner import find_scripts
from app.ingestion.extract.offer import Offer
from app.ingestion.extract.offer_builder import run_extractor
from app.ingestion.extract.schema_org import read_products
from app.ingestion.fetch.page import HTML_TYPES, WebPage

# JSON-LD: extruct parses invalid blocks again in Python, which takes a second per million characters.
MAX_BLOCKS = 60
MAX_BLOCK_LENGTH = 1_000_000  # characters of one block; all blocks together may have twice as many
# Microdata and RDFa: the time grows with the number of elements times their nesting depth.
MAX_ITEMS = 500
MAX_PROPERTIES = 2_000
MAX_REFERENCES = 5  # elements with itemref, and ids in each
MAX_PROPERTIES_WITH_REFERENCES = 300  # on a page with itemref; extruct follows each reference again
MAX_WORK = 3_000_000  # see `_is_little_work`
ELEMENT_WORK = 50  # one element takes as long as this number of characters
MAX_RDFA_ELEMENTS = 10_000
MAX_RDFA_NAMES_LENGTH = 30_000  # characters of all attributes that name types and properties
MAX_RDFA_PREFIXES_LENGTH = 4_000

CHARACTERS = lxml.etree.XPath("string-length(.)")
DESCENDANTS = lxml.etree.XPath("count(descendant::*)")


class JsonLd:
    """Adapter for products in JSON-LD script blocks. An invalid block does not hide the others."""

    name = "json-ld"
    is_fallback = False

    def can_read(self, page: WebPage) -> bool:
        """Accept HTML pages with a JSON-LD block."""
        return page.media_type in HTML_TYPES and "ld+json" in page.text.lower()

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return the offers of the page's product. Raises like `read_products`."""
        return read_products(page, self.name, self._items(page))

    def _items(self, page: WebPage) -> Iterator[Any]:
        items = self._items_from_text(page)
        yield from self._items_from_tree(page) if items is None else items

    def _items_from_text(self, page: WebPage) -> list[Any] | None:
        """Return the items without building the tree, None if a block is invalid or not clearly delimited."""
        blocks = find_scripts(page.text, "ld+json")
        if not blocks:
            return None
        items: list[Any] = []
        remaining = 2 * MAX_BLOCK_LENGTH
        for block in blocks[:MAX_BLOCKS]:
            if len(block) > min(remaining, MAX_BLOCK_LENGTH):
                continue
            remaining -= len(block)
            try:
                content = json.loads(block, strict=False)
            except (ValueError, RecursionError):
                return None  # extruct repairs some of these blocks
            items += content if isinstance(content, list) else [content]
        return [item for item in items if item]

    def _items_from_tree(self, page: WebPage) -> Iterator[Any]:
        blocks = page.tree.xpath("//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]")
        remaining = 2 * MAX_BLOCK_LENGTH
        for block in blocks[:MAX_BLOCKS]:
            length = len(block.text or "")
            if length > min(remaining, MAX_BLOCK_LENGTH):
                continue
            remaining -= length
            block.set("type", "application/ld+json")  # the only value that extruct accepts
            yield from run_extractor(page, self.name, partial(JsonLdExtractor().extract_items, block))


class _MicrodataExtractor(MicrodataExtractor):  # type: ignore[misc]
    """extruct's extractor with XPath objects of its own.

    lxml locks an XPath object while it is evaluated. If a deeply nested page exceeds the recursion limit, the lock can
    stay locked. extruct shares the objects between extractors, so that all later pages would wait for it.
    """

    def __init__(self) -> None:
        super().__init__()
        namespaces = {"set": "http://exslt.org/sets"}
        for name in ("_xp_item", "_xp_prop", "_xp_clean_text"):
            setattr(self, name, lxml.etree.XPath(getattr(MicrodataExtractor, name).path, namespaces=namespaces))


class Microdata:
    """Adapter for microdata (itemscope, itemtype, itemprop)."""

    name = "microdata"
    is_fallback = False

    def can_read(self, page: WebPage) -> bool:
        """Accept HTML pages with typed items, within limits that keep the extraction fast."""
        if page.media_type not in HTML_TYPES or "itemtype" not in page.text:
            return False
        items, properties, references = (
            page.tree.xpath(path) for path in ("//*[@itemscope]", "//*[@itemprop]", "//*[@itemref]")
        )
        max_properties = MAX_PROPERTIES_WITH_REFERENCES if references else MAX_PROPERTIES
        is_small = len(items) <= MAX_ITEMS and len(properties) <= max_properties and len(references) <= MAX_REFERENCES
        return is_small and _is_little_work(properties)

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return the offers of the page's product. Raises like `read_products`."""
        for element in page.tree.xpath("//*[@itemref]"):
            element.set("itemref", " ".join(list(dict.fromkeys(element.get("itemref").split()))[:MAX_REFERENCES]))
        items = run_extractor(page, self.name, lambda: _MicrodataExtractor().extract_items(page.tree, page.url))
        return read_products(page, self.name, [_to_json_ld(item, 0) for item in items])


class Rdfa:
    """Adapter for RDFa (typeof, property, vocab)."""

    name = "rdfa"
    is_fallback = False

    def can_read(self, page: WebPage) -> bool:
        """Accept HTML pages with a product or an offer, within limits that keep the extraction fast."""
        if page.media_type not in HTML_TYPES or "typeof" not in page.text or page.element_count > MAX_RDFA_ELEMENTS:
            return False
        types = " ".join(page.tree.xpath("//@typeof"))
        names = len(types) + sum(map(len, page.tree.xpath("//@property | //@rel | //@rev | //@vocab")))
        prefixes = sum(map(len, page.tree.xpath("//@prefix | //@*[starts-with(name(), 'xmlns')]")))
        if names > MAX_RDFA_NAMES_LENGTH or prefixes > MAX_RDFA_PREFIXES_LENGTH:
            return False
        if "Product" not in types and "Offer" not in types:
            return False
        properties = page.tree.xpath("//*[@property or @typeof or @rel or @rev]")
        return len(properties) <= MAX_PROPERTIES and _is_little_work(properties)

    def read_offers(self, page: WebPage) -> Sequence[Offer]:
        """Return the offers of the page's product. Raises like `read_products`."""
        return read_products(page, self.name, run_extractor(page, self.name, lambda: self._items(page)))

    def _items(self, page: WebPage) -> list[Any]:
        tree = parse_xmldom_html(page.text.encode("utf-8", "replace").replace(b"\0", b""), encoding="utf-8")
        items: list[Any] = RDFaExtractor().extract_items(tree, base_url=page.url)
        return items


def _is_little_work(elements: Sequence[Any]) -> bool:
    """Whether extruct can read the elements in about a second.

    extruct reads each element with everything inside, so the content of nested elements counts several times.
    """
    work = 0.0
    for element in elements:
        work += CHARACTERS(element) + ELEMENT_WORK * (1 + DESCENDANTS(element))
        if work > MAX_WORK:
            return False
    return True


def _to_json_ld(item: Any, depth: int) -> Any:
    """Convert items of microdata to the structure of JSON-LD."""
    if isinstance(item, list):
        return [_to_json_ld(value, depth + 1) for value in item]
    if not isinstance(item, dict) or depth > 60:
        return item if isinstance(item, str) else None
    node = {name: _to_json_ld(value, depth + 1) for name, value in item.get("properties", {}).items()}
    return {**node, "@type": item.get("type", []), **({"@id": item["id"]} if "id" in item else {})}
