"""Valid and forged tokens, and their authentication."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from app.core.errors import Unauthenticated
from app.graphql.viewer import Viewer
from app.server.authentication import Authenticator
from app.settings import Settings
from tests.support.settings import SECRET

NOW = int(time.time())  # evaluated at collection; the tests may run much later
LATER = NOW + 86_400
VALID_CLAIMS: dict[str, Any] = {"sub": "me", "role": "admin", "exp": LATER}


def sign_token(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    """Sign a token."""
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers or None)


def forge_token(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Build a token that no library would create."""
    return forge_raw_token(json.dumps(header).encode(), json.dumps(claims).encode(), signature)


def forge_raw_token(header: bytes, claims: bytes, signature: bytes = b"") -> str:
    """Build a token from any bytes."""
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims, signature))


def sign_raw_claims(claims: bytes, header: dict[str, Any] | None = None) -> str:
    """Sign any bytes with the secret."""
    head = json.dumps({"alg": "HS256"} if header is None else header).encode()
    unsigned = forge_raw_token(head, claims).rpartition(".")[0]
    return forge_raw_token(head, claims, hmac.digest(SECRET.encode(), unsigned.encode(), "sha256"))


async def viewer_of_token(settings: Settings, token: str) -> Viewer:
    """Return the viewer of a token."""
    return await Authenticator(settings).authenticate(f"Bearer {token}")


async def rejection_reason(settings: Settings, token: str) -> str:
    """Return the reason why a token is rejected."""
    with pytest.raises(Unauthenticated) as caught:
        await viewer_of_token(settings, token)
    return caught.value.message
