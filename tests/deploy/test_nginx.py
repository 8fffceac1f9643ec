"""`deploy/nginx/dealmark.conf` in a real nginx, in front of the API and of an application that shows what arrives."""

from __future__ import annotations

import asyncio
import datetime
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import orjson
import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.types import Receive, Scope, Send

from app.settings import Settings
from tests.support.api_server import run_api
from tests.support.paths import ROOT
from tests.support.ports import closed_port
from tests.support.settings import make_settings

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CONFIGURATION = ROOT / "deploy" / "nginx" / "dealmark.conf"
# nginx as one process in the foreground, with all files in its directory.
MAIN = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include {configuration};
}}
"""
UPLOAD = {"content-type": "multipart/form-data; boundary=x", "graphql-require-preflight": "1"}

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Edge:
    """A running nginx and a client for it."""

    def __init__(self, port: int, plain_port: int) -> None:
        self.url, self.port, self.plain_port = f"https://127.0.0.1:{port}", port, plain_port
        self.http = httpx.AsyncClient(base_url=self.url, verify=False, timeout=60)


@asynccontextmanager
async def run_edge(directory: Path, upstream: str, **changes: str) -> AsyncIterator[Edge]:
    """Run nginx in front of a server. `changes` replaces directives of the configuration by their names."""
    edge = Edge(closed_port(), closed_port())
    write_configuration(directory, edge, upstream, changes)
    command = [str(NGINX), "-p", str(directory), "-c", "nginx.conf"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        await wait_for_port(edge.port, process)
        yield edge
    finally:
        await edge.http.aclose()
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def write_configuration(directory: Path, edge: Edge, upstream: str, changes: dict[str, str]) -> None:
    """Write the shipped configuration with other addresses, and a certificate."""
    text = CONFIGURATION.read_text()
    changes = {
        "server": upstream.removeprefix("http://"),
        "listen 80": f"127.0.0.1:{edge.plain_port}",
        "listen 443 ssl http2": f"127.0.0.1:{edge.port} ssl http2",
        "ssl_certificate": str(directory / "edge.crt"),
        "ssl_certificate_key": str(directory / "edge.key"),
        **{name.replace("__", " "): value for name, value in changes.items()},
    }
    for name, value in changes.items():
        directive, _, old = name.partition(" ")
        text, count = re.subn(rf"\b{directive} {old or '[^;{{]+'};", f"{directive} {value};", text)
        assert count >= 1, name
    write_certificate(directory)
    (directory / "dealmark.conf").write_text(text)
    (directory / "nginx.conf").write_text(MAIN.format(configuration=directory / "dealmark.conf"))


def write_certificate(directory: Path) -> None:
    """Write a certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cpus.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    certificate = builder.sign(key, hashes.SHA256())
    (directory / "edge.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "edge.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


async def wait_for_port(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until nginx listens. Fail with its message if it has ended."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        if process.returncode is not None:
            pytest.fail((await process.communicate())[1].decode())
        await asyncio.sleep(0.02)


async def show_request(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the headers of the request; with an event stream that never ends if the path is /graphql/events."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"application/json")]
    if scope["path"] == "/graphql/events":
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    while (await receive()).get("more_body"):
        pass
    body = orjson.dumps(
        {name.decode(): value.decode() for name, value in [(b"path", scope["raw_path"]), *scope["headers"]]}
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def run_edge_of_shown_requests(directory: Path, **changes: str) -> AsyncIterator[Edge]:
    """Run nginx in front of `show_request`."""
    async with run_api(make_settings(), show_request) as api, run_edge(directory, api.url, **changes) as edge:
        yield edge


@pytest.fixture
def production(settings: Settings) -> Settings:
    """Settings of the API behind nginx."""
    return settings.model_copy(update={"development": False, "trusted_proxies": ("127.0.0.1/32",)})


def test_configuration_passes_the_test_of_nginx(tmp_path: Path) -> None:
    write_configuration(tmp_path, Edge(closed_port(), closed_port()), "127.0.0.1:8000", {})
    command = [str(NGINX), "-t", "-p", str(tmp_path), "-c", "nginx.conf"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "[warn]" not in result.stderr


async def test_edge_serves_the_api_and_hides_what_is_for_operators(production: Settings, tmp_path: Path) -> None:
    async with run_api(production) as api, run_edge(tmp_path, api.url) as edge:
        response = await edge.http.get("/graphql/Statistics")
        assert response.json() == (await api.http.get("/graphql/Statistics")).json()
        assert response.headers["strict-transport-security"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert (await edge.http.get("/health")).json() == {"status": "ok"}
        assert (await edge.http.get("/metrics")).status_code == 404
        ready = await edge.http.get("/ready")
        assert (ready.status_code, ready.content) == (204, b"")
        for path in ("/dealmark-readiness", "/dealmark-uploads/graphql"):
            assert (await edge.http.get(path)).status_code == 404
        plain = await edge.http.get(f"http://127.0.0.1:{edge.plain_port}/graphql/Statistics?a=b")
        assert (plain.status_code, plain.headers["location"]) == (308, "https://127.0.0.1/graphql/Statistics?a=b")


async def test_edge_of_a_server_that_is_not_ready_says_so(production: Settings, tmp_path: Path) -> None:
    away = production.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{closed_port()}/none"})
    async with run_api(away) as api, run_edge(tmp_path, api.url) as edge:
        assert (await edge.http.get("/ready")).status_code == 500


async def test_edge_passes_the_clients_address_and_not_what_the_client_claims(tmp_path: Path) -> None:
    async with run_edge_of_shown_requests(tmp_path) as edge:
        forged = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "gopher", "upgrade": ""}
        seen = (await edge.http.get("/graphql/a%2Fb?c=%20", headers=forged)).json()
        assert seen["x-forwarded-for"] == "127.0.0.1"
        assert seen["x-forwarded-proto"] == "https"
        assert seen["host"] == f"127.0.0.1:{edge.port}"
        assert seen["path"] == "/graphql/a%2Fb"
        assert "connection" not in seen, "the connection to the API is kept"


async def test_edge_limits_bodies(tmp_path: Path) -> None:
    async with run_edge_of_shown_requests(tmp_path) as edge:

        async def status(kib: int, path: str = "/graphql", **headers: str) -> int:
            return (await edge.http.post(path, content=bytes(kib * 1024), headers=headers)).status_code

        assert await status(1024) == 200
        assert await status(1025) == 413
        assert await status(1, "/") == 200
        assert await status(2, "/") == 413
        upload = await edge.http.post("/graphql/Import", content=bytes(4096 * 1024), headers=UPLOAD)
        assert (upload.status_code, upload.json()["path"]) == (200, "/graphql/Import")
        assert await status(4097, **UPLOAD) == 413
        assert await status(2, "/other", **UPLOAD) == 413, "uploads have one path"


async def test_edge_limits_headers(tmp_path: Path) -> None:
    async with run_edge_of_shown_requests(tmp_path, client_header_timeout="1s") as edge:
        small = {f"x-{number}": "a" * 1000 for number in range(50)}
        assert (await edge.http.get("/", headers=small)).status_code == 200
        large = {f"x-{number}": "a" * 1000 for number in range(80)}
        assert (await edge.http.get("/", headers=large)).status_code == 400
        assert (await edge.http.get("/graphql?" + "a" * 20_000)).status_code == 414
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.plain_port)
        writer.write(b"GET / HTTP/1.1\r\nhost: cpus.example\r\nx: ")
        with suppress(ConnectionError):
            assert b" 408 " in await reader.readline() or reader.at_eof()
        writer.close()


async def test_edge_limits_requests_of_an_address(tmp_path: Path) -> None:
    one = "$binary_remote_addr zone=dealmark_requests:10m rate=1r/m"
    changes = {
        "limit_req_zone__[^;]*dealmark_requests[^;]*": one,
        "limit_req__zone=dealmark_requests[^;]*": "zone=dealmark_requests burst=4 nodelay",
    }
    async with run_edge_of_shown_requests(tmp_path, **changes) as edge:
        responses = [await edge.http.get("/") for _ in range(7)]
        assert [response.status_code for response in responses] == [200] * 5 + [429] * 2
        assert [response.headers.get("retry-after") for response in responses] == [None] * 5 + ["1"] * 2


async def test_edge_limits_connections_of_an_address(tmp_path: Path) -> None:
    changes = {"limit_conn": "dealmark_connections 1"}
    async with (
        run_edge_of_shown_requests(tmp_path, **changes) as edge,
        edge.http.stream("GET", "/graphql/events") as events,
    ):
        chunks = events.aiter_raw()
        assert await anext(chunks) == b":\n\n", "is not buffered"
        assert (await edge.http.get("/")).status_code == 429


async def test_edge_passes_websocket_connections(production: Settings, tmp_path: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with run_api(production) as api, run_edge(tmp_path, api.url) as edge:
        connection = websockets.connect(
            edge.url.replace("https", "wss") + "/graphql",
            ssl=context,
            origin=websockets.Origin(edge.url),
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        )
        async with connection as socket:
            await socket.send('{"type": "connection_init"}')
            assert orjson.loads(await socket.recv())["type"] == "connection_ack"
