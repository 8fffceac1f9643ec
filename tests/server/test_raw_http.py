"""Random requests that no client library sends: none causes a server error or hangs."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections import Counter
from contextlib import suppress
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from app.core.global_ids import encode_global_id
from app.documents.registry import builtin_documents
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.effort import size_of

COMPLETE = size_of(short=900, long=10_000)
MUTATED = size_of(short=500, long=5_000)

METHODS = [*["GET", "POST"] * 10, "PUT", "HEAD", "OPTIONS", "DELETE", "TRACE", "get", "Q"]
IDS = ["Statistics", "CpuList", "sha256:" + "0" * 64, "x-a:b", "%00", "%ff", "%F0%9F%98%80", "../..", "a" * 3_000, ":"]
TEXTS = [
    *builtin_documents().values(),
    *(
        "{ __typename }",
        "{",
        "",
        "\0",
        "{ cpus(first: 99999999999) { totalCount } }",
        "{ __schema { types { name } } }",
    ),
    f'subscription {{ jobProgress(id: "{encode_global_id("Job", 404)}") {{ status }} }}',
    "mutation { recalculateMetrics { job { id } } }",
    "query($a: [ID!]!) { nodes(ids: $a) { id } }",
    "query($f: CPUFilter, $o: [CPUOrder!]) { cpus(filter: $f, orderBy: $o) { nodes { name } } }",
    "{ " + "a" * 10_000 + " }",
    "{" + " ".join(f"a{n}: __typename" for n in range(60)) + "}",
]
VALUES: list[object] = [
    *(None, True, 0, -1, 1.5, 2**31, 2**63, 2**70, 1e308, -0.0, "", "x", "\ud800", "💥", "\0", "a" * 10_000),
    *([], {}, [[]], {"": {}}, [None], {"search": "x"}, {"price": {"min": 5, "max": 1}}, {"field": "NAME"}),
    *(
        [encode_global_id("CPU", 1)],
        [encode_global_id("CPU", 2**62)],
        ["junk"] * 300,
        {"search": "%_\\"},
        {"rating": ["GOOD"]},
    ),
]
NAMES = ["query", "documentId", "doc_id", "id", "variables", "extensions", "operationName", "a", "\ud800"]
HEADERS = {
    "content-type": ["application/json", "application/json", "text/plain", "application/json; charset=x", "\xff", ""],
    "accept": [
        "*/*",
        "application/json;q=nan",
        "text/event-stream",
        "text/html",
        ",;q=,",
        "application/*;q=1e999",
        "\x80",
    ],
    "if-none-match": ["*", '"x"', 'W/"', ",", '"' * 50],
    "authorization": ["Bearer x", "Bearer " + "e30." * 3, "Basic \xff", "bearer", ""],
    "x-request-id": ["ok", "\xff", "a" * 100],
    "x-forwarded-for": ["1.2.3.4", ",,,", "::", "%"],
    "transfer-encoding": ["chunked"],
    "connection": ["close", "keep-alive, close", "upgrade"],
    "upgrade": ["websocket", "h2c"],
    "sec-websocket-key": ["x", "dGhlIHNhbXBsZSBub25jZQ=="],
    "sec-websocket-version": ["13"],
    "expect": ["100-continue"],
    "content-encoding": ["gzip"],
    "range": ["bytes=0-1"],
    "host": ["", "localhost", "x", "\x80"],
    "cookie": ["a=b"],
    "graphql-require-preflight": ["1", ""],
}


def random_body(rng: random.Random) -> bytes:
    """Return a body that is valid or nearly valid."""
    content = {}
    for name in rng.sample(NAMES, rng.randint(0, 4)):
        content[name] = rng.choice(VALUES)
    if rng.random() < 0.7:
        content["query"] = rng.choice(TEXTS)
    if rng.random() < 0.4:
        content["variables"] = {name: rng.choice(VALUES) for name in ("a", "f", "o", "id", "slug", "first")}
    if rng.random() < 0.2:
        content["extensions"] = {"persistedQuery": {"version": 1, "sha256Hash": rng.choice(VALUES)}, "cost": True}
    body = encode_json(content)
    odd = [
        b"",
        b"[" * 60_000,
        b"[]",
        b"null",
        b'{"query":' * 900,
        b"\xff" * 100,
        b"NaN",
        body + body,
        b"\xef\xbb\xbf" + body,
    ]
    return body if rng.random() < 0.8 else rng.choice(odd)


def encode_json(content: object) -> bytes:
    """Return JSON with lone surrogates and large numbers, which orjson does not write."""
    return json.dumps(content).encode()


def random_request(rng: random.Random) -> bytes:
    """Return a complete request with a correct length."""
    method = rng.choice(METHODS)
    path = "/graphql" + (f"/{rng.choice(IDS)}" if rng.random() < 0.3 else "")
    if rng.random() < 0.5:
        pairs = [(rng.choice(NAMES), rng.choice([*TEXTS, *map(str, VALUES), '{"a":[1]}'])) for _ in range(3)]
        path += "?" + "&".join(f"{quote(n, errors='replace')}={quote(v, errors='replace')}" for n, v in pairs)
        path += rng.choice(["", "&%", "&%ff=%ff", "&=", "&" * 100, "#x", "&variables=%7B%22a%22%3A1e999%7D"])
    headers = {name: rng.choice(HEADERS[name]) for name in rng.sample(sorted(HEADERS), rng.randint(0, 4))}
    body = random_body(rng) if method not in {"GET", "HEAD"} or rng.random() < 0.1 else b""
    headers.setdefault("host", "localhost")
    if method == "POST" and rng.random() < 0.8:
        headers["content-type"] = "application/json"
    if headers.pop("transfer-encoding", None):
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        headers["transfer-encoding"] = "chunked"
    elif body:
        headers["content-length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + body


def mutated_request(rng: random.Random) -> bytes:
    """Return a request with some bytes changed, removed or repeated."""
    request = bytearray(random_request(rng))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(request)) if rng.random() < 0.5 else rng.randrange(min(200, len(request)))
        end = min(len(request), at + rng.randint(1, 20))
        chunk = request[at:end]
        request[at:end] = rng.choice([b"", chunk * 2, bytes(rng.randbytes(len(chunk))), b"\r\n", b"\0", b" "])
        request = request or bytearray(b"x")
    return bytes(request)


async def send_raw(api: ApiClient, request: bytes, seconds: float) -> bytes | None:
    """Return the first line of the response, b"" if the connection was closed without one, None after a timeout."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.readline(), seconds)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def fuzz(api: ApiClient, requests: list[bytes], seconds: float) -> Counter[str]:
    """Return how often each status occurred. A status of 5xx fails with the request."""
    outcomes: Counter[str] = Counter()

    async def send_share(share: list[bytes]) -> None:
        for request in share:
            line = await send_raw(api, request, seconds)
            status = "nothing" if line is None else "closed"
            if line:
                found = re.match(rb"HTTP/1\.1 (\d{3}) ", line)
                assert found, (line, request[:500])
                status = found[1].decode()
                assert not status.startswith("5"), (line, request[:2_000])
            outcomes[status] += 1

    await asyncio.gather(*(send_share(requests[n::8]) for n in range(8)))
    return outcomes


@pytest.mark.sized
async def test_random_request_never_gives_a_server_error(
    settings: Settings, resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    await add_cpu(resources, "AMD One", [1, 2])
    rng = random.Random(3)
    with capture_logs() as log_lines, caplog.at_level(logging.ERROR):
        async with run_api(settings) as api:
            complete_outcomes = await fuzz(api, [random_request(rng) for _ in range(COMPLETE)], seconds=10)
            mutated_outcomes = await fuzz(api, [mutated_request(rng) for _ in range(MUTATED)], seconds=0.3)
            assert await api.data("{ statistics { total } }") == {"statistics": {"total": 1}}
    assert complete_outcomes["nothing"] == 0, complete_outcomes
    assert complete_outcomes["200"] > COMPLETE / 25, complete_outcomes
    assert complete_outcomes["400"] > COMPLETE / 25, complete_outcomes
    assert mutated_outcomes["400"] > 100, mutated_outcomes
    assert [line for line in log_lines if line["log_level"] in {"error", "critical"}] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    await resources.broker.redis.flushall()
