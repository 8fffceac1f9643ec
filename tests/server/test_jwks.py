"""Bearer tokens signed with published keys: rotation, and key servers that are down or return invalid data."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.errors import Unauthenticated, Unavailable
from app.graphql.viewer import Role, Viewer
from app.server import authentication
from app.server.authentication import Authenticator, KeySet
from app.settings import Settings
from tests.support.key_server import KeyServer, key_server
from tests.support.settings import SECRET, make_settings
from tests.support.tokens import NOW, VALID_CLAIMS, forge_token, rejection_reason, sign_token, viewer_of_token

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public key as a key server publishes it."""
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), **({} if kid is None else {"kid": kid}), **more}


def settings_with_jwks(keys: KeyServer) -> Settings:
    """Return settings with this JWKS. They also have a secret, which must not be accepted."""
    return make_settings(jwt_jwks_url=keys.url)


async def test_token_signed_with_a_published_key_is_accepted() -> None:
    async with key_server({"keys": [jwk(RSA, "r", use="sig", alg="RS256"), jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        for token in (sign_token(VALID_CLAIMS, RSA, "RS256", kid="r"), sign_token(VALID_CLAIMS, EC, "ES256", kid="e")):
            assert await authenticator.authenticate(f"Bearer {token}") == Viewer("me", Role.ADMIN)
        assert keys.requests == 1, "fetched once"
        expired = sign_token({**VALID_CLAIMS, "exp": NOW - 60}, EC, "ES256", kid="e")
        with pytest.raises(Unauthenticated, match="expired"):
            await authenticator.authenticate(f"Bearer {expired}")


async def test_key_without_id_verifies_tokens_without_key_id_only() -> None:
    async with key_server({"keys": [jwk(EC, None)]}) as keys:
        assert (
            await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256"))
        ).role is Role.ADMIN
        assert "not known here" in await rejection_reason(
            settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e")
        )


async def test_algorithm_comes_from_the_key_and_not_from_the_token() -> None:
    """A known attack: an HMAC with the public key as its secret."""
    published = jwk(RSA, "r")
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": "r"}
    async with key_server({"keys": [published, jwk(EC, "e")]}) as keys:
        for secret in (pem, json.dumps(published).encode(), published["n"].encode()):
            unsigned = forge_token(header, VALID_CLAIMS).rpartition(".")[0]
            signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
                unsigned.encode(), secret
            )
            assert "alg" in await rejection_reason(
                settings_with_jwks(keys), forge_token(header, VALID_CLAIMS, signature)
            )
        assert "alg" in await rejection_reason(
            settings_with_jwks(keys), forge_token({"alg": "none", "kid": "r"}, VALID_CLAIMS)
        )
        assert "alg" in await rejection_reason(
            settings_with_jwks(keys), sign_token(VALID_CLAIMS, RSA, "RS512", kid="r")
        )
        assert "alg" in await rejection_reason(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="r"))
        assert "Signature" in await rejection_reason(
            settings_with_jwks(keys),
            sign_token(VALID_CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256", kid="e"),
        )
        assert "not known here" in await rejection_reason(settings_with_jwks(keys), sign_token(VALID_CLAIMS)), (
            "the secret does not count any more"
        )


async def test_unknown_key_id_refreshes_the_key_set_at_most_once_per_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further requests within the interval cause no fetch."""
    new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    old_token, new_token = (
        sign_token(VALID_CLAIMS, RSA, "RS256", kid="1"),
        sign_token(VALID_CLAIMS, new, "RS256", kid="2"),
    )
    async with key_server({"keys": [jwk(RSA, "1")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        assert (await authenticator.authenticate(f"Bearer {old_token}")).role is Role.ADMIN
        keys.document = {"keys": [jwk(new, "2")]}
        for _ in range(3):
            with pytest.raises(Unauthenticated, match="not known here"):
                await authenticator.authenticate(f"Bearer {new_token}")
        assert keys.requests == 1
        monkeypatch.setattr(authentication, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", 0)
        assert (await authenticator.authenticate(f"Bearer {new_token}")).role is Role.ADMIN
        with pytest.raises(Unauthenticated, match="not known here"):
            await authenticator.authenticate(f"Bearer {old_token}")
        assert keys.requests == 3


async def test_keys_are_refreshed_and_kept_while_the_key_server_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid='e')}"
    unknown = f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid='f')}"
    monkeypatch.setattr(authentication, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", -1)
    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        await authenticator.authenticate(token)
        await authenticator.authenticate(token)
        assert keys.requests == 1
        monkeypatch.setattr(authentication, "JWKS_REFRESH_INTERVAL_SECONDS", -1)
        await authenticator.authenticate(token)
        assert keys.requests == 2
        keys.silent = True
        assert (await authenticator.authenticate(token)).role is Role.ADMIN
        with pytest.raises(Unavailable):
            await authenticator.authenticate(unknown)
        assert keys.requests == 4
        keys.silent = False
        with pytest.raises(Unauthenticated, match="not known here"):
            await authenticator.authenticate(unknown)


async def test_failed_fetch_is_not_repeated_for_every_request() -> None:
    async with key_server(None) as keys:
        keys.silent = True
        authenticator = Authenticator(settings_with_jwks(keys))
        for _ in range(5):
            with pytest.raises(Unavailable, match="key server does not answer"):
                await authenticator.authenticate(f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid='e')}")
        assert keys.requests == 1


JUNK: list[object] = [
    None,
    [],
    {},
    "text",
    5,
    {"keys": None},
    {"keys": {}},
    {"keys": []},
    {"keys": [1]},
    {"keys": "abc"},
]


async def test_invalid_key_set_counts_as_unavailable() -> None:
    async with key_server(None) as keys:
        for keys.document in [*JUNK, {"keys": [{"kty": "magic", "kid": "e"}]}]:
            with pytest.raises(Unavailable):
                await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))
        for keys.raw in (b"", b"<html>", b"\xff\xfe", b"{" * 50_000):
            with pytest.raises(Unavailable):
                await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))
        keys.raw, keys.document, keys.status = None, {"keys": [jwk(EC, "e")]}, 500
        with pytest.raises(Unavailable):
            await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))


async def test_unusable_keys_are_ignored() -> None:
    secret = {"kty": "oct", "kid": "o", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()}
    others = [
        *(
            "text",
            {},
            {"kty": "AKP", "kid": "a", "alg": "ML-DSA-44"},
            {"kty": "EC", "kid": "x", "crv": "P-256"},
            secret,
        ),
        jwk(RSA, "enc", use="enc"),
        jwk(RSA, "big", alg="RS512"),
    ]
    async with key_server({"keys": [*others, jwk(EC, "e")]}) as keys:
        assert (
            await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))
        ).role is Role.ADMIN
        assert "not known" in await rejection_reason(
            settings_with_jwks(keys), sign_token(VALID_CLAIMS, RSA, "RS256", kid="enc")
        )
        assert "not known" in await rejection_reason(
            settings_with_jwks(keys), sign_token(VALID_CLAIMS, RSA, "RS512", kid="big")
        )
        assert "not known" in await rejection_reason(settings_with_jwks(keys), sign_token(VALID_CLAIMS, kid="o")), (
            "a published secret is none"
        )


async def test_known_key_does_not_wait_for_a_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits neither while an unknown key is searched nor while the keys are refreshed."""
    monkeypatch.setattr(authentication, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", 0.0)
    known, unknown = (f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid=kid)}" for kid in ("e", "x"))

    async def hang(_keys: KeySet) -> None:
        await asyncio.Event().wait()

    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        await authenticator.authenticate(known)
        monkeypatch.setattr(KeySet, "_fetch", hang)
        stuck = asyncio.create_task(authenticator.authenticate(unknown))
        await asyncio.sleep(0.01)
        for refresh in (authentication.JWKS_REFRESH_INTERVAL_SECONDS, 0.0):
            monkeypatch.setattr(authentication, "JWKS_REFRESH_INTERVAL_SECONDS", refresh)
            assert (await asyncio.wait_for(authenticator.authenticate(known), 60)).role is Role.ADMIN
        assert not stuck.done()
        stuck.cancel()
