"""Inputs that are slow to parse: one request of each costs no more than its size suggests."""

from __future__ import annotations

import gzip

import pytest

from tests.abuse.attackers import (
    builtin_id,
    close_code,
    open_websocket,
    post_json,
    post_request,
    send,
    send_all,
)
from tests.abuse.conftest import RunAttack
from tests.abuse.harness import Target
from tests.support.effort import size_of

pytestmark = pytest.mark.sized

NAMES = size_of(short=12_000, long=25_000, soak=25_000)
MULTIPART_NAMES = size_of(short=12_000, long=60_000, soak=60_000)
BOUNDARY = "x" * 20


def repeated_name(names: int) -> bytes:
    """Return an object with many names, the last two of them equal."""
    members = ",".join(f'"{number:x}":0' for number in range(names))
    return f'{{{members},"last":0,"last":0}}'.encode()


@pytest.mark.quick
async def test_json_body_with_a_repeated_name_is_refused(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        for _ in range(3):
            await send(target, post_request(repeated_name(NAMES)))

    report = await run_attack(f"JSON body, {NAMES:,} names, the last one repeated", attack)
    assert set(report.answers) == {"400"}


async def test_websocket_message_with_a_repeated_name_closes_the_connection(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with open_websocket(target, initialize=False) as connection:
            await connection.send(repeated_name(NAMES - 2_000).decode())
            await close_code(target, connection.recv())

    report = await run_attack(f"WebSocket message before connection_init, {NAMES:,} names", attack)
    assert set(report.answers) == {"close 4400"}


async def test_multipart_operations_with_a_repeated_name_are_refused(run_attack: RunAttack) -> None:
    fields = {"operations": repeated_name(MULTIPART_NAMES), "map": b'{"0":["variables.file"]}'}
    parts = [
        b'--%s\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (BOUNDARY.encode(), name.encode(), content)
        for name, content in fields.items()
    ]
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    request = post_request(
        body, content_type=f"multipart/form-data; boundary={BOUNDARY}", graphql_require_preflight="1"
    )

    async def attack(target: Target) -> None:
        await send(target, request)

    report = await run_attack(f"multipart operations of {len(body) // 1024} KiB with a repeated name", attack)
    assert set(report.answers) == {"400"}


async def test_deeply_nested_body_is_refused(run_attack: RunAttack) -> None:
    bodies = [b"[" * 250_000, b'{"a":' * 50_000, b'{"variables":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]

    async def attack(target: Target) -> None:
        await send_all(target, [post_request(body) for body in bodies] * 5)

    report = await run_attack("JSON bodies nested 50,000 to 250,000 levels deep", attack)
    assert set(report.answers) <= {"400", "429"}


async def test_body_above_the_limit_is_refused(run_attack: RunAttack) -> None:
    variables = {"filter": {"search": "x" * 300_000}}
    request = post_json(documentId=builtin_id("CpuList"), variables=variables)

    async def attack(target: Target) -> None:
        await send_all(target, [request] * 20)

    report = await run_attack("variables of 300 KiB", attack)
    assert set(report.answers) <= {"413", "429", "closed"}


async def test_compressed_body_is_not_decompressed(run_attack: RunAttack) -> None:
    request = post_request(gzip.compress(b" " * 200_000_000), content_encoding="gzip")

    async def attack(target: Target) -> None:
        await send_all(target, [request] * 10)

    report = await run_attack("gzip bodies of 190 MiB in 190 KiB", attack)
    assert set(report.answers) <= {"400", "415", "429"}


TEXTS = {
    "nesting": "query { a " + "{ a " * 20_000 + "} " * 20_000 + "}",
    "aliases": "query { " + " ".join(f"a{number}: __typename" for number in range(10_000)) + " }",
    "equal fields": "query { statistics { " + "total " * 30_000 + "} }",
    "operations": " ".join(f"query Q{number} {{ __typename }}" for number in range(8_000)),
    "fragments": "query { ...F0 } "
    + " ".join(f"fragment F{number} on Query {{ ...F{number + 1} ...F{number + 2} }}" for number in range(3_000)),
    "overlapping fields": "query { "
    + " ".join(f'x: cpu(slug: "{number}") {{ name }}' for number in range(3_000))
    + " }",
    "variables": f"query ({' '.join(f'$v{number}: Int' for number in range(9_000))}) {{ __typename }}",
    "directives": "query { __typename " + "@include(if: true) " * 9_000 + "}",
    "nested lists": "query { nodes(ids: " + "[" * 20_000 + "]" * 20_000 + ") { id } }",
}


async def test_large_texts_are_refused(run_attack: RunAttack) -> None:
    requests = [post_json(query=text) for text in TEXTS.values()]

    async def attack(target: Target) -> None:
        await send_all(target, requests * 5)

    report = await run_attack(f"documents with too many {', '.join(TEXTS)}", attack, DEALMARK_DOCUMENTS="open")
    assert set(report.answers) <= {"400", "429"}
