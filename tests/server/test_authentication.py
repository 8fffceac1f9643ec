"""Bearer tokens signed with the secret; test_jwks.py tests published keys."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import StartupError, Unauthenticated
from app.graphql.viewer import Role, Viewer
from app.server.authentication import Authenticator, issue_token
from app.settings import Settings
from tests.support.api_server import run_api
from tests.support.effort import size_of
from tests.support.ports import closed_port
from tests.support.settings import SECRET, make_settings
from tests.support.tokens import (
    LATER,
    NOW,
    VALID_CLAIMS,
    forge_raw_token,
    forge_token,
    rejection_reason,
    sign_raw_claims,
    sign_token,
    viewer_of_token,
)


async def test_valid_token_gives_its_viewer() -> None:
    settings = make_settings()
    assert await viewer_of_token(settings, sign_token(VALID_CLAIMS)) == Viewer("me", Role.ADMIN)
    assert await viewer_of_token(settings, sign_token({**VALID_CLAIMS, "role": "operator"})) == Viewer(
        "me", Role.OPERATOR
    )
    assert await viewer_of_token(settings, sign_token({"sub": "me", "exp": LATER})) == Viewer("me", Role.VIEWER)
    assert await viewer_of_token(
        settings, sign_token({**VALID_CLAIMS, "nbf": NOW - 5, "iat": NOW, "extra": [1]})
    ) == Viewer("me", Role.ADMIN)
    assert await Authenticator(settings).authenticate(None) == Viewer(None, Role.VIEWER)
    assert await Authenticator(settings).authenticate(f"bEARER   {sign_token(VALID_CLAIMS)} ") == Viewer(
        "me", Role.ADMIN
    )


WITHOUT = {name: {k: v for k, v in VALID_CLAIMS.items() if k != name} for name in VALID_CLAIMS}
BAD: dict[str, tuple[str, str]] = {
    "expired": (sign_token({**VALID_CLAIMS, "exp": NOW - 60}), "The token has expired: get a new one."),
    "not yet valid": (sign_token({**VALID_CLAIMS, "nbf": LATER}), "not yet valid"),
    "issued in the future": (sign_token({**VALID_CLAIMS, "iat": LATER}), "not yet valid"),
    "wrong secret": (
        sign_token(VALID_CLAIMS, "another secret that is long enough, too"),
        "Signature verification failed",
    ),
    "another hash": (sign_token(VALID_CLAIMS, SECRET * 2, "HS512"), "alg"),
    "alg none": (forge_token({"alg": "none", "typ": "JWT"}, VALID_CLAIMS), "alg"),
    "alg None": (forge_token({"alg": "None"}, VALID_CLAIMS), "alg"),
    "no alg": (forge_token({}, VALID_CLAIMS), "Alg"),
    "unsigned": (sign_token(VALID_CLAIMS).rpartition(".")[0] + ".", "Signature verification failed"),
    "no exp": (sign_token(WITHOUT["exp"]), '"exp"'),
    "no sub": (sign_token(WITHOUT["sub"]), '"sub"'),
    "sub is a number": (sign_token({**VALID_CLAIMS, "sub": 5}), "not valid"),
    "exp is a text": (sign_token({**VALID_CLAIMS, "exp": "tomorrow"}), "exp"),
    "unknown role": (sign_token({**VALID_CLAIMS, "role": "root"}), "one of viewer, operator, admin"),
    "role is a list": (sign_token({**VALID_CLAIMS, "role": ["admin"]}), "must be one of"),
    "role is a number": (sign_token({**VALID_CLAIMS, "role": 2}), "must be one of"),
    "role is null": (sign_token({**VALID_CLAIMS, "role": None}), "must be one of"),
    "garbage": ("garbage", "not valid"),
    "dots": ("..", "not valid"),
    "not ASCII": ("é.é.é", "not valid"),
    "claims are a list": (forge_token({"alg": "HS256"}, [1]), "not valid"),  # type: ignore[arg-type]
    "long": ("a" * 8_000, "not valid"),
    "too long": ("a" * 8_192, "longer than 8,192 characters"),
    "nested header": (forge_raw_token(b"[" * 4_000, b"{}"), "not valid"),
    "nested claims": (sign_raw_claims(b'{"sub":"me","exp":' + b"[" * 5_000), "not valid"),
    "claims that are not JSON": (sign_raw_claims(b"\xff"), "not valid"),
    "exp is a number as text": (sign_token({**VALID_CLAIMS, "exp": str(LATER)}), "`exp` must be a number"),
    "exp is a boolean": (sign_token({**VALID_CLAIMS, "exp": True}), "expired"),
    "exp is null": (sign_token({**VALID_CLAIMS, "exp": None}), '"exp"'),
    "exp is a list": (sign_token({**VALID_CLAIMS, "exp": [LATER]}), "exp"),
    "exp is an object": (sign_token({**VALID_CLAIMS, "exp": {}}), "exp"),
    "exp is huge": (sign_token({**VALID_CLAIMS, "exp": 1e308}), "`exp` must be a number of seconds until the year"),
    "exp has many digits": (sign_raw_claims(b'{"sub":"me","exp":' + b"9" * 5_000 + b"}"), "not valid"),
    "exp is negative": (sign_token({**VALID_CLAIMS, "exp": -1e308}), "expired"),
    "exp is infinite": (sign_raw_claims(b'{"sub":"me","exp":Infinity}'), "exp"),
    "exp overflows": (sign_raw_claims(b'{"sub":"me","exp":1e999}'), "exp"),
    "exp is not a number": (sign_raw_claims(b'{"sub":"me","exp":NaN}'), "exp"),
    "nbf is infinite": (sign_raw_claims(b'{"sub":"me","exp":9999999999,"nbf":1e999}'), "not valid"),
    "iat is infinite": (sign_raw_claims(b'{"sub":"me","exp":9999999999,"iat":1e999}'), "not valid"),
    "sub is empty": (sign_token({**VALID_CLAIMS, "sub": ""}), "`sub` must have 1 to 255 printable characters"),
    "sub is long": (sign_token({**VALID_CLAIMS, "sub": "a" * 256}), "`sub` must have"),
    "sub has a NUL": (sign_token({**VALID_CLAIMS, "sub": "a\0b"}), "`sub` must have"),
    "sub has a line break": (sign_token({**VALID_CLAIMS, "sub": "a\nb"}), "`sub` must have"),
    "sub is half a character": (sign_token({**VALID_CLAIMS, "sub": "\ud800"}), "`sub` must have"),
    "sub is null": (sign_token({**VALID_CLAIMS, "sub": None}), "sub"),
    "kid is a list": (forge_token({"alg": "HS256", "kid": ["a"]}, VALID_CLAIMS), "not valid"),
    "crit is unknown": (forge_token({"alg": "HS256", "crit": ["x"], "x": 1}, VALID_CLAIMS), "not valid"),
    "detached payload": (forge_token({"alg": "HS256", "b64": False, "crit": ["b64"]}, VALID_CLAIMS), "not valid"),
    "compressed": (forge_token({"alg": "HS256", "zip": "DEF"}, VALID_CLAIMS), "not valid"),
}


# Parts of tokens: valid ones, and what JSON allows but the claims do not.
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=5)
    | st.just(LATER)
    | st.sampled_from(["me", "admin", "HS256", "dealmark", "https://issuer"]),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=3), values, max_size=2),
    max_leaves=4,
)
CLAIM_NAMES = st.sampled_from(["exp", "sub", "role", "nbf", "iat", "iss", "aud", "jti", "other"])
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jku", "jwk", "x5c"])


@pytest.mark.sized
@hypothesis.settings(max_examples=size_of(short=100, long=2_000, soak=100_000))
@given(
    header=st.dictionaries(HEADER_NAMES, JSON_VALUES, max_size=4),
    claims=st.dictionaries(CLAIM_NAMES, JSON_VALUES, max_size=6),
    strict=st.booleans(),
)
async def test_any_signed_token_is_accepted_or_unauthenticated(
    header: dict[str, Any], claims: dict[str, Any], strict: bool
) -> None:
    """Also those of a login server that writes strange claims: they must not become an internal error."""
    strictness = {"jwt_issuer": "https://issuer", "jwt_audience": "dealmark"} if strict else {}
    payload = json.dumps({"exp": LATER, "sub": "me", **claims}).encode()
    token = sign_raw_claims(payload, {"alg": "HS256", **header})
    with suppress(Unauthenticated):
        viewer = await viewer_of_token(make_settings(**strictness), token)
        assert viewer.subject


@given(
    st.text() | st.text().map(lambda text: f"Bearer {text}") | st.from_regex(r"Bearer [-_A-Za-z0-9]*\.[-_A-Za-z0-9]*\.")
)
async def test_any_authorization_header_is_anonymous_or_unauthenticated(header: str) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(make_settings()).authenticate(header)


@pytest.mark.parametrize("name", BAD)
async def test_invalid_token_is_rejected_with_the_reason(name: str) -> None:
    token, reason = BAD[name]
    assert reason in await rejection_reason(make_settings(), token)


SCHEMES = ["", "Bearer", "Bearer ", "Basic bWU6cHc=", "Token x", sign_token(VALID_CLAIMS), "Bearer\tx"]


@pytest.mark.parametrize("header", SCHEMES, ids=range(len(SCHEMES)))  # each test process signs other tokens
async def test_authorization_without_bearer_token_is_rejected(header: str) -> None:
    with pytest.raises(Unauthenticated, match="must be `Bearer` and a token"):
        await Authenticator(make_settings()).authenticate(header)


async def test_issuer_and_audience_are_checked_when_configured() -> None:
    strict = make_settings(jwt_issuer="https://issuer", jwt_audience="dealmark")
    claims = {**VALID_CLAIMS, "iss": "https://issuer", "aud": ["other", "dealmark"]}
    assert (await viewer_of_token(strict, sign_token(claims))).role is Role.ADMIN
    wrongs: list[dict[str, Any]] = [{"iss": "https://other"}, {"iss": ""}, {"aud": "other"}, {"aud": []}, {"aud": 5}]
    for wrong in wrongs:
        assert "not valid" in await rejection_reason(strict, sign_token({**claims, **wrong}))
    assert '"iss"' in await rejection_reason(strict, sign_token({**VALID_CLAIMS, "aud": "dealmark"}))
    assert '"aud"' in await rejection_reason(strict, sign_token({**VALID_CLAIMS, "iss": "https://issuer"}))
    assert (await viewer_of_token(make_settings(), sign_token(claims))).role is Role.ADMIN


async def test_issued_token_is_accepted() -> None:
    for settings in (make_settings(), make_settings(jwt_issuer="https://issuer", jwt_audience="dealmark")):
        for role in Role:
            token = issue_token(settings, role, "somebody", timedelta(minutes=1))
            assert await viewer_of_token(settings, token) == Viewer("somebody", role)
    with pytest.raises(StartupError, match="DEALMARK_JWT_SECRET"):
        issue_token(make_settings(jwt_secret=None), Role.ADMIN, "x", timedelta(minutes=1))


async def test_server_without_secret_or_jwks_rejects_every_token() -> None:
    assert "accepts no tokens" in await rejection_reason(make_settings(jwt_secret=None), sign_token(VALID_CLAIMS))


async def test_invalid_token_over_http_gives_401(settings: Settings) -> None:
    async with run_api(settings) as api:
        for header in ("Bearer x", "Basic x", f"Bearer {BAD['expired'][0]}"):
            response = await api.http.post(
                "/graphql", json={"query": "{ __typename }"}, headers={"authorization": header}
            )
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    away = settings.model_copy(update={"jwt_jwks_url": f"http://127.0.0.1:{closed_port()}/jwks.json"})
    async with run_api(away) as api:
        token = sign_token(VALID_CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256", kid="e")
        response = await api.http.get("/graphql?query={__typename}", headers={"authorization": f"Bearer {token}"})
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        assert await api.ask("{ __typename }") == {"data": {"__typename": "Query"}}, "nobody needs no keys"
