"""Authentication by bearer tokens (JWT), signed with an HS256 secret or a key of a JWKS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.core.errors import StartupError, Unauthenticated
from app.graphql.viewer import ANONYMOUS, Role, Viewer
from app.server.jwks import KeySet
from app.settings import Settings

CLOCK_LEEWAY_SECONDS = 10
# Of an Authorization header. Longer ones are rejected before anything is decoded.
MAX_AUTHORIZATION_LENGTH = 8192
MAX_SUBJECT_LENGTH = 255
# The end of the year 9999, in seconds since the epoch.
MAX_EXPIRATION = 253_402_300_799


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
        if len(authorization) > MAX_AUTHORIZATION_LENGTH:
            raise Unauthenticated(f"The token is longer than {MAX_AUTHORIZATION_LENGTH:,} characters.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
        if not token.isascii():
            raise Unauthenticated("The token is not valid: it contains characters that no token has.")
        try:
            claims = await self._verified_claims(token.strip())
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired: get a new one.") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"The token is not valid: {error}.") from None
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            # Whatever a client has put in place of a token is the client's error.
            raise Unauthenticated("The token is not valid.") from None
        _check_claims(claims)
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
            # Without the rest of the token, which would be decoded twice.
            header = jwt.get_unverified_header(f"{token.partition('.')[0]}..")
            key = await self._key_set.get(header.get("kid"))
            return key.key, [key.algorithm_name]
        if self._secret is None:
            raise Unauthenticated("This server accepts no tokens: neither a secret nor a JWKS is configured.")
        return self._secret, ["HS256"]


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


def _check_claims(claims: dict[str, Any]) -> None:
    """Check what the library accepts in many forms. Raises Unauthenticated."""
    expiration, subject = claims["exp"], claims["sub"]
    if isinstance(expiration, bool) or not isinstance(expiration, int | float) or expiration > MAX_EXPIRATION:
        raise Unauthenticated("The token is not valid: `exp` must be a number of seconds until the year 9999.")
    # PostgreSQL, which stores the subject, accepts no NUL.
    if not 0 < len(subject) <= MAX_SUBJECT_LENGTH or not subject.isprintable():
        raise Unauthenticated(
            f"The token is not valid: `sub` must have 1 to {MAX_SUBJECT_LENGTH} printable characters."
        )


def _viewer(claims: dict[str, Any]) -> Viewer:
    role_name = claims.get("role", "viewer")
    try:
        role = Role[str(role_name).upper()]
    except KeyError:
        names = ", ".join(role.name.lower() for role in Role)
        raise Unauthenticated(f"The token's role must be one of {names}.") from None
    return Viewer(str(claims["sub"]), role, int(claims["exp"]) + CLOCK_LEEWAY_SECONDS)
