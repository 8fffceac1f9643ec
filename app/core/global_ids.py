"""Encode and decode Relay global ids: base64 of `Type:key`."""

from __future__ import annotations

import base64
import binascii
import re

from app.core.errors import BadInput

GLOBAL_ID = re.compile(r"([A-Za-z]+):(0|[1-9][0-9]{0,18})")


def encode_global_id(type_name: str, key: int) -> str:
    """Return the global id of a row: base64 of `Type:key`."""
    return base64.b64encode(f"{type_name}:{key}".encode()).decode()


def decode_global_id(encoded: str) -> tuple[str, int] | None:
    """Return the type name and key of a global id, or None if `encoded` is not a global id."""
    try:
        match = GLOBAL_ID.fullmatch(base64.b64decode(encoded, validate=True).decode("ascii"))
    except (ValueError, binascii.Error):
        return None
    if match is None or int(match[2]) >= 2**63:
        return None
    return match[1], int(match[2])


def key_from_global_id(encoded: str, type_name: str) -> int:
    """Return the key of a global id of the given type. Raise BadInput if the id is of another type or malformed."""
    parsed = decode_global_id(encoded)
    if parsed is None or parsed[0] != type_name:
        article = "an" if type_name[0] in "AEIOU" else "a"
        raise BadInput(f'"{encoded[:100]}" is not the id of {article} {type_name}.')
    return parsed[1]
