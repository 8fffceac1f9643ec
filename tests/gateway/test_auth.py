"""Bearer tokens signed with the secret; that keys are published is shown in test_jwks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.core.errors import StartupError, Unauthenticated
from app.graphql.viewer import Role, Viewer
from app.server.authentication import Authenticator, mint
from app.settings import Settings
from tests.conftest import SECRET, make_settings, serving
from tests.gateway.servers import closed_port
from tests.gateway.tokens import GOOD, LATER, NOW, forged, refused, signed, viewer


async def test_good_tokens() -> None:
    settings = make_settings()
    assert await viewer(settings, signed(GOOD)) == Viewer("me", Role.ADMIN)
    assert await viewer(settings, signed({**GOOD, "role": "operator"})) == Viewer("me", Role.OPERATOR)
    assert await viewer(settings, signed({"sub": "me", "exp": LATER})) == Viewer("me", Role.VIEWER)
    assert await viewer(settings, signed({**GOOD, "nbf": NOW - 5, "iat": NOW, "extra": [1]})) == Viewer(
        "me", Role.ADMIN
    )
    assert await Authenticator(settings).viewer(None) == Viewer(None, Role.VIEWER)
    assert await Authenticator(settings).viewer(f"bEARER   {signed(GOOD)} ") == Viewer("me", Role.ADMIN)


WITHOUT = {name: {k: v for k, v in GOOD.items() if k != name} for name in GOOD}
BAD: dict[str, tuple[str, str]] = {
    "expired": (signed({**GOOD, "exp": NOW - 60}), "The token has expired: get a new one."),
    "not yet valid": (signed({**GOOD, "nbf": LATER}), "not yet valid"),
    "issued in the future": (signed({**GOOD, "iat": LATER}), "not yet valid"),
    "wrong secret": (signed(GOOD, "another secret that is long enough, too"), "Signature verification failed"),
    "another hash": (signed(GOOD, SECRET * 2, "HS512"), "alg"),
    "alg none": (forged({"alg": "none", "typ": "JWT"}, GOOD), "alg"),
    "alg None": (forged({"alg": "None"}, GOOD), "alg"),
    "no alg": (forged({}, GOOD), "Alg"),
    "unsigned": (signed(GOOD).rpartition(".")[0] + ".", "Signature verification failed"),
    "no exp": (signed(WITHOUT["exp"]), '"exp"'),
    "no sub": (signed(WITHOUT["sub"]), '"sub"'),
    "sub is a number": (signed({**GOOD, "sub": 5}), "not valid"),
    "exp is a text": (signed({**GOOD, "exp": "tomorrow"}), "exp"),
    "unknown role": (signed({**GOOD, "role": "root"}), "none of viewer, operator, admin"),
    "role is a list": (signed({**GOOD, "role": ["admin"]}), "none of"),
    "role is a number": (signed({**GOOD, "role": 2}), "none of"),
    "role is null": (signed({**GOOD, "role": None}), "none of"),
    "garbage": ("garbage", "not valid"),
    "dots": ("..", "not valid"),
    "not ASCII": ("é.é.é", "not valid"),
    "claims are a list": (forged({"alg": "HS256"}, [1]), "not valid"),  # type: ignore[arg-type]
    "long": ("a" * 50_000, "not valid"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_tokens(name: str) -> None:
    token, reason = BAD[name]
    assert reason in await refused(make_settings(), token)


SCHEMES = ["", "Bearer", "Bearer ", "Basic bWU6cHc=", "Token x", signed(GOOD), "Bearer\tx"]


@pytest.mark.parametrize("header", SCHEMES, ids=range(len(SCHEMES)))  # a token is another one in each process
async def test_other_schemes(header: str) -> None:
    with pytest.raises(Unauthenticated, match="must be `Bearer` and a token"):
        await Authenticator(make_settings()).viewer(header)


async def test_issuer_and_audience_are_checked_when_configured() -> None:
    strict = make_settings(jwt_issuer="https://issuer", jwt_audience="dealmark")
    claims = {**GOOD, "iss": "https://issuer", "aud": ["other", "dealmark"]}
    assert (await viewer(strict, signed(claims))).role is Role.ADMIN
    wrongs: list[dict[str, Any]] = [{"iss": "https://other"}, {"iss": ""}, {"aud": "other"}, {"aud": []}, {"aud": 5}]
    for wrong in wrongs:
        assert "not valid" in await refused(strict, signed({**claims, **wrong}))
    assert '"iss"' in await refused(strict, signed({**GOOD, "aud": "dealmark"}))
    assert '"aud"' in await refused(strict, signed({**GOOD, "iss": "https://issuer"}))
    assert (await viewer(make_settings(), signed(claims))).role is Role.ADMIN


async def test_minted_tokens_hold() -> None:
    for settings in (make_settings(), make_settings(jwt_issuer="https://issuer", jwt_audience="dealmark")):
        for role in Role:
            token = mint(settings, role, "somebody", timedelta(minutes=1))
            assert await viewer(settings, token) == Viewer("somebody", role)
    with pytest.raises(StartupError, match="DEALMARK_JWT_SECRET"):
        mint(make_settings(jwt_secret=None), Role.ADMIN, "x", timedelta(minutes=1))


async def test_without_a_secret_or_keys_no_token_is_accepted() -> None:
    assert "accepts no tokens" in await refused(make_settings(jwt_secret=None), signed(GOOD))


async def test_refusals_over_http(settings: Settings) -> None:
    async with serving(settings) as api:
        for header in ("Bearer x", "Basic x", f"Bearer {BAD['expired'][0]}"):
            response = await api.http.post(
                "/graphql", json={"query": "{ __typename }"}, headers={"authorization": header}
            )
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    away = settings.model_copy(update={"jwt_jwks_url": f"http://127.0.0.1:{closed_port()}/jwks.json"})
    async with serving(away) as api:
        token = signed(GOOD, ec.generate_private_key(ec.SECP256R1()), "ES256", kid="e")
        response = await api.http.get("/graphql?query={__typename}", headers={"authorization": f"Bearer {token}"})
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        assert await api.ask("{ __typename }") == {"data": {"__typename": "Query"}}, "nobody needs no keys"
