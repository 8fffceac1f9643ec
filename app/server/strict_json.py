"""JSON parser that rejects repeated names and numbers that JSON does not allow."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson

from app.core.errors import BadRequest


def strict_json(given: bytes, what: str) -> Any:
    """JSON by RFC 8259: no duplicate names, no NaN, no half characters, no nesting without end. Raises BadRequest.

    What this returns can be written as JSON again, by the strictest of writers.
    """
    with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
        content = orjson.loads(given)
        if orjson.dumps(content) == given:  # as most clients write it; and nothing of it got lost, a duplicate, say
            return content
    return _strict_json(given, what)


def _strict_json(given: bytes, what: str) -> Any:
    """The same more slowly: whatever its spelling, and with a sentence for what is wrong."""
    try:
        content = STRICT.decode(given.decode("utf-8"))
        orjson.dumps(content)
    except UnicodeDecodeError:
        raise BadRequest(f"{what} is not valid UTF-8.") from None
    except (RecursionError, orjson.JSONEncodeError):
        raise BadRequest(f"{what} is nested too deeply, or holds half a character (\\ud800 to \\udfff).") from None
    except _Duplicate as error:
        raise BadRequest(f'{what} has the name "{error}" twice in one object.') from None
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at").rstrip(": ")
        raise BadRequest(f"{what} is not JSON: {reason} (line {error.lineno}, column {error.colno}).") from None
    except ValueError:
        raise BadRequest(f"{what} holds a number that is none (NaN, Infinity), or too great to be read.") from None
    return content


class _Duplicate(ValueError):
    """A name that stands twice in an object."""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Duplicate(next(name for name in names if names.count(name) > 1)[:50])
    return made


def _finite(digits: str) -> float:
    """NaN is not JSON; and 1e999 would be written as null, and be taken for that."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _integer(digits: str) -> int | float:
    """Integers beyond 64 bits become floats: they can only stand where GraphQL wants a Float."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else _finite(digits)


STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite, parse_int=_integer)
