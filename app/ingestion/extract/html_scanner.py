"""Finds a few elements in the text of a page without building its tree, which takes most of the time of a page.

A scan goes only over what every parser reads in one way. Wherever there is doubt (a quote out of place, a comment in a
script, "<" within an attribute, an element of which parsers disagree) it gives up, and who asked looks at the tree.
All expressions are possessive: they never go back, so the time goes with the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SPACE = r"[ \t\n\r\f]"
_VALUE = r"""(?:"[^"<\0]*+"|'[^'<\0]*+'|[^\s"'<>=`\0][^\s"'<>`\0]*+(?=[ \t\n\r\f>]|\Z))"""
_NAME = r"""[^\s"'<>=/`\0]++"""
_ATTRIBUTES = rf"""(?:(?:[ \t\n\r\f/]++|{_NAME}(?:{_SPACE}*+={_SPACE}*+{_VALUE})?+)*+)"""
_RAW = "title|style|textarea|iframe|noembed|noframes|xmp"  # whatever is in these is text
_OTHER = f"(?!(?:{_RAW}|script|plaintext)[ \t\n\r\f/>])"
_FLAGS = re.ASCII | re.IGNORECASE

_ELEMENTS = re.compile(
    rf"""(?:
    [^<\0]++
    |<{_OTHER}[a-z][-a-z0-9:_]*+(?:[ \t\n\r\f/]{_ATTRIBUTES})?+>
    |</(?!script|plaintext)[a-z][-a-z0-9:_]*+{_SPACE}*+>
    |<({_RAW})(?:[ \t\n\r\f]{_ATTRIBUTES})?+>[^<\0]*+</\1{_SPACE}*+>
    |<!doctype[^<>\[\0]*+>
    |<!--(?!-?>)[^-\0]*+(?:-(?!-)[^-\0]*+)*+-->
    )*+""".replace("\n    ", ""),
    _FLAGS,
)
_SCRIPT = re.compile(
    rf"<script((?:[ \t\n\r\f]{_ATTRIBUTES})?+)>([^<\0]*+(?:<(?!!--|/?script)[^<\0]*+)*+)</script{_SPACE}*+>", _FLAGS
)
_ATTRIBUTE = re.compile(rf"({_NAME})(?:{_SPACE}*+={_SPACE}*+({_VALUE}))?+", _FLAGS)
_ROOT = re.compile(rf"{_SPACE}*+(?:<!doctype[^<>\[\0]*+>)?+{_SPACE}*+<html((?:[ \t\n\r\f]{_ATTRIBUTES})?+)>", _FLAGS)


def scripts(text: str, kind: str) -> list[str] | None:
    """What is in the script elements whose type has `kind` (in lower case) in it; None when that is not sure."""
    lower = text.lower()
    if len(lower) != len(text):  # a few characters become two
        return None
    last, at = lower.rfind(kind), 0
    found: list[str] = []
    while at <= last:
        end = _ELEMENTS.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
        script = _SCRIPT.match(text, end)
        if script is None:
            return found if end > last else None
        attributes = dict(_attributes(script[1]))
        if "&" in attributes.get("type", ""):
            return None
        if kind in attributes.get("type", "").lower():
            found.append(script[2])
        at = script.end()
    return found


def root_attributes(text: str) -> dict[str, str] | None:
    """The attributes of the html element; None when they are not sure. A second such element would add its own."""
    root = _ROOT.match(text)
    if root is None or "&" in root[1] or "\0" in text or text.lower().count("<html") > 1:
        return None
    return dict(_attributes(root[1]))


def _attributes(tag: str) -> Iterator[tuple[str, str]]:
    """Of several of the same name the first counts, so it comes last."""
    for name, value in reversed(_ATTRIBUTE.findall(tag)):
        yield name.lower(), value[1:-1] if value[:1] in {'"', "'"} else value
