"""Requests that no client makes: metrics, forged tokens, paths that do not exist, damaged values in Redis."""

from __future__ import annotations

import asyncio
import os

import pytest
from redis.asyncio import Redis

from tests.abuse.attackers import builtin_id, get_request, post_json, send, send_and_read
from tests.abuse.conftest import RunAttack
from tests.abuse.harness import Target
from tests.support.tokens import forge_token

pytestmark = pytest.mark.sized


async def send_often(target: Target, requests: list[bytes]) -> None:
    """Send requests one after another, on 10 connections at a time."""
    iterator = iter(requests)

    async def client() -> None:
        for request in iterator:
            await send(target, request)

    await asyncio.gather(*(client() for _ in range(10)))


async def test_flood_of_metrics_is_refused(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        await send_often(target, [get_request("/metrics")] * 1_000)

    report = await run_attack("1,000 requests of /metrics", attack)
    assert set(report.answers) <= {"401", "403", "404", "429"}


async def test_flood_of_readiness_checks_does_not_delay_others(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        await send_often(target, [get_request("/ready")] * 1_000)

    report = await run_attack("1,000 requests of /ready", attack)
    assert set(report.answers) <= {"200", "429"}


async def test_random_tokens_are_refused(run_attack: RunAttack) -> None:
    def token() -> str:
        kind = {"alg": "HS256", "typ": "JWT", "kid": os.urandom(4).hex()}
        return forge_token(kind, {"sub": "x", "role": "admin", "exp": 2**33}, os.urandom(32))

    async def attack(target: Target) -> None:
        requests = [get_request("/graphql/Statistics", f"authorization: Bearer {token()}") for _ in range(1_000)]
        await send_often(target, requests)

    report = await run_attack("1,000 forged tokens", attack)
    assert set(report.answers) <= {"401", "429"}


async def test_paths_that_do_not_exist_do_not_delay_others(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        paths = [f"/{os.urandom(4).hex()}/{'../' * 20}{'%2e%2e/' * 20}etc/passwd" for _ in range(1_000)]
        await send_often(target, list(map(get_request, paths)))

    report = await run_attack("1,000 paths that do not exist", attack)
    assert set(report.answers) <= {"400", "404", "429"}


async def test_damaged_values_in_redis_are_not_served(run_attack: RunAttack) -> None:
    """Small responses are stored as they are. Large ones replace them in the memory of the process."""
    small = [post_json(documentId=builtin_id("NameSearch"), variables={"search": f"ryzen {n}"}) for n in range(40)]
    large = [
        post_json(documentId=builtin_id("CpuList"), variables={"first": 100, "filter": {"cores": {"max": 100 + n}}})
        for n in range(60)
    ]

    async def damage(redis: Redis) -> int:
        names = [name async for name in redis.scan_iter("dealmark:*", count=1_000)]
        damaged = 0
        for name in names:
            if await redis.type(name) == b"string" and (value := await redis.get(name)):
                middle = len(value) // 2
                flipped = bytes([value[middle] ^ 1])
                await redis.set(name, value[:middle] + flipped + value[middle + 1 :], keepttl=True)
                damaged += 1
        return damaged

    async def attack(target: Target) -> None:
        redis = Redis.from_url(target.settings.required_redis_url)
        responses = [await send_and_read(target, request) for request in small]
        for request in large:
            await send(target, request)
        target.notes["damaged values"] = await damage(redis)
        await redis.aclose()
        again = [await send_and_read(target, request) for request in small]
        target.notes["wrong responses"] = sum(a != b for a, b in zip(responses, again, strict=True))

    report = await run_attack("damaged values in Redis", attack, DEALMARK_RESPONSE_MEMORY_MIB="1")
    assert report.notes["damaged values"] >= len(small)
    assert report.notes["wrong responses"] == 0
    assert set(report.answers) == {"200"}
