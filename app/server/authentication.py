"""Bearer tokens: who asks, and in which role."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import structlog

from app.core.errors import StartupError, Unauthenticated, Unavailable
from app.graphql.viewer import NOBODY, Role, Viewer
from app.settings import Settings

log = structlog.get_logger()

# Asymmetric algorithms that a JWKS may use; the one of each key is pinned by the key itself.
JWKS_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
REFRESH_SECONDS = 600.0
# A token with an unknown key id may come from a rotation, or from somebody who makes us fetch: no more often. Nor is a
# server that did not answer asked again sooner.
LEAST_REFRESH_SECONDS = 5.0
LEEWAY_SECONDS = 10


class Authenticator:
    """Verifies tokens with the HS256 secret or the JWKS of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
        self._keys = KeySet(settings.jwt_jwks_url) if settings.jwt_jwks_url else None
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience

    async def viewer(self, header: str | None) -> Viewer:
        """The viewer of an Authorization header; nobody without one. Raises Unauthenticated, which tells why."""
        if header is None:
            return NOBODY
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
        try:
            claims = await self._claims(token.strip())
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired: get a new one.") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"The token is not valid: {error}.") from None
        return _viewer(claims)

    async def _claims(self, token: str) -> dict[str, Any]:
        key, algorithms = await self._key(token)
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
        )

    async def _key(self, token: str) -> tuple[Any, list[str]]:
        """The key that this token must be signed with; its algorithm never comes from the token."""
        if self._keys is not None:
            found = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
            return found.key, [found.algorithm_name]
        if self._secret is None:
            raise Unauthenticated("This server accepts no tokens: neither a secret nor a JWKS is configured.")
        return self._secret, ["HS256"]


class KeySet:
    """The keys of a JWKS, fetched when needed and again when a token names a key that is not known (rotation)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried = self._fetched = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK:
        """The key with this id. Raises Unauthenticated when there is none, Unavailable when it cannot be known."""
        known = self._keys.get(key_id)
        fresh = time.monotonic() - self._fetched <= REFRESH_SECONDS
        if known is not None and (fresh or self._fetching.locked()):
            return known
        async with self._fetching:
            now = time.monotonic()
            wanted = key_id not in self._keys or now - self._fetched > REFRESH_SECONDS
            if wanted and now - self._tried > LEAST_REFRESH_SECONDS:
                await self._fetch()
        if key_id in self._keys:
            return self._keys[key_id]
        if self._fetched < self._tried:
            raise Unavailable("Tokens cannot be verified now: the key server does not answer.")
        raise Unauthenticated("The token is signed with a key that is not known here.")

    async def _fetch(self) -> None:
        """Keys that were known stay so when the server does not answer; keys of a kind not used here are left out."""
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                response = await client.get(self._url)
                response.raise_for_status()
            found = jwt.PyJWKSet(response.json()["keys"]).keys
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            log.warning("jwks.unavailable", error=str(error))
            self._tried = time.monotonic()
            return
        signing = [key for key in found if key.public_key_use in {None, "sig"}]
        self._keys = {key.key_id: key for key in signing if key.algorithm_name in JWKS_ALGORITHMS}
        self._tried = self._fetched = time.monotonic()


def mint(settings: Settings, role: Role, subject: str, valid_for: timedelta) -> str:
    """A token for development, signed with the secret. Raises StartupError without one."""
    if settings.jwt_secret is None:
        raise StartupError("There is no secret to sign with: set DEALMARK_JWT_SECRET, or start `dealmark up` once.")
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": subject, "role": role.name.lower(), "iat": now, "exp": now + valid_for}
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")


def _viewer(claims: dict[str, Any]) -> Viewer:
    given = claims.get("role", "viewer")
    try:
        role = Role[str(given).upper()]
    except KeyError:
        names = ", ".join(role.name.lower() for role in Role)
        raise Unauthenticated(f"The token's role is none of {names}.") from None
    return Viewer(subject=str(claims["sub"]), role=role)
