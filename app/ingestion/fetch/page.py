"""A fetched page and the views of it that adapters read. Each view is computed once, on first use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import lxml.etree
import lxml.html
from w3lib.encoding import html_body_declared_encoding, html_to_unicode, http_content_type_encoding, read_bom

from app.bulk_import.text_decoding import is_text_encoding
from app.ingestion.extract.html_scanner import root_attributes
from app.ingestion.fetch.errors import ExtractionError

# libxml2 compares each attribute of an element with all previous ones, which takes minutes for one with thousands.
MAX_ATTRIBUTES = 250
MIN_SUSPECT_TAG_LENGTH = 750  # characters; the attributes of shorter tags are not counted
START_TAG = re.compile(r"""<[a-zA-Z](?:[^>=]+|=\s*"[^"]*"|=\s*'[^']*'|=)*+""")
QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")
BETWEEN_ATTRIBUTES = re.compile(r"[\s/=]+")

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True)
class WebPage:
    """The response to a fetch.

    `url` is the address of the page after redirects, `requested_url` the one before.
    `content_type` is the header as sent, "" without one.
    """

    url: str
    body: bytes = field(repr=False)
    content_type: str = "text/html"
    requested_url: str = ""

    @property
    def host(self) -> str:
        """The host name without "www."."""
        return (urlsplit(self.url).hostname or "").removeprefix("www.")

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return parse_media_type(self.content_type)

    @cached_property
    def text(self) -> str:
        """The body, decoded like browsers do: by BOM, header or meta element, else as UTF-8.

        Invalid bytes become replacement characters.
        """
        header = self.content_type or None
        declared = (
            read_bom(self.body)[0] or http_content_type_encoding(header) or html_body_declared_encoding(self.body)
        )
        if declared is not None and not is_text_encoding(declared):
            return self.body.decode("utf-8", "replace")
        return html_to_unicode(header, self.body, default_encoding="utf-8")[1]

    @cached_property
    def tree(self) -> Any:
        """The root element (lxml). A page without elements has an empty tree.

        libxml2 drops elements below a depth of 256, so recursion over a tree is bounded. Raises ExtractionError if an
        element has more than MAX_ATTRIBUTES attributes.
        """
        if _has_oversized_tags(self.text):
            raise ExtractionError(f"The page has elements with more than {MAX_ATTRIBUTES} attributes.")
        # Encode the text again, because lxml rejects text with an encoding declaration. NUL would end the document.
        source = self.text.encode("utf-8", "replace").replace(b"\0", b"")
        try:
            return lxml.html.document_fromstring(source, parser=lxml.html.HTMLParser(encoding="utf-8"))
        except (lxml.etree.LxmlError, AssertionError, ValueError):
            return lxml.html.document_fromstring("<html><head></head><body></body></html>")

    @cached_property
    def language(self) -> str | None:
        """The language tag of the root element. Raises like `tree`."""
        attributes = root_attributes(self.text)
        if attributes is None:
            attributes = self.tree.attrib
        return attributes.get("lang") or attributes.get("xml:lang")

    @cached_property
    def element_count(self) -> int:
        """The number of elements in the tree."""
        return int(self.tree.xpath("count(//*)"))


def _has_oversized_tags(text: str) -> bool:
    tags = START_TAG.findall(text)
    if max(map(len, tags), default=0) <= MIN_SUSPECT_TAG_LENGTH:
        return False
    long_tags = [tag for tag in tags if len(tag) > MIN_SUSPECT_TAG_LENGTH]
    return any(len(BETWEEN_ATTRIBUTES.findall(QUOTED.sub("= ", tag))) > MAX_ATTRIBUTES for tag in long_tags)


def parse_media_type(content_type: str) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
