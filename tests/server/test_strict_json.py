"""The fast and the slow JSON parser give equal results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.server import strict_json as strict_json_module
from app.server.strict_json import _parse_slowly, parse_json

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
COMPACT, ROOMY = (",", ":"), (", ", ": ")


def outcome(read: Any, text: bytes) -> tuple[str, str]:
    """Return the result with the types of its numbers, or the error message."""
    try:
        return "value", repr(read(text, "It"))
    except BadRequest as error:
        return "error", error.message


@given(VALUES, st.sampled_from([COMPACT, ROOMY]), st.booleans())
def test_valid_json_is_parsed_alike_by_both_parsers(value: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    assert outcome(parse_json, text) == outcome(_parse_slowly, text)


@given(VALUES, st.data())
def test_invalid_json_is_rejected_by_both_parsers(value: Any, data: st.DataObject) -> None:
    text = bytearray(json.dumps(value, separators=COMPACT).encode(errors="surrogatepass"))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        text[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    assert outcome(parse_json, bytes(text)) == outcome(_parse_slowly, bytes(text))


DUPLICATES = [b'{"a":1,"a":2}', b'{"a":1,"a":1}', b'{"":{"a":1,"a":1}}']
NUMBERS = [
    b"NaN",
    b"[Infinity]",
    b"1e999",
    b"-1e999",
    b"-0",
    b"-0.0",
    b"01",
    b"200.0",
    b"1E2",
    b"1e2",
    b"1.0e+2",
    b"1e22",
]
LARGE = [b"18446744073709551616", b"-9223372036854775809", b"9223372036854775808", b"123456789012345678"]
DEEP = [b"[" * 500 + b"]" * 500, b"[" * 5000 + b"]" * 5000]
OTHERS = [b"", b" 1", b"\xff", b'"\x00"', b'"\\u0000"', b'"\\ud800"', b'{"a":1}x', b"\xef\xbb\xbf1"]


@pytest.mark.parametrize("text", [*DUPLICATES, *NUMBERS, *LARGE, *DEEP, *OTHERS])
def test_edge_cases_are_parsed_alike_by_both_parsers(text: bytes) -> None:
    assert outcome(parse_json, text) == outcome(_parse_slowly, text)


def test_repeated_name_among_others_is_named() -> None:
    text = json.dumps({f"n{number}": number for number in range(1_000)})[:-1].encode() + b', "n7": 0, "n3": 0}'
    with pytest.raises(BadRequest, match=r'It has the name "n7" twice in one object\.'):
        parse_json(text, "It")


@pytest.mark.parametrize(
    "text",
    ['{"first":100,"after":null}', '{"filter":{"search":"Röhre ü"},"orderBy":[{"field":"NAME"}]}', '{"x":1.5}', "{}"],
)
def test_compact_json_takes_the_fast_parser(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json_module, "_parse_slowly", pytest.fail)
    assert parse_json(text.encode(), "It") == json.loads(text)
