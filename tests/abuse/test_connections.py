"""Connections that ask for nothing, never end, or are never read."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import orjson
import pytest
import websockets

from tests.abuse.attackers import (
    attacker_address,
    close,
    connect,
    connect_without_reading,
    count_answers,
    get_request,
    held_connections,
    open_websocket,
    post_json,
    read_response,
    send,
    subscribe_message,
)
from tests.abuse.conftest import RunAttack
from tests.abuse.harness import Target

pytestmark = pytest.mark.sized

# 100 rows, about 70 KiB; cached after the first request.
LIST = "/graphql/CpuList?variables=" + quote('{"first":100}')
REFUSALS = {"408", "429", "503", "closed", "refused"}


@pytest.mark.quick
async def test_endless_header_is_refused(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        reader, writer = await connect(target)
        writer.write(b"GET /graphql/Statistics HTTP/1.1\r\nhost: a\r\nx-endless: ")
        with suppress(OSError):
            for _ in range(32 * 16):
                writer.write(b"a" * 64 * 1024)
                await writer.drain()
        answer, _ = await read_response(reader)
        target.answers[answer] += 1
        await close(writer)

    report = await run_attack("one header of up to 32 MiB", attack)
    assert set(report.answers) <= {"400", "431", "closed"}


async def test_many_header_lines_are_refused(run_attack: RunAttack) -> None:
    request = get_request("/graphql/Statistics", *["accept: application/json"] * 100_000)

    async def attack(target: Target) -> None:
        await send(target, request)

    report = await run_attack("100,000 Accept lines", attack)
    assert set(report.answers) <= {"400", "431", "closed"}


async def test_half_sent_requests_are_ended(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with held_connections(target, 900, b"GET /graphql/Statistics HTTP/1.1\r\nhost: a\r\n") as opened:
            await count_answers(target, opened, seconds=20)

    report = await run_attack("900 half-sent requests", attack, DEALMARK_HEADER_TIMEOUT_SECONDS="2")
    assert set(report.answers) <= REFUSALS


async def test_idle_connections_of_one_client_leave_room_for_others(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with held_connections(target, 1_020) as opened:
            await target.wait_for_bystander()
            await count_answers(target, opened, seconds=0.5)

    report = await run_attack("1,020 idle connections of one client, 1,024 open files", attack, open_files=1_024)
    assert report.answers["open"] <= 200


async def test_idle_connections_of_many_clients_leave_room_for_others(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with held_connections(target, 1_020, source=None) as opened:
            await target.wait_for_bystander()
            await count_answers(target, opened, seconds=0.5)

    await run_attack("1,020 idle connections of 1,020 clients, 1,024 open files", attack, open_files=1_024)


async def test_pipelining_clients_that_never_read_are_not_buffered(run_attack: RunAttack) -> None:
    requests = get_request(LIST) * 1_000

    async def attack(target: Target) -> None:
        async with unread(target, 5, requests, endless=True):
            await target.wait_for_bystander(180)

    await run_attack("5 pipelining clients that never read", attack)


async def test_slow_readers_do_not_delay_others(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with unread(target, 150, get_request(LIST), endless=False):
            await target.wait_for_bystander()

    await run_attack("150 clients that never read one response of 70 KiB", attack)


@asynccontextmanager
async def unread(target: Target, number: int, data: bytes, *, endless: bool) -> AsyncIterator[None]:
    """Send data on connections that are never read: once, or as often as the server accepts it."""

    async def write(position: int) -> None:
        connection = connect_without_reading(target, attacker_address(position))
        connections.append(connection)
        with suppress(OSError):
            await loop.sock_sendall(connection, data)
            while endless:
                await loop.sock_sendall(connection, data)

    loop = asyncio.get_running_loop()
    connections: list[socket.socket] = []
    writers = [asyncio.create_task(write(position)) for position in range(number)]
    try:
        yield
    finally:
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        for connection in connections:
            connection.close()


async def test_slow_bodies_are_refused(run_attack: RunAttack) -> None:
    request = post_json(documentId="Statistics", variables={"x": "x" * 100_000})

    async def attack(target: Target) -> None:
        async with held_connections(target, 180, request[:-50_000]) as opened:
            answers = asyncio.create_task(count_answers(target, opened, seconds=30))
            while not answers.done():
                for _, writer in opened:
                    writer.write(b"x")
                await asyncio.wait([answers], timeout=0.2)
            await answers

    report = await run_attack("180 bodies that arrive byte by byte", attack, DEALMARK_REQUEST_TIMEOUT_SECONDS="3")
    assert set(report.answers) <= {"408", "429", "503", "closed"}


async def test_floods_of_pings_do_not_delay_others(run_attack: RunAttack) -> None:
    ping = orjson.dumps({"type": "ping", "payload": {"x": "x" * 1_000}}).decode()

    async def flood(target: Target, number: int) -> None:
        async with open_websocket(target, attacker_address(number)) as connection:
            with suppress(websockets.ConnectionClosed):
                for _ in range(3_000):
                    await connection.send(ping)
                    if number % 2:
                        await connection.ping()
                target.answers["accepted"] += 1

    async def attack(target: Target) -> None:
        await ignoring_closed([flood(target, number) for number in range(5)])

    await run_attack("WebSocket pings, 5 x 3,000 of 1 KiB", attack)


async def test_floods_of_subscribe_messages_do_not_delay_others(run_attack: RunAttack) -> None:
    async def flood(target: Target, number: int) -> None:
        async with open_websocket(target, attacker_address(number)) as connection:
            for operation in range(2_000):
                await connection.send(subscribe_message(str(operation), documentId="PriceChanged"))
            while True:
                message = orjson.loads(await connection.recv())
                target.answers[message["type"]] += 1

    async def attack(target: Target) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await ignoring_closed([flood(target, number) for number in range(5)])

    report = await run_attack("WebSocket subscribe messages, 5 x 2,000", attack)
    assert report.answers["next"] == 0


async def ignoring_closed(coroutines: Sequence[object]) -> None:
    """Run attackers until the server has closed their connections, or they have ended."""
    for result in await asyncio.gather(*coroutines, return_exceptions=True):  # type: ignore[call-overload]
        if isinstance(result, BaseException) and not isinstance(result, (OSError, websockets.WebSocketException)):
            raise result


async def test_random_bytes_are_refused(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        for _ in range(50):
            await send(target, os.urandom(100_000))

    report = await run_attack("random bytes", attack)
    assert set(report.answers) <= {"400", "431", "429", "closed", "408"}


async def test_thousand_clients_at_once_are_served_or_refused(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        start = time.monotonic()
        documents = [
            get_request(f"/graphql/CpuList?variables={quote(orjson.dumps({'first': 100, 'filter': values}).decode())}")
            for values in ({"price": {"min": 0, "max": 500 + number + start % 1}} for number in range(1_000))
        ]
        await asyncio.gather(*(send(target, data, attacker_address(n)) for n, data in enumerate(documents)))

    # All clients take turns, the bystander too. The growth is that of the cache of responses.
    report = await run_attack(
        "1,000 clients at once, each with an uncached list of 100 CPUs",
        attack,
        max_growth=128,
        max_peak=160,
        max_p95=15.0,
    )
    assert set(report.answers) <= {"200", "429", "503"}


async def test_thousand_subscribers_at_once_are_served_or_refused(run_attack: RunAttack) -> None:
    request = get_request("/graphql/PriceChanged", "accept: text/event-stream")

    async def attack(target: Target) -> None:
        async with held_connections(target, 1_000, request, source=None) as opened:
            heads = await asyncio.gather(*(reader.readline() for reader, _ in opened))
            target.answers.update(head.split()[1].decode() for head in heads)
            await target.wait_for_bystander()

    report = await run_attack("1,000 clients at once, each with a subscription", attack, max_growth=64, max_p95=5.0)
    assert set(report.answers) <= {"200", "429", "503"}
