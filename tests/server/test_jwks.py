"""Bearer tokens signed with published keys: rotation, and key servers that are down or return invalid data."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import warnings
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.errors import Unauthenticated, Unavailable
from app.graphql.viewer import Role, Viewer
from app.server import jwks
from app.server.authentication import Authenticator
from app.server.jwks import KeySet
from app.settings import Settings
from tests.support.key_server import KeyServer, key_server
from tests.support.settings import SECRET, make_settings
from tests.support.tokens import NOW, VALID_CLAIMS, forge_token, rejection_reason, sign_token, viewer_of_token

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public key as a key server publishes it."""
    algorithm: Any = jwt.algorithms.ECAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = jwt.algorithms.RSAAlgorithm
    elif isinstance(key, ed448.Ed448PrivateKey):
        algorithm = jwt.algorithms.OKPAlgorithm
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
        monkeypatch.setattr(jwks, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", 0)
        assert (await authenticator.authenticate(f"Bearer {new_token}")).role is Role.ADMIN
        with pytest.raises(Unauthenticated, match="not known here"):
            await authenticator.authenticate(f"Bearer {old_token}")
        assert keys.requests == 3


async def test_keys_are_refreshed_and_kept_while_the_key_server_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid='e')}"
    unknown = f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid='f')}"
    monkeypatch.setattr(jwks, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", -1)
    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        await authenticator.authenticate(token)
        await authenticator.authenticate(token)
        assert keys.requests == 1
        monkeypatch.setattr(jwks, "JWKS_REFRESH_INTERVAL_SECONDS", -1)
        await authenticator.authenticate(token)
        await wait_for_end_of_fetch(authenticator)
        assert keys.requests == 2
        keys.silent = True
        assert (await authenticator.authenticate(token)).role is Role.ADMIN
        with pytest.raises(Unavailable):
            await authenticator.authenticate(unknown)
        keys.silent = False
        await wait_for_end_of_fetch(authenticator)
        with pytest.raises(Unauthenticated, match="not known here"):
            await authenticator.authenticate(unknown)


async def wait_for_end_of_fetch(authenticator: Authenticator) -> None:
    """Wait until the fetch in the background has ended."""
    assert authenticator._key_set is not None
    assert authenticator._key_set._refresh is not None
    await authenticator._key_set._refresh


async def test_revoked_key_is_refused_after_the_next_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first use after the refresh interval starts the refresh."""
    token = f"Bearer {sign_token(VALID_CLAIMS, RSA, 'RS256', kid='r')}"
    async with key_server({"keys": [jwk(RSA, "r"), jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        await authenticator.authenticate(token)
        keys.document = {"keys": [jwk(EC, "e")]}
        monkeypatch.setattr(jwks, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", -1)
        monkeypatch.setattr(jwks, "JWKS_REFRESH_INTERVAL_SECONDS", -1)
        await authenticator.authenticate(token)
        await wait_for_end_of_fetch(authenticator)
        with pytest.raises(Unauthenticated, match="not known here"):
            await authenticator.authenticate(token)


@pytest.mark.parametrize("failure", ["silent", "status", "hanging"])
async def test_keys_are_not_used_beyond_their_maximum_age(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Otherwise an attacker who blocks the key server could use a revoked key for ever."""
    token = f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid='e')}"
    assert jwks.JWKS_REFRESH_INTERVAL_SECONDS < jwks.JWKS_MAX_AGE_SECONDS <= 600
    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        await authenticator.authenticate(token)
        monkeypatch.setattr(jwks, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", -1)
        monkeypatch.setattr(jwks, "JWKS_TIMEOUT_SECONDS", 0.05)
        monkeypatch.setattr(jwks, "JWKS_REFRESH_INTERVAL_SECONDS", -1)
        monkeypatch.setattr(jwks, "JWKS_MAX_AGE_SECONDS", -1)
        fail(keys, failure)
        for _ in range(3):
            with pytest.raises(Unavailable, match="key server does not answer"):
                await authenticator.authenticate(token)
        monkeypatch.setattr(jwks, "JWKS_MAX_AGE_SECONDS", 600)
        monkeypatch.setattr(jwks, "JWKS_TIMEOUT_SECONDS", 5.0)
        keys.silent, keys.status, keys.hanging = False, 200, False
        assert (await authenticator.authenticate(token)).role is Role.ADMIN


def fail(keys: KeyServer, failure: str) -> None:
    """Make the key server fail in one way."""
    keys.silent, keys.hanging = failure == "silent", failure == "hanging"
    keys.status = 500 if failure == "status" else 200


async def test_unknown_key_ids_at_the_same_time_cause_one_fetch() -> None:
    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        tokens = [f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid=str(number))}" for number in range(50)]
        results = await asyncio.gather(*map(authenticator.authenticate, tokens), return_exceptions=True)
        assert {type(result) for result in results} == {Unauthenticated}
        assert keys.requests == 1


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
        valid = orjson.dumps({"keys": [jwk(EC, "e")]})
        bomb = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"," + valid[1:]
        too_large = valid + b" " * jwks.MAX_JWKS_BYTES
        too_many = orjson.dumps({"keys": [jwk(EC, "e")] * (jwks.MAX_JWKS_KEYS + 1)})
        for keys.raw in (b"", b"<html>", b"\xff\xfe", b"{" * 50_000, b"[" * 200_000, bomb, too_large, too_many):
            with pytest.raises(Unavailable):
                await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))
        keys.raw, keys.document, keys.status = None, {"keys": [jwk(EC, "e")]}, 500
        with pytest.raises(Unavailable):
            await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))


async def test_document_without_end_is_read_up_to_its_limit() -> None:
    """Also one that decompresses to any size."""
    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        token = sign_token(VALID_CLAIMS, EC, "ES256", kid="e")
        keys.headers = ["content-encoding: gzip"]
        keys.raw = gzip.compress(orjson.dumps(keys.document) + b" " * 50_000_000)
        with pytest.raises(Unavailable):
            await viewer_of_token(settings_with_jwks(keys), token)
        keys.headers, keys.raw, keys.endless = [], None, True
        with pytest.raises(Unavailable):
            await viewer_of_token(settings_with_jwks(keys), token)
        assert keys.bytes_sent < 100 * jwks.MAX_JWKS_BYTES


async def test_redirect_of_the_key_server_is_not_followed() -> None:
    async with key_server({"keys": [jwk(EC, "e")]}) as other, key_server(None) as keys:
        keys.status, keys.headers = 302, [f"location: {other.url}"]
        with pytest.raises(Unavailable):
            await viewer_of_token(settings_with_jwks(keys), sign_token(VALID_CLAIMS, EC, "ES256", kid="e"))
        assert (keys.requests, other.requests) == (1, 0)


P384, ED448 = ec.generate_private_key(ec.SECP384R1()), ed448.Ed448PrivateKey.generate()
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
WEAK_KEYS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "1024-bit RSA": (SHORT_RSA, "RS256", {}),
    "another curve": (P384, "ES256", {"alg": "ES256"}),
    "another Edwards curve": (ED448, "EdDSA", {"alg": "EdDSA"}),
    "for encryption": (RSA, "RS256", {"use": "enc"}),
    "for signing only": (RSA, "RS256", {"key_ops": ["sign"]}),
    "operations are not a list": (RSA, "RS256", {"key_ops": "verify"}),
    "use is not a text": (RSA, "RS256", {"use": ["sig"]}),
    "algorithm of another type of key": (RSA, "RS256", {"alg": "ES256"}),
    "algorithm is not a text": (RSA, "RS256", {"alg": ["RS256"]}),
    "large exponent": (RSA, "RS256", {"e": base64.urlsafe_b64encode(b"\x01" + bytes(30) + b"\x01").decode()}),
    "modulus is not a number": (RSA, "RS256", {"n": "!"}),
}


@pytest.mark.parametrize("name", WEAK_KEYS)
async def test_weak_or_mismatched_key_verifies_no_token(name: str) -> None:
    key, algorithm, changes = WEAK_KEYS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, about the length of the key
        token = jwt.api_jws.PyJWS().encode(
            json.dumps(VALID_CLAIMS).encode(), key, algorithm if key is not P384 else "ES384", {"kid": "w"}
        )
    async with key_server({"keys": [jwk(key, "w", **changes), jwk(EC, "e")]}) as keys:
        assert "not known here" in await rejection_reason(settings_with_jwks(keys), token)


async def test_published_private_key_verifies_no_token() -> None:
    private = {**jwt.algorithms.ECAlgorithm.to_jwk(EC, as_dict=True), "kid": "p"}
    assert "d" in private
    async with key_server({"keys": [private, jwk(RSA, "r")]}) as keys:
        token = sign_token(VALID_CLAIMS, EC, "ES256", kid="p")
        assert "not known here" in await rejection_reason(settings_with_jwks(keys), token)


async def test_key_id_of_two_different_keys_verifies_no_token() -> None:
    """One of them may be an attacker's; the order of the document must not decide."""
    other = ec.generate_private_key(ec.SECP256R1())
    async with key_server({"keys": [jwk(EC, "d"), jwk(other, "d"), jwk(RSA, "r"), jwk(RSA, "r", use="sig")]}) as keys:
        for key in (EC, other):
            token = sign_token(VALID_CLAIMS, key, "ES256", kid="d")
            assert "not known here" in await rejection_reason(settings_with_jwks(keys), token)
        token = sign_token(VALID_CLAIMS, RSA, "RS256", kid="r")
        assert (await viewer_of_token(settings_with_jwks(keys), token)).role is Role.ADMIN, "the same key twice"


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
    monkeypatch.setattr(jwks, "JWKS_MIN_REFRESH_INTERVAL_SECONDS", 0.0)
    known, unknown = (f"Bearer {sign_token(VALID_CLAIMS, EC, 'ES256', kid=kid)}" for kid in ("e", "x"))

    async def hang(_keys: KeySet) -> None:
        await asyncio.Event().wait()

    async with key_server({"keys": [jwk(EC, "e")]}) as keys:
        authenticator = Authenticator(settings_with_jwks(keys))
        await authenticator.authenticate(known)
        monkeypatch.setattr(KeySet, "_fetch", hang)
        stuck = asyncio.create_task(authenticator.authenticate(unknown))
        await asyncio.sleep(0.01)
        for refresh in (jwks.JWKS_REFRESH_INTERVAL_SECONDS, 0.0):
            monkeypatch.setattr(jwks, "JWKS_REFRESH_INTERVAL_SECONDS", refresh)
            assert (await asyncio.wait_for(authenticator.authenticate(known), 60)).role is Role.ADMIN
        assert not stuck.done()
        stuck.cancel()
