"""Documents of clients, in the modes that accept them: many, large, invalid ones, and refused registrations."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from itertools import count
from urllib.parse import quote

import orjson
import pytest

from tests.abuse.attackers import attacker_address, get_request, post_json, send
from tests.abuse.conftest import RunAttack
from tests.abuse.harness import Target

pytestmark = pytest.mark.sized

CLIENTS = 2
TEXTS = 200  # of each client
LEGITIMATE = "query Mine { statistics { total } }"


def large_text(number: int) -> str:
    """Return a valid text of about 30 KiB, most of it a comment, different for each number."""
    fields = " ".join(f"a{alias}: statistics {{ total listings manufacturers sockets }}" for alias in range(40))
    return f"query Q{number} {{ {fields} }} # {'x' * 28_000}"


def registration(text: str) -> bytes:
    """Return a request that registers and executes a text."""
    return post_json(query=text, extensions=persisted_query(text))


def persisted_query(text: str) -> dict[str, object]:
    """Return the extension of Apollo's protocol."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}


def registered(text: str) -> bytes:
    """Return a GET request for a registered text."""
    extensions = quote(orjson.dumps(persisted_query(text)).decode())
    headers = ("accept: application/graphql-response+json", "graphql-require-preflight: 1")
    return get_request(f"/graphql?extensions={extensions}", *headers)


async def test_large_registered_documents_are_evicted(run_attack: RunAttack) -> None:
    numbers = count()

    async def client(target: Target, source: str) -> None:
        for _ in range(TEXTS):
            text = large_text(next(numbers))
            await send(target, registration(text), source)
            await send(target, registered(text), source)

    async def attack(target: Target) -> None:
        await asyncio.gather(*(client(target, attacker_address(number)) for number in range(CLIENTS)))

    report = await run_attack(
        f"{TEXTS * CLIENTS:,} registered documents of 30 KiB",
        attack,
        max_growth=320,
        max_peak=352,
        DEALMARK_DOCUMENTS="apq",
        DEALMARK_RESPONSE_MEMORY_MIB="1",
        DEALMARK_RATE_LIMIT_NEW_DOCUMENT="off",
    )
    assert set(report.answers) <= {"200", "429"}


async def test_large_texts_in_mode_open_are_evicted(run_attack: RunAttack) -> None:
    numbers = count()

    async def client(target: Target, source: str) -> None:
        for _ in range(TEXTS):
            await send(target, post_json(query=large_text(next(numbers))), source)

    async def attack(target: Target) -> None:
        await asyncio.gather(*(client(target, attacker_address(number)) for number in range(CLIENTS)))

    report = await run_attack(
        f"{TEXTS * CLIENTS:,} texts of 30 KiB",
        attack,
        max_growth=320,
        max_peak=352,
        DEALMARK_DOCUMENTS="open",
        DEALMARK_RESPONSE_MEMORY_MIB="1",
        DEALMARK_RATE_LIMIT_NEW_DOCUMENT="off",
    )
    assert set(report.answers) <= {"200", "429"}


async def test_new_texts_of_one_client_are_limited(run_attack: RunAttack) -> None:
    numbers = count()

    async def attack(target: Target) -> None:
        for _ in range(300):
            await send(target, post_json(query=large_text(next(numbers))))

    report = await run_attack(
        "300 texts of 30 KiB of one client", attack, max_growth=128, max_peak=160, DEALMARK_DOCUMENTS="open"
    )
    assert report.answers["429"] > 0
    assert set(report.answers) <= {"200", "429"}


async def test_invalid_text_is_not_validated_again_each_time(run_attack: RunAttack) -> None:
    text = "query { " + " ".join(f"unknown{number}" for number in range(900)) + " }"

    async def client(target: Target) -> None:
        for _ in range(100):
            await send(target, post_json(query=text))

    async def attack(target: Target) -> None:
        await asyncio.gather(*(client(target) for _ in range(10)))

    report = await run_attack("an invalid text of 900 fields, 1,000 times", attack, DEALMARK_DOCUMENTS="open")
    assert set(report.answers) <= {"400", "429"}


async def test_refused_registrations_do_not_evict_those_of_others(run_attack: RunAttack) -> None:
    numbers = count()

    async def client(target: Target) -> None:
        for _ in range(700):
            await send(target, registration(f"query Q{next(numbers)} {{ __typename }}"))

    async def attack(target: Target) -> None:
        assert await send(target, registration(LEGITIMATE), "127.0.0.3") == "200"
        await asyncio.gather(*(client(target) for _ in range(10)))
        assert await send(target, registered(LEGITIMATE), "127.0.0.3") == "200"

    report = await run_attack("7,000 registrations of one client", attack, DEALMARK_DOCUMENTS="apq")
    assert report.answers["429"] > 6_000
    assert set(report.answers) <= {"200", "429"}


async def test_unknown_ids_do_not_delay_others(run_attack: RunAttack) -> None:
    async def client(target: Target, source: str) -> None:
        for number in range(200):
            document_id = sha256(f"{source} {number}".encode()).hexdigest()
            await send(target, get_request(f"/graphql/sha256:{document_id}"), source)

    async def attack(target: Target) -> None:
        await asyncio.gather(*(client(target, attacker_address(number)) for number in range(10)))

    report = await run_attack("2,000 ids of unknown documents", attack)
    assert set(report.answers) <= {"404", "429"}
