"""JSON parser that rejects repeated names and numbers that JSON does not allow."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import orjson

from app.core.errors import BadRequest


def parse_json(content: bytes, source: str) -> Any:
    """Parse JSON strictly by RFC 8259: no repeated names, no NaN, no lone surrogates, no unlimited nesting.

    `source` names the input in error messages, for example "The body". The result can always be serialized as JSON
    again. Raises BadRequest.
    """
    with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
        value = orjson.loads(content)
        # Compact JSON, as most clients send it. An equal round trip proves that no repeated name was dropped.
        if orjson.dumps(value) == content:
            return value
    return _parse_slowly(content, source)


def _parse_slowly(content: bytes, source: str) -> Any:
    """Parse JSON in any notation, with an exact error message."""
    try:
        value = STRICT_DECODER.decode(content.decode("utf-8"))
        orjson.dumps(value)
    except UnicodeDecodeError:
        raise BadRequest(f"{source} is not valid UTF-8.") from None
    except (RecursionError, orjson.JSONEncodeError):
        raise BadRequest(f"{source} is nested too deeply, or has a lone surrogate (\\ud800 to \\udfff).") from None
    except _RepeatedName as error:
        raise BadRequest(f'{source} has the name "{error}" twice in one object.') from None
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at").rstrip(": ")
        raise BadRequest(f"{source} is not JSON: {reason} (line {error.lineno}, column {error.colno}).") from None
    except ValueError:
        raise BadRequest(f"{source} has a number that is not valid (NaN, Infinity) or too large.") from None
    return value


class _RepeatedName(ValueError):
    """A name occurs twice in an object."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _RepeatedName(_first_repeated(name for name, _ in pairs)[:50])
    return result


def _first_repeated(names: Iterable[str]) -> str:
    """Return the first name that occurs a second time. One pass, because a client chooses the number of names."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            break
        seen.add(name)
    return name


def _float(digits: str) -> float:
    """Reject NaN, which is not JSON, and numbers like 1e999, which would be serialized as null."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _integer(digits: str) -> int | float:
    """Parse integers beyond 64 bits as floats: they are only valid where GraphQL expects a Float."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else _float(digits)


STRICT_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_float, parse_float=_float, parse_int=_integer
)
