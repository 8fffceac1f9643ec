"""Signatures by which a receiver knows who sent, as Standard Webhooks has them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hmac import digest


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: "v1," and HMAC-SHA256 of id, time and body, for each key, with spaces between."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{b64encode(digest(key, signed, 'sha256')).decode()}" for key in keys)
