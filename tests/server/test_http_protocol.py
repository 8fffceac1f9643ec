"""HTTP over bare sockets: limits and timeouts of headers, bodies and responses."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.api_server import ApiClient, run_api
from tests.support.raw_http import RawConnection, open_raw
from tests.support.settings import make_settings

BIG = b"x" * 200_000


class Echo:
    """An application that tells what it received, and counts its requests."""

    def __init__(self) -> None:
        self.started = 0
        self.disconnected = asyncio.Event()
        self.may_answer = asyncio.Event()
        methods = ["GET", "POST", "HEAD"]
        self.app = Starlette(
            routes=[Route(f"/{name}", getattr(self, name), methods=methods) for name in ("ignore", "big", "wait")]
            + [Route("/{path:path}", self.echo, methods=methods)]
        )

    async def echo(self, request: Request) -> Response:
        """Return method, URL, headers and the length of the body."""
        self.started += 1
        body = await request.body()
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        content = {"method": request.method, "path": request.url.path, "query": request.url.query, "body": len(body)}
        return JSONResponse({**content, "headers": headers})

    async def ignore(self, _request: Request) -> Response:
        """Answer without reading the body."""
        return Response("ignored")

    async def big(self, _request: Request) -> Response:
        """Return more than the buffer of a transport holds."""
        self.started += 1
        return Response(BIG)

    async def wait(self, request: Request) -> Response:
        """Answer when the test says so, or when the client is gone."""
        self.started += 1
        while not self.may_answer.is_set():
            if await request.is_disconnected():
                self.disconnected.set()
                break
            await asyncio.sleep(0.01)
        return Response("waited")


@asynccontextmanager
async def run_echo(**values: Any) -> AsyncIterator[tuple[ApiClient, Echo]]:
    """Run the application with these settings."""
    echo = Echo()
    async with run_api(make_settings(**values), echo.app) as api:
        try:
            yield api, echo
        finally:
            echo.may_answer.set()


def headers(count: int, size: int = 1) -> bytes:
    """Return `count` header lines with values of `size` bytes."""
    return b"".join(b"x-%d: %s\r\n" % (number, b"v" * size) for number in range(count))


async def test_header_within_the_limits_is_accepted() -> None:
    async with run_echo() as (api, _), open_raw(api) as connection:
        await connection.send(b"GET / HTTP/1.1\r\n" + headers(100) + b"\r\n")
        assert (await connection.response()).status == 200
        await connection.send(b"GET / HTTP/1.1\r\n" + headers(8, 8_000) + b"\r\n")
        assert (await connection.response()).status == 200
        await connection.send(b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n\r\n")
        assert (await connection.response()).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n" + headers(101) + b"\r\n", 431, "HEADER_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\n" + b"accept: a\r\n" * 100_000 + b"\r\n", 431, "HEADER_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\n" + headers(9, 8_000) + b"\r\n", 431, "HEADER_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nx: " + b"v" * 2_000_000, 431, "HEADER_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\n" + b"n" * 2_000_000, 431, "HEADER_TOO_LARGE"),
        (b"GET /" + b"a" * 2_000_000, 414, "URL_TOO_LONG"),
        (b"\r\n" * 500_000, 431, "HEADER_TOO_LARGE"),
    ],
)
@pytest.mark.parametrize("piece_size", [700, 1_000_000])
async def test_header_above_a_limit_is_refused_with_a_status(
    request_bytes: bytes, status: int, code: str, piece_size: int
) -> None:
    async with run_echo() as (api, echo), open_raw(api) as connection:

        async def send() -> None:
            for start in range(0, len(request_bytes), piece_size):
                await connection.send(request_bytes[start : start + piece_size])

        sending = asyncio.create_task(send())
        response = await connection.response()
        await sending
        assert (response.status, response.code) == (status, code)
        assert response.headers["connection"] == "close"
        assert response.headers["content-type"].startswith("application/json")
        assert await connection.rest() == b""
        assert echo.started == 0
        assert (await api.http.get("/")).status_code == 200


async def test_header_after_a_served_request_has_the_same_limits() -> None:
    async with run_echo() as (api, _), open_raw(api) as connection:
        assert (await connection.get()).status == 200
        await connection.send(b"GET / HTTP/1.1\r\n" + headers(101) + b"\r\n")
        assert (await connection.response()).status == 431


REQUESTS = [
    b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /b HTTP/1.1\r\ncontent-length: 13\r\n\r\nab\r\n\r\nGET / H",
    b"\r\n\r\nHEAD /c%20d HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /d HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    b"GET /e HTTP/1.1\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    b"POST /f HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\ncontent-length: 5\r\n\r\nGET /",
    b"POST /g HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n3\r\n\r\n\r\r\n0\r\ncookie: x\r\n\r\n",
]
ANSWERS = [
    ("GET", "/a", 0),
    ("POST", "/b", 13),
    ("HEAD", "/c d", 0),
    ("POST", "/d", 0),
    ("GET", "/e", 0),
    ("POST", "/f", 5),
    ("POST", "/g", 5),
]


@pytest.mark.parametrize("seed", range(40))
async def test_requests_in_pieces_give_the_responses_of_whole_requests(seed: int) -> None:
    rng, data = random.Random(seed), b"".join(REQUESTS)
    async with run_echo() as (api, _), open_raw(api) as connection:

        async def send() -> None:
            position = 0
            while position < len(data):
                size = rng.choice([1, 1, 2, 3, 20, 200])
                await connection.send(data[position : position + size])
                await asyncio.sleep(0)
                position += size

        sending = asyncio.create_task(send())
        for method, path, length in ANSWERS:
            if method == "HEAD":
                assert await connection.reader.readuntil(b"\r\n\r\n")
                continue
            response = await connection.response()
            content = response_json(response.body)
            assert (content["method"], content["path"], content["body"]) == (method, path, length)
            assert not [header for header in content["headers"] if header.startswith(("cookie", "upgrade"))]
        await sending


def response_json(body: bytes) -> dict[str, Any]:
    """Return the content of a response of Echo."""
    content: dict[str, Any] = orjson.loads(body)
    return content


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with run_echo() as (api, _), open_raw(api) as connection:
        await connection.send(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(3_000)))
        for number in range(3_000):
            assert response_json((await connection.response()).body)["path"] == f"/{number}"


async def test_pipelined_requests_wait_for_a_client_that_does_not_read() -> None:
    async with run_echo(write_timeout_seconds=0.4) as (api, echo), open_raw(api) as connection:
        connection.stop_reading()
        await connection.send_until_closed(b"GET /big HTTP/1.1\r\n\r\n" * 1_000)
        # The buffers of the kernel take some megabytes on the loopback interface.
        assert 0 < echo.started < 200


async def test_pipelined_requests_wait_while_a_response_is_pending() -> None:
    async with run_echo() as (api, echo), open_raw(api, b"GET /wait HTTP/1.1\r\n\r\n" * 10_000) as connection:
        while not echo.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for _ in range(5):
            assert (await api.http.get("/")).status_code == 200
        assert echo.started == 6
        echo.may_answer.set()
        for _ in range(10_000):
            assert (await connection.response()).status == 200


async def test_response_that_the_client_reads_slowly_is_not_cut() -> None:
    async with run_echo(write_timeout_seconds=1) as (api, _), open_raw(api) as connection:
        await connection.send(b"GET /big HTTP/1.1\r\n\r\n" * 60)
        for _ in range(60):
            await asyncio.sleep(0.02)
            assert (await connection.response()).body == BIG


async def test_header_that_does_not_arrive_in_time_is_answered_with_408() -> None:
    async with run_echo(header_timeout_seconds=0.4) as (api, _), open_raw(api, b"GET / HTTP/1.1\r\n") as connection:
        drip = asyncio.create_task(drip_header(connection))
        response = await connection.response()
        assert (response.status, response.code) == (408, "HEADER_TOO_SLOW")
        assert response.headers["connection"] == "close"
        drip.cancel()
    async with run_echo(header_timeout_seconds=0.4, idle_timeout_seconds=50) as (api, _), open_raw(api) as connection:
        assert (await connection.get()).status == 200
        await connection.send(b"GET")
        assert (await connection.response()).status == 408


async def drip_header(connection: RawConnection) -> None:
    """Send header lines one at a time."""
    while True:
        await connection.send(b"a: b\r\n")
        await asyncio.sleep(0.1)


async def test_connection_without_a_request_is_closed_after_the_header_timeout() -> None:
    async with run_echo(header_timeout_seconds=0.4) as (api, _), open_raw(api) as connection:
        assert await connection.rest() == b""


async def test_idle_connection_is_closed_after_the_idle_timeout() -> None:
    async with run_echo(header_timeout_seconds=0.2, idle_timeout_seconds=1) as (api, _), open_raw(api) as connection:
        for _ in range(3):
            assert (await connection.get()).status == 200
            await asyncio.sleep(0.4)  # longer than the header timeout
        assert await connection.rest() == b""


@pytest.mark.parametrize(
    "head", [b"content-length: 1000000000000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n10000000\r\n"]
)
async def test_body_after_the_response_does_not_keep_the_connection(head: bytes) -> None:
    async with (
        run_echo(header_timeout_seconds=0.4) as (api, _),
        open_raw(api, b"POST /ignore HTTP/1.1\r\n" + head) as connection,
    ):
        assert (await connection.response()).body == b"ignored"
        await connection.send_until_closed(b"x" * 10_000, interval=0.01)


async def test_rest_of_a_body_after_the_response_is_skipped() -> None:
    async with run_echo() as (api, _), open_raw(api) as connection:
        await connection.send(b"POST /ignore HTTP/1.1\r\ncontent-length: 500000\r\n\r\nx")
        assert (await connection.response()).body == b"ignored"
        await connection.send(b"x" * 499_999)
        assert (await connection.get("/next")).status == 200


async def test_expected_body_that_is_not_read_ends_the_connection() -> None:
    request = b"POST /ignore HTTP/1.1\r\nExpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
    async with run_echo() as (api, _), open_raw(api, request) as connection:
        assert (await connection.response()).body == b"ignored"
        assert await connection.rest() == b""
    async with run_echo() as (api, _), open_raw(api, request.replace(b"ignore", b"read")) as connection:
        assert (await connection.response()).status == 100
        await connection.send(b"12345")
        assert response_json((await connection.response()).body)["body"] == 5
        assert (await connection.get()).status == 200


@pytest.mark.parametrize(
    "framing",
    [
        b"1;" + b"e" * 1_000_000,
        b"1\r\nx\r\n" * 300_000,
        b"".join(b"1;%s\r\nx\r\n" % (b"e" * 1_000) for _ in range(1_000)),
        b"0\r\n" + b"trailer: x\r\n" * 100_000,
    ],
    ids=["extension", "tiny chunks", "extensions", "trailers"],
)
async def test_framing_that_is_larger_than_the_body_is_refused(framing: bytes) -> None:
    async with run_echo() as (api, _), open_raw(api) as connection:
        sending = asyncio.create_task(
            connection.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + framing)
        )
        response = await connection.response()
        await sending
        assert (response.status, response.code) == (400, "FRAMING_TOO_LARGE")


async def test_chunks_of_usual_size_are_accepted() -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in [1] * 1_000 + [100] * 2_000 + [5_000] * 20)
    async with run_echo() as (api, _), open_raw(api) as connection:
        await connection.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert response_json((await connection.response()).body)["body"] == 301_000
        assert (await connection.get()).status == 200


async def test_request_behind_a_chunked_body_ends_the_connection_after_the_response() -> None:
    chunked = b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    async with run_echo() as (api, echo), open_raw(api, chunked) as connection:
        while not echo.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await connection.send(b"0\r\n\r\nGET /b HTTP/1.1\r\n\r\n" + b"GET /c HTTP/1.1\r\n\r\n" * 1_000)
        response = await connection.response()
        assert response_json(response.body)["path"] == "/a"
        assert response.headers["connection"] == "close"
        assert await connection.rest() == b""
        assert echo.started == 1


@pytest.mark.parametrize(
    "request_bytes",
    [b"hello\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"\x16\x03\x01\x02", b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"PRI *"],
)
async def test_invalid_request_is_answered_with_400(request_bytes: bytes) -> None:
    async with run_echo(header_timeout_seconds=1) as (api, _), open_raw(api, request_bytes) as connection:
        response = await connection.response()
        if request_bytes != b"PRI *":
            assert (response.status, response.code) == (400, "BAD_REQUEST")
        assert response.headers["connection"] == "close"


async def test_invalid_chunk_during_a_response_ends_the_request() -> None:
    async with run_echo() as (api, echo), open_raw(api) as connection:
        await connection.send(b"POST /wait HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n")
        while not echo.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await connection.send(b"not a chunk")
        assert (await connection.response()).status == 400
        await asyncio.wait_for(echo.disconnected.wait(), 60)


async def test_invalid_chunk_behind_an_expectation_ends_the_request_without_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = b"POST /wait HTTP/1.1\r\nExpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
    async with run_echo() as (api, echo), open_raw(api, head + b"not a chunk\r\n") as connection:
        assert (await connection.response()).status == 400
        await asyncio.wait_for(echo.disconnected.wait(), 60)
        assert await connection.rest() == b""
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_response_is_complete_when_the_server_stops() -> None:
    async with run_echo() as (api, echo):
        stack = open_raw(api, b"GET /wait HTTP/1.1\r\n\r\n")
        connection = await stack.__aenter__()
        while not echo.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    response = await connection.response()
    assert response.body == b"waited"
    assert await connection.rest() == b""
    await stack.__aexit__(None, None, None)
