"""Signatures of webhook deliveries by the Standard Webhooks specification."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hmac import digest


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` header: for each key, "v1," and the HMAC-SHA256 of id, time and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{b64encode(digest(key, signed, 'sha256')).decode()}" for key in keys)
