"""Relay global ids: encode and decode."""

from __future__ import annotations

import base64
import binascii
import re

from app.core.errors import BadInput

GLOBAL_ID = re.compile(r"([A-Za-z]+):(0|[1-9][0-9]{0,18})")


def global_id(type_name: str, key: int) -> str:
    """The Relay id of a row: base64 of `Type:key`."""
    return base64.b64encode(f"{type_name}:{key}".encode()).decode()


def parse_id(given: str) -> tuple[str, int] | None:
    """Type name and key of a global id, or None when it is not one."""
    try:
        found = GLOBAL_ID.fullmatch(base64.b64decode(given, validate=True).decode("ascii"))
    except (ValueError, binascii.Error):
        return None
    if found is None or int(found[2]) >= 2**63:
        return None
    return found[1], int(found[2])


def key_of(given: str, type_name: str) -> int:
    """The key in a global id of the given type. Raises BadInput that names the id."""
    parsed = parse_id(given)
    if parsed is None or parsed[0] != type_name:
        article = "an" if type_name[0] in "AEIOU" else "a"
        raise BadInput(f'"{given[:100]}" is not the id of {article} {type_name}.')
    return parsed[1]
