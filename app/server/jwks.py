"""Keys that verify tokens, published by a login server as a JSON Web Key Set (RFC 7517).

The login server is trusted, but not to be fast, small or free of errors; tokens come from anyone.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from functools import cached_property
from typing import Any

import httpx
import jwt
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.core.errors import Unauthenticated, Unavailable

log = structlog.get_logger()

# Asymmetric algorithms only. The key itself, not the token, determines which of them is used.
JWKS_ALGORITHMS = ("RS256", "ES256", "EdDSA")
# Keys are fetched again in the background when they are this old ...
JWKS_REFRESH_INTERVAL_SECONDS = 300.0
# ... and not used any more when they are this old, so that the grace for a login server that is down is five minutes
# and a revoked key is accepted for ten minutes at most.
JWKS_MAX_AGE_SECONDS = 600.0
# A token with an unknown key id may follow a key rotation, or may come from an attacker who wants to cause requests.
# The interval also applies after a failed request.
JWKS_MIN_REFRESH_INTERVAL_SECONDS = 5.0
JWKS_TIMEOUT_SECONDS = 5.0
MAX_JWKS_BYTES = 256 * 1024
MAX_JWKS_KEYS = 100
# NIST SP 800-131A refuses shorter keys. Longer ones, and large exponents, make each verification slow.
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
MAX_RSA_EXPONENT = 2**32


class KeySetRejected(Exception):
    """The response of the login server is not a key set that can be used."""


class KeySet:
    """Cache of a JWKS, fetched when first needed, periodically, and when a token names an unknown key (rotation).

    Any number of requests cause one fetch at a time.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._attempted_at = self._fetched_at = float("-inf")
        self._is_current = False
        self._document: bytes | None = None
        self._refresh: asyncio.Task[None] | None = None

    async def get(self, key_id: str | None) -> jwt.PyJWK:
        """Return the key with this id.

        Raises Unauthenticated if there is no such key, Unavailable if the JWKS cannot be fetched to check that.
        """
        age = time.monotonic() - self._fetched_at
        if age > JWKS_REFRESH_INTERVAL_SECONDS or key_id not in self._keys:
            refresh = self._start_refresh()
            if refresh is not None and (key_id not in self._keys or age > JWKS_MAX_AGE_SECONDS):
                await asyncio.shield(refresh)
        is_usable = time.monotonic() - self._fetched_at <= JWKS_MAX_AGE_SECONDS
        if is_usable and key_id in self._keys:
            return self._keys[key_id]
        if not is_usable or not self._is_current:
            raise Unavailable("Tokens cannot be verified now: the key server does not answer.")
        raise Unauthenticated("The token is signed with a key that is not known here.")

    def _start_refresh(self) -> asyncio.Task[None] | None:
        """Return the running fetch. Start one if there is none, unless the last attempt was a moment ago."""
        if self._refresh is None or self._refresh.done():
            if time.monotonic() - self._attempted_at <= JWKS_MIN_REFRESH_INTERVAL_SECONDS:
                return None
            self._refresh = asyncio.create_task(self._fetch())
        return self._refresh

    async def _fetch(self) -> None:
        """Replace the keys by the signing keys of the JWKS; keep the current ones if it cannot be fetched."""
        # A key that is revoked while the response is under way counts from here.
        started_at, self._is_current = time.monotonic(), False
        try:
            async with asyncio.timeout(JWKS_TIMEOUT_SECONDS):
                document = await self._download()
            if document != self._document:
                self._keys = parse_key_set(document)
                self._document = document
        except (httpx.HTTPError, httpx.InvalidURL, OSError, KeySetRejected) as error:  # OSError: TimeoutError
            log.warning("jwks.unavailable", error=str(error) or type(error).__name__)
        else:
            self._fetched_at, self._is_current = started_at, True
        finally:
            self._attempted_at = time.monotonic()

    async def _download(self) -> bytes:
        """Return the document. Redirects are not followed, and compression is refused: it would hide the size."""
        document = bytearray()
        async with (
            httpx.AsyncClient(timeout=JWKS_TIMEOUT_SECONDS, verify=self._tls, follow_redirects=False) as client,
            client.stream("GET", self._url, headers={"accept-encoding": "identity"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise KeySetRejected(f"the status is {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise KeySetRejected("the response is compressed")
            async for chunk in response.aiter_raw():
                document += chunk
                if len(document) > MAX_JWKS_BYTES:
                    raise KeySetRejected(f"the response is larger than {MAX_JWKS_BYTES // 1024} KiB")
        return bytes(document)

    @cached_property
    def _tls(self) -> ssl.SSLContext | bool:
        """Created once, because it reads all root certificates; False if the URL needs no TLS."""
        return httpx.create_ssl_context() if self._url.startswith("https:") else False


def parse_key_set(document: bytes) -> dict[str | None, jwt.PyJWK]:
    """Return the keys of a JWKS that verify tokens, by key id. Raises KeySetRejected if there are none."""
    try:
        content = orjson.loads(document)  # limits the nesting
    except orjson.JSONDecodeError as error:
        raise KeySetRejected(f"it is not JSON: {error}") from None
    members = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(members, list):
        raise KeySetRejected("it has no list of keys")
    if len(members) > MAX_JWKS_KEYS:
        raise KeySetRejected(f"it has more than {MAX_JWKS_KEYS} keys")
    keys: dict[str | None, jwt.PyJWK] = {}
    ambiguous = set[str | None]()
    for key in filter(None, map(_signing_key, members)):
        if keys.setdefault(key.key_id, key).key != key.key:
            ambiguous.add(key.key_id)
    for key_id in ambiguous:
        del keys[key_id]
        log.warning("jwks.key_rejected", key_id=key_id, reason="another key has the same id")
    if not keys:
        raise KeySetRejected("it has no key that can be used")
    return keys


def _signing_key(member: object) -> jwt.PyJWK | None:
    """Return a member of a JWKS as a key, None if it must not verify tokens."""
    if not isinstance(member, dict) or not isinstance(member.get("kid", ""), str) or not _is_for_signatures(member):
        return None
    try:
        key = jwt.PyJWK(member)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    if key.algorithm_name not in JWKS_ALGORITHMS:
        return None
    reason = _weakness(key)
    if reason is not None:
        log.warning("jwks.key_rejected", key_id=key.key_id, reason=reason)
        return None
    return key


def _is_for_signatures(member: dict[str, Any]) -> bool:
    """Whether the key verifies signatures, by `use` and `key_ops` (RFC 7517, sections 4.2 and 4.3)."""
    operations = member.get("key_ops", ["verify"])
    return member.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _weakness(key: jwt.PyJWK) -> str | None:
    """Return why a key must not verify tokens, None if it may."""
    public = key.key
    if isinstance(public, RSAPublicKey):
        if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
            return f"an RSA key must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
        return None if public.public_numbers().e <= MAX_RSA_EXPONENT else "its exponent is too large"
    if isinstance(public, EllipticCurvePublicKey):
        return None if isinstance(public.curve, SECP256R1) else "ES256 needs a key on the curve P-256"
    # A private key verifies nothing, and is not private any more.
    return None if isinstance(public, Ed25519PublicKey) else "it is a private key, or on a curve other than Ed25519"
