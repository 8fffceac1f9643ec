"""Limits of open connections: per process, per client, and by the limit of open files."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import AsyncExitStack

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.server.client_address import TrustedProxies
from app.server.connection_table import connections_for_open_files
from tests.server.test_http_protocol import run_echo
from tests.support.raw_http import RawConnection, open_raw
from tests.support.settings import make_settings
from tests.support.waiting import wait_until

WAIT = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"


def open_connections() -> float:
    """Return the metric."""
    return REGISTRY.get_sample_value("dealmark_connections") or 0.0


async def test_client_above_its_limit_is_refused_with_429() -> None:
    async with AsyncExitStack() as stack:
        api, echo = await stack.enter_async_context(run_echo(client_limits="on", max_connections_per_client=3))
        busy = [await stack.enter_async_context(open_raw(api, WAIT)) for _ in range(3)]
        while echo.started < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        async with open_raw(api, WAIT) as connection:
            response = await connection.response()
            assert (response.status, response.code) == (429, "TOO_MANY_CONNECTIONS")
            assert int(response.headers["retry-after"]) > 0
            assert response.headers["connection"] == "close"
            assert await connection.rest() == b""
        assert echo.started == 3, "the request of a refused connection is not read"
        echo.may_answer.set()
        assert [(await connection.response()).status for connection in busy] == [200] * 3
        async with open_raw(api) as connection:
            assert (await connection.get()).status == 200


@pytest.mark.parametrize("values", [{"client_limits": "off"}, {"trusted_proxies": ("127.0.0.0/8",)}])
async def test_limit_per_client_exempts_proxies_and_can_be_switched_off(values: dict[str, object]) -> None:
    async with AsyncExitStack() as stack:
        options = {"client_limits": "on", "max_connections_per_client": 2, **values}
        api, echo = await stack.enter_async_context(run_echo(**options))
        busy = [await stack.enter_async_context(open_raw(api, WAIT)) for _ in range(6)]
        while echo.started < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        echo.may_answer.set()
        assert [(await connection.response()).status for connection in busy] == [200] * 6


async def test_full_process_refuses_with_503_while_all_connections_are_in_use() -> None:
    async with AsyncExitStack() as stack:
        api, echo = await stack.enter_async_context(run_echo(max_connections=4))
        for _ in range(4):
            await stack.enter_async_context(open_raw(api, WAIT))
        while echo.started < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for _ in range(200):
            async with open_raw(api) as connection:
                response = await connection.response()
                assert (response.status, response.code) == (503, "SERVER_FULL")
                assert int(response.headers["retry-after"]) > 0
        assert echo.started == 4


@pytest.mark.parametrize("data", [b"", b"GET / HTT", b"GET /used HTTP/1.1\r\n\r\n"], ids=["silent", "partial", "used"])
async def test_waiting_connections_give_way_to_new_ones(data: bytes) -> None:
    """A hundred connections without a request in progress do not keep anybody out of a process with 30."""
    async with AsyncExitStack() as stack:
        api, _ = await stack.enter_async_context(run_echo(max_connections=30, header_timeout_seconds=60))
        others: list[RawConnection] = []
        for _ in range(100):
            connection = await stack.enter_async_context(open_raw(api, data))
            others.append(connection)
            if b"used" in data:
                assert (await connection.response()).status == 200
        async with open_raw(api) as connection:
            assert (await connection.get()).status == 200
        assert open_connections() <= 31
        assert await others[0].rest() == b"", "the one that waited longest is closed"


async def test_timeouts_wait_for_a_blocked_event_loop() -> None:
    """What a client sent in time is read before its connection is closed for sending nothing."""
    async with run_echo(header_timeout_seconds=0.4) as (api, _), open_raw(api) as connection:
        await asyncio.sleep(0.2)
        connection.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)  # noqa: ASYNC251, blocks the server, too
        assert (await connection.response()).status == 200


async def test_metric_counts_open_connections() -> None:
    before = open_connections()

    async def is_counted(expected: float) -> bool:
        return open_connections() - before == expected

    async with run_echo() as (api, _):
        async with open_raw(api) as first, open_raw(api, b"x" * 100_000) as second:
            assert (await first.get()).status == 200
            assert (await second.response()).status == 414
            await wait_until(lambda: is_counted(2))
        await wait_until(lambda: is_counted(0))


async def test_refusals_are_counted_and_logged_once() -> None:
    before = REGISTRY.get_sample_value("dealmark_connections_refused_total", {"reason": "header_too_large"}) or 0.0
    with capture_logs() as log_lines:
        async with run_echo(header_timeout_seconds=1) as (api, _):
            for _ in range(20):
                async with open_raw(api, b"x" * 100_000) as connection:
                    assert (await connection.response()).status == 414

            async def is_logged() -> bool:
                return any(line["event"] == "connections.refused" for line in log_lines)

            await wait_until(is_logged)
    after = REGISTRY.get_sample_value("dealmark_connections_refused_total", {"reason": "header_too_large"})
    assert after == before + 20
    (line,) = [line for line in log_lines if line["event"] == "connections.refused"]
    assert line["header_too_large"] > 0


@pytest.mark.parametrize(
    ("limits", "expected", "raised"),
    [
        ((100_000, 100_000), 4_000, None),
        ((1_024, 100_000), 4_000, 4_320),
        ((1_024, resource.RLIM_INFINITY), 4_000, 4_320),
        ((1_024, 1_024), 704, 1_024),
        ((64, 64), 16, 64),
    ],
)
def test_limit_of_open_files_is_raised_or_lowers_the_limit_of_connections(
    limits: tuple[int, int], expected: int, raised: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, values: changed.append(values))
    with capture_logs() as log_lines:
        assert connections_for_open_files(make_settings(max_connections=4_000, database_pool_size=10)) == expected
    assert changed == ([] if raised is None else [(raised, limits[1])])
    assert [line["event"] for line in log_lines] == (["connections.limit_lowered"] if expected < 4_000 else [])


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("10.1.2.3", None),
        ("::ffff:10.1.2.3", None),
        (None, None),
    ],
)
def test_limited_address_is_the_client_unless_it_is_a_proxy(peer: str | None, expected: str | None) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).limited_address(peer) == expected
