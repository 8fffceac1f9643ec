"""Authentication by bearer tokens (JWT), signed with an HS256 secret or a key of a JWKS."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import structlog

from app.core.errors import StartupError, Unauthenticated, Unavailable
from app.graphql.viewer import ANONYMOUS, Role, Viewer
from app.settings import Settings

log = structlog.get_logger()

# Asymmetric algorithms only. The key itself, not the token, determines which of them is used.
JWKS_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
JWKS_REFRESH_INTERVAL_SECONDS = 600.0
JWKS_TIMEOUT_SECONDS = 5
# A token with an unknown key id may follow a key rotation, or may come from an attacker who wants to cause requests.
# The interval also applies after a failed request.
JWKS_MIN_REFRESH_INTERVAL_SECONDS = 5.0
CLOCK_LEEWAY_SECONDS = 10


class Authenticator:
    """Verifies tokens with the HS256 secret or the JWKS of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
        self._key_set = KeySet(settings.jwt_jwks_url) if settings.jwt_jwks_url else None
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience

    async def authenticate(self, authorization: str | None) -> Viewer:
        """Return the viewer that an Authorization header names, the anonymous viewer without a header.

        Raises Unauthenticated with the reason, and Unavailable if the JWKS cannot be fetched.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
        try:
            claims = await self._verified_claims(token.strip())
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired: get a new one.") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"The token is not valid: {error}.") from None
        return _viewer(claims)

    async def _verified_claims(self, token: str) -> dict[str, Any]:
        key, algorithms = await self._verification_key(token)
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=CLOCK_LEEWAY_SECONDS,
            options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
        )

    async def _verification_key(self, token: str) -> tuple[Any, list[str]]:
        """Return the key that must have signed a token, and its algorithm, which never comes from the token."""
        if self._key_set is not None:
            key = await self._key_set.get(jwt.get_unverified_header(token).get("kid"))
            return key.key, [key.algorithm_name]
        if self._secret is None:
            raise Unauthenticated("This server accepts no tokens: neither a secret nor a JWKS is configured.")
        return self._secret, ["HS256"]


class KeySet:
    """Cache of a JWKS, fetched when first needed, periodically, and when a token names an unknown key (rotation)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._attempted_at = self._fetched_at = float("-inf")
        self._fetch_lock = asyncio.Lock()

    async def get(self, key_id: str | None) -> jwt.PyJWK:
        """Return the key with this id.

        Raises Unauthenticated if there is no such key, Unavailable if the JWKS cannot be fetched to check that.
        """
        key = self._keys.get(key_id)
        fresh = time.monotonic() - self._fetched_at <= JWKS_REFRESH_INTERVAL_SECONDS
        if key is not None and (fresh or self._fetch_lock.locked()):
            return key
        async with self._fetch_lock:
            now = time.monotonic()
            needed = key_id not in self._keys or now - self._fetched_at > JWKS_REFRESH_INTERVAL_SECONDS
            if needed and now - self._attempted_at > JWKS_MIN_REFRESH_INTERVAL_SECONDS:
                await self._fetch()
        if key_id in self._keys:
            return self._keys[key_id]
        if self._fetched_at < self._attempted_at:
            raise Unavailable("Tokens cannot be verified now: the key server does not answer.")
        raise Unauthenticated("The token is signed with a key that is not known here.")

    async def _fetch(self) -> None:
        """Replace the keys by the signing keys of the JWKS; keep the current ones if it cannot be fetched."""
        try:
            async with httpx.AsyncClient(timeout=JWKS_TIMEOUT_SECONDS) as client:
                response = await client.get(self._url)
                response.raise_for_status()
            keys = jwt.PyJWKSet(response.json()["keys"]).keys
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            log.warning("jwks.unavailable", error=str(error))
            self._attempted_at = time.monotonic()
            return
        signing_keys = [key for key in keys if key.public_key_use in {None, "sig"}]
        self._keys = {key.key_id: key for key in signing_keys if key.algorithm_name in JWKS_ALGORITHMS}
        self._attempted_at = self._fetched_at = time.monotonic()


def issue_token(settings: Settings, role: Role, subject: str, valid_for: timedelta) -> str:
    """Return a token for development, signed with the secret. Raises StartupError without a secret."""
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
    role_name = claims.get("role", "viewer")
    try:
        role = Role[str(role_name).upper()]
    except KeyError:
        names = ", ".join(role.name.lower() for role in Role)
        raise Unauthenticated(f"The token's role must be one of {names}.") from None
    return Viewer(subject=str(claims["sub"]), role=role)
