"""What was fetched, and what adapters read of it. Each view of a page is computed once, when it is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import lxml.etree
import lxml.html
from w3lib.encoding import html_body_declared_encoding, html_to_unicode, http_content_type_encoding, read_bom

from app.bulk_import.text_decoding import is_encoding
from app.ingestion.extract.html_scanner import root_attributes
from app.ingestion.fetch.errors import NotUnderstood

# libxml2 compares each attribute of an element with all before it, which takes minutes for a page of nothing else.
MOST_ATTRIBUTES = 250
LONG_TAG = 750  # characters; none that is shorter needs to be looked at
START_TAG = re.compile(r"""<[a-zA-Z](?:[^>=]+|=\s*"[^"]*"|=\s*'[^']*'|=)*+""")
QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")
BETWEEN_ATTRIBUTES = re.compile(r"[\s/=]+")

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True)
class Page:
    """The answer to a request.

    `url` is where the page was found, after redirects; `asked` the URL that somebody wanted.
    `content_type` is the header as sent, "" when there was none.
    """

    url: str
    body: bytes = field(repr=False)
    content_type: str = "text/html"
    asked: str = ""

    @property
    def host(self) -> str:
        """Host name without www."""
        return (urlsplit(self.url).hostname or "").removeprefix("www.")

    @property
    def media_type(self) -> str:
        """Content type without its parameters, in lower case."""
        return media_type(self.content_type)

    @cached_property
    def text(self) -> str:
        """The body decoded as browsers do: by BOM, header or meta element, else UTF-8; what is broken is replaced."""
        header = self.content_type or None
        declared = (
            read_bom(self.body)[0] or http_content_type_encoding(header) or html_body_declared_encoding(self.body)
        )
        if declared is not None and not is_encoding(declared):
            return self.body.decode("utf-8", "replace")
        return html_to_unicode(header, self.body, default_encoding="utf-8")[1]

    @cached_property
    def tree(self) -> Any:
        """The root element (lxml). Anything can be parsed; of a page without any element the tree is an empty one.

        libxml2 cuts off what is nested more than 256 deep, so no walk over a tree is deep. Raises NotUnderstood for
        elements with more attributes than anybody writes.
        """
        if _has_endless_tags(self.text):
            raise NotUnderstood("The page has elements with hundreds of attributes, which is no proper HTML.")
        # Encoded again, because lxml refuses text that has an encoding declaration. NUL would end the document.
        source = self.text.encode("utf-8", "replace").replace(b"\0", b"")
        try:
            return lxml.html.document_fromstring(source, parser=lxml.html.HTMLParser(encoding="utf-8"))
        except (lxml.etree.LxmlError, AssertionError, ValueError):
            return lxml.html.document_fromstring("<html><head></head><body></body></html>")

    @cached_property
    def language(self) -> str | None:
        """The language tag of the root element. Raises like `tree`."""
        attributes = root_attributes(self.text)
        found = self.tree.attrib if attributes is None else attributes
        return found.get("lang") or found.get("xml:lang")

    @cached_property
    def elements(self) -> int:
        """How many elements the tree has."""
        return int(self.tree.xpath("count(//*)"))


def _has_endless_tags(text: str) -> bool:
    tags = START_TAG.findall(text)
    if max(map(len, tags), default=0) <= LONG_TAG:
        return False
    long_tags = [tag for tag in tags if len(tag) > LONG_TAG]
    return any(len(BETWEEN_ATTRIBUTES.findall(QUOTED.sub("= ", tag))) > MOST_ATTRIBUTES for tag in long_tags)


def media_type(content_type: str) -> str:
    """A content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
