"""Find a few elements in the text of a page without building its tree, which would take most of the processing time.

A scan accepts only text that every HTML parser reads in the same way. In case of doubt (an unexpected quote, a comment
in a script, "<" in an attribute, an element that parsers treat differently) it returns None, and the caller uses the
tree. All patterns are possessive: they never backtrack, so a scan takes time linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SPACE = r"[ \t\n\r\f]"
_VALUE = r"""(?:"[^"<\0]*+"|'[^'<\0]*+'|[^\s"'<>=`\0][^\s"'<>`\0]*+(?=[ \t\n\r\f>]|\Z))"""
_NAME = r"""[^\s"'<>=/`\0]++"""
_ATTRIBUTES = rf"""(?:(?:[ \t\n\r\f/]++|{_NAME}(?:{_SPACE}*+={_SPACE}*+{_VALUE})?+)*+)"""
_RAW = "title|style|textarea|iframe|noembed|noframes|xmp"  # elements that contain text only
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


def find_scripts(text: str, type_part: str) -> list[str] | None:
    """Return the contents of the script elements with `type_part` (lower case) in their type; None in case of doubt."""
    lower = text.lower()
    if len(lower) != len(text):  # some characters have two in lower case
        return None
    last_position, position = lower.rfind(type_part), 0
    contents: list[str] = []
    while position <= last_position:
        end = _ELEMENTS.match(text, position).end()  # type: ignore[union-attr]  # it also matches the empty string
        script = _SCRIPT.match(text, end)
        if script is None:
            return contents if end > last_position else None
        attributes = dict(_attributes(script[1]))
        if "&" in attributes.get("type", ""):
            return None
        if type_part in attributes.get("type", "").lower():
            contents.append(script[2])
        position = script.end()
    return contents


def root_attributes(text: str) -> dict[str, str] | None:
    """Return the attributes of the html element, None in case of doubt: a second html element would add attributes."""
    root = _ROOT.match(text)
    if root is None or "&" in root[1] or "\0" in text or text.lower().count("<html") > 1:
        return None
    return dict(_attributes(root[1]))


def _attributes(tag: str) -> Iterator[tuple[str, str]]:
    """Yield names and values in reverse order, because the first attribute of a name counts."""
    for name, value in reversed(_ATTRIBUTE.findall(tag)):
        yield name.lower(), value[1:-1] if value[:1] in {'"', "'"} else value
