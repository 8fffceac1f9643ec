"""Fetcher with local servers that are slow, endless, broken, compressed, redirecting or hostile."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import socket
import ssl
import struct
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from app.ingestion.fetch.decompression import IdentityDecoder, InflateDecoder, create_decoder
from app.ingestion.fetch.errors import (
    FetchTimeout,
    HostUnreachable,
    HttpStatusError,
    IngestionError,
    InvalidCertificate,
    PageTooLarge,
    PermanentError,
    RetryableError,
    ServerBusy,
    TooManyRedirects,
    UnknownHost,
    UnsupportedContentType,
    UrlRejected,
)
from app.ingestion.fetch.fetcher import Fetcher, FetchLimits, FetchRequest, parse_retry_after
from app.ingestion.fetch.guarded_transport import GuardedNetworkBackend
from app.ingestion.fetch.url_policy import AllowList, IPAddress
from tests.support.ports import closed_port
from tests.support.sites import (
    LOCALHOST_ONLY,
    SHORT_LIMITS,
    FakeResolver,
    RecordingBackend,
    Site,
    http_response,
    redirect_response,
    run_fetcher,
    run_site,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IMPATIENT = FetchLimits(timeout_seconds=0.4, idle_timeout_seconds=0.3, max_bytes=SHORT_LIMITS.max_bytes)


async def fetch_error(answer: bytes, limits: FetchLimits = SHORT_LIMITS) -> IngestionError:
    """Return the error that a response causes."""
    async with run_site({"/": answer}) as server, run_fetcher(limits) as fetcher:
        with pytest.raises(IngestionError) as caught:
            await fetcher.fetch(server.url())
    return caught.value


async def test_fetch_returns_page_and_sends_no_credentials() -> None:
    async with run_site({"/a?b=%20c": http_response("gr\u00fcn".encode())}) as server, run_fetcher() as fetcher:
        page = await fetcher.fetch(server.url("/a?b=%20c#d"))
        again = await fetcher.fetch(server.url("/a?b=%20c"))
    assert (page.text, page.media_type, page.url) == ("gr\u00fcn", "text/html", server.url("/a?b=%20c"))
    assert page.requested_url == server.url("/a?b=%20c#d")
    assert again.body == page.body
    head = server.requests[0].lower()
    assert head.startswith("get /a?b=%20c http/1.1\r\n")
    assert f"host: 127.0.0.1:{server.port}\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


async def test_fetch_follows_redirects_and_returns_last_url() -> None:
    pages = {"/1": redirect_response("2"), "/2": redirect_response("/3?x", 308), "/3?x": http_response()}
    async with run_site(pages) as server, run_fetcher() as fetcher:
        page = await fetcher.fetch(server.url("/1"))
    assert (page.url, page.requested_url) == (server.url("/3?x"), server.url("/1"))


async def test_fetch_ignores_cookies() -> None:
    pages = {"/1": http_response(b"", 302, {"Location": "/2", "Set-Cookie": "a=b"}), "/2": http_response()}
    async with run_site(pages) as server, run_fetcher() as fetcher:
        await fetcher.fetch(server.url("/1"))
    assert "a=b" not in server.requests[1]


async def test_fetch_of_redirect_loop_raises_too_many_redirects() -> None:
    async with run_site({"/": redirect_response("/")}) as server, run_fetcher() as fetcher:
        with pytest.raises(TooManyRedirects, match="more than 5 times"):
            await fetcher.fetch(server.url())
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "//10.0.0.1/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://127.1:{port}/",
        "http://localhost:{port}/",
        "http://user:password@127.0.0.1:{port}/",
        "\\\\127.0.0.1:{port}/",
        "/a\tb",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "javascript:alert(1)",
        "//[/",
        "http://private.example/",
    ],
)
async def test_fetch_of_redirect_to_forbidden_target_is_rejected(location: str) -> None:
    """The server is on the allow-list, the target of its redirect is not."""
    network, names = RecordingBackend(httpcore.AnyIOBackend()), FakeResolver({"private.example": ["10.0.0.1"]})
    async with (
        run_site() as server,
        Fetcher(LOCALHOST_ONLY, SHORT_LIMITS, GuardedNetworkBackend(LOCALHOST_ONLY, names, network)) as fetcher,
    ):
        server.pages["/"] = redirect_response(location.format(port=server.port))
        with pytest.raises(UrlRejected):
            await fetcher.fetch(server.url())
    assert network.connections == [("127.0.0.1", server.port)]


async def test_fetch_resolves_and_checks_a_name_once_per_connection() -> None:
    """DNS rebinding has no effect, because the fetcher connects to the address that it checked."""
    by_network = AllowList.from_entries(["127.0.0.1/32"])
    names = FakeResolver({"shop.example": ["127.0.0.1", "127.0.0.2"]})
    network = RecordingBackend(httpcore.AnyIOBackend())
    closing = http_response(headers={"Connection": "close"})
    async with (
        run_site({"/": closing}) as server,
        Fetcher(by_network, SHORT_LIMITS, GuardedNetworkBackend(by_network, names, network)) as fetcher,
    ):
        page = await fetcher.fetch(server.url(host="shop.example"))
        assert names.requested_names == ["shop.example"], "the check and the connection share one lookup"
        with pytest.raises(UrlRejected):
            await fetcher.fetch(server.url(host="shop.example"))
    assert page.url == f"http://shop.example:{server.port}/"
    assert f"host: shop.example:{server.port}\r\n" in server.requests[0].lower(), "the Host header contains the name"
    assert network.connections == [("127.0.0.1", server.port)]


async def test_fetch_checks_a_name_again_after_a_redirect() -> None:
    by_network = AllowList.from_entries(["127.0.0.1/32"])
    names = FakeResolver({"shop.example": ["127.0.0.1", "169.254.169.254"]})
    network = RecordingBackend(httpcore.AnyIOBackend())
    away = http_response(b"", 302, {"Location": "/2", "Connection": "close"})
    async with (
        run_site({"/": away}) as server,
        Fetcher(by_network, SHORT_LIMITS, GuardedNetworkBackend(by_network, names, network)) as fetcher,
    ):
        with pytest.raises(UrlRejected):
            await fetcher.fetch(server.url(host="shop.example"))
    assert network.connections == [("127.0.0.1", server.port)]


async def test_fetch_tries_all_addresses_of_a_name() -> None:
    network = RecordingBackend()
    names = FakeResolver({"shop.example": ["93.184.215.14 93.184.215.15 2606:4700::1"]})
    async with Fetcher(backend=GuardedNetworkBackend(AllowList(), names, network)) as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch("https://shop.example/")
    assert [host for host, _ in network.connections] == ["93.184.215.14", "93.184.215.15", "2606:4700::1"]


async def test_fetch_of_allowed_host_accepts_any_address() -> None:
    allowed = AllowList.from_entries(["intranet"])
    backend = GuardedNetworkBackend(allowed, FakeResolver({"intranet": ["127.0.0.1"]}))
    async with run_site({"/": http_response()}) as server, Fetcher(allowed, SHORT_LIMITS, backend) as fetcher:
        assert (await fetcher.fetch(server.url(host="intranet"))).body == b"<h1>x</h1>"


async def test_backend_rejects_unix_sockets() -> None:
    with pytest.raises(UrlRejected):
        await GuardedNetworkBackend(AllowList()).connect_unix_socket("/run/docker.sock")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), UnknownHost),
        (socket.gaierror(socket.EAI_AGAIN, "x"), HostUnreachable),
        (OSError("x"), HostUnreachable),
        (UnicodeError("x"), HostUnreachable),
        (None, UnknownHost),
    ],
)
async def test_fetch_of_unresolvable_name_raises_error(error: Exception | None, expected: type[IngestionError]) -> None:
    async def resolver(_host: str, _port: int) -> list[IPAddress]:
        if error is not None:
            raise error
        return []

    async with Fetcher(backend=GuardedNetworkBackend(AllowList(), resolver)) as fetcher:
        with pytest.raises(expected):
            await fetcher.fetch("http://shop.example/")


async def test_backend_rejects_localhost_from_system_resolver() -> None:
    """The system resolver resolves localhost, which is not public."""
    backend = GuardedNetworkBackend(AllowList())
    with pytest.raises(UrlRejected):
        await backend.connect_tcp("localhost", 80)


async def test_fetch_with_slow_resolver_times_out() -> None:
    async def resolver(_host: str, _port: int) -> list[IPAddress]:
        await asyncio.sleep(30)
        raise AssertionError

    async with Fetcher(LOCALHOST_ONLY, IMPATIENT, GuardedNetworkBackend(LOCALHOST_ONLY, resolver)) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch("http://shop.example/")


async def test_fetch_of_slow_body_times_out() -> None:
    """Each byte arrives before the idle timeout, but the page exceeds the total timeout."""

    async def drip(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with run_site({"/": drip}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def test_fetch_of_slow_headers_times_out() -> None:
    async def drip(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            writer.write(b"X-%d: y\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with run_site({"/": drip}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def test_fetch_without_response_times_out() -> None:
    async def wait(_request: str, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with (
        run_site({"/": wait}) as server,
        run_fetcher(FetchLimits(timeout_seconds=20, idle_timeout_seconds=0.2)) as fetcher,
    ):
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def test_fetch_of_slow_redirects_times_out() -> None:
    async def slowly(_request: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(redirect_response("/", 307))

    async with run_site({"/": slowly}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def endless(_request: str, writer: asyncio.StreamWriter) -> None:
    """Send a body without Content-Length that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        writer.write(b"x" * 10_000)
        await writer.drain()


async def test_fetch_of_endless_body_raises_page_too_large() -> None:
    async with run_site({"/": endless}) as server, run_fetcher() as fetcher:
        with pytest.raises(PageTooLarge, match="65,536"):
            await fetcher.fetch(server.url())


async def test_fetch_of_endless_headers_raises_host_unreachable() -> None:
    async def write(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Y: " + b"z" * 10_000 + b"\r\n")
            await writer.drain()

    async with run_site({"/": write}) as server, run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(server.url())


async def test_fetch_does_not_read_the_body_of_a_redirect() -> None:
    async def write(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /page\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with run_site({"/": write, "/page": http_response()}) as server, run_fetcher() as fetcher:
        assert (await fetcher.fetch(server.url())).url == server.url("/page")


async def test_fetch_of_too_large_content_length_raises_page_too_large() -> None:
    announced = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999999999999999\r\n\r\n"
    assert isinstance(await fetch_error(announced), PageTooLarge)


async def test_fetch_of_body_at_the_limit_is_accepted() -> None:
    async with run_site({"/": http_response(b"x" * SHORT_LIMITS.max_bytes)}) as server, run_fetcher() as fetcher:
        assert len((await fetcher.fetch(server.url())).body) == SHORT_LIMITS.max_bytes
    assert isinstance(await fetch_error(http_response(b"x" * (SHORT_LIMITS.max_bytes + 1))), PageTooLarge)


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("GZIP", gzip.compress(b"hello", mtime=0)),
        ("x-gzip", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0)),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"\0" * 100),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", raw_deflate(b"hello")),
        ("identity", b"hello"),
        ("gzip", b""),
    ],
)
async def test_fetch_of_compressed_page_returns_its_content(encoding: str, sent: bytes) -> None:
    async with (
        run_site({"/": http_response(sent, headers={"Content-Encoding": encoding})}) as server,
        run_fetcher() as fetcher,
    ):
        assert (await fetcher.fetch(server.url())).body == (b"hello" if sent else b"")


BOMB = bytes(50 * 1024 * 1024)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("gzip", gzip.compress(BOMB, mtime=0)),
        ("deflate", zlib.compress(BOMB)),
        ("deflate", raw_deflate(BOMB)),
        ("gzip", gzip.compress(BOMB[:40_000], mtime=0) * 2),
    ],
)
async def test_fetch_of_decompression_bomb_raises_page_too_large(encoding: str, sent: bytes) -> None:
    assert len(sent) <= SHORT_LIMITS.max_bytes, "the compressed size is within the limit"
    assert isinstance(await fetch_error(http_response(sent, headers={"Content-Encoding": encoding})), PageTooLarge)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, raw_deflate])
def test_decoder_stops_soon_after_the_limit(compress: object) -> None:
    assert callable(compress)
    output = bytearray()
    with pytest.raises(PageTooLarge):
        create_decoder("gzip" if compress is gzip.compress else "deflate").feed(compress(BOMB), output, 1000)
    assert len(output) <= 1000 + 64 * 1024


def test_decoder_limits_number_of_gzip_members() -> None:
    decoder, output = InflateDecoder(is_gzip=True), bytearray()
    decoder.feed(gzip.compress(b"", mtime=0) * 5000 + gzip.compress(b"never", mtime=0), output, 1000)
    assert output == b""


@given(st.binary(max_size=200_000), st.integers(1, 70_000))
def test_decoder_restores_compressed_content(content: bytes, step: int) -> None:
    content *= 3
    for encoding, sent in (("gzip", gzip.compress(content, mtime=0)), ("deflate", raw_deflate(content)), ("", content)):
        decoder, output = create_decoder(encoding), bytearray()
        for start in range(0, len(sent), step):
            decoder.feed(sent[start : start + step], output, len(content))
        decoder.finish()
        assert output == content


@given(st.binary(), st.sampled_from(["gzip", "deflate", "identity"]))
def test_decoder_of_arbitrary_bytes_raises_documented_errors_only(data: bytes, encoding: str) -> None:
    decoder = create_decoder(encoding)
    try:
        decoder.feed(data, bytearray(), 10_000)
        decoder.finish()
    except (UnsupportedContentType, PageTooLarge):
        return
    assert isinstance(decoder, IdentityDecoder) or encoding != "identity"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "br"},
        {"Content-Encoding": "gzip, gzip"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate"},
        {"Content-Type": "application/pdf"},
        {"Content-Type": "image/png"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/htmlx"},
        {"Content-Type": ""},
    ],
)
async def test_fetch_of_unsupported_content_type_is_rejected(headers: dict[str, str]) -> None:
    assert isinstance(await fetch_error(http_response(b"not compressed", headers=headers)), UnsupportedContentType)


async def test_fetch_of_truncated_compressed_page_is_rejected() -> None:
    cut = gzip.compress(b"x" * 1000, mtime=0)[:-9]
    assert isinstance(
        await fetch_error(http_response(cut, headers={"Content-Encoding": "gzip"})), UnsupportedContentType
    )


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=latin-1", "application/xhtml+xml"])
async def test_fetch_of_html_content_type_is_accepted(content_type: str) -> None:
    async with (
        run_site({"/": http_response(headers={"Content-Type": content_type})}) as server,
        run_fetcher() as fetcher,
    ):
        assert (await fetcher.fetch(server.url())).text == "<h1>x</h1>"


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 408, 410, 418, 451])
async def test_fetch_of_unexpected_status_raises_permanent_error(status: int) -> None:
    error = await fetch_error(http_response(status=status) if status not in {204, 304} else http_response(b"", status))
    assert isinstance(error, HttpStatusError)
    assert isinstance(error, PermanentError)
    assert error.status == status


async def test_fetch_of_redirect_without_location_raises_permanent_error() -> None:
    assert isinstance(await fetch_error(http_response(status=302)), HttpStatusError)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
async def test_fetch_of_busy_status_raises_retryable_error(status: int) -> None:
    error = await fetch_error(http_response(status=status))
    assert isinstance(error, ServerBusy)
    assert isinstance(error, RetryableError)
    assert (error.status, error.retry_after) == (status, None)


async def test_fetch_error_contains_retry_after() -> None:
    error = await fetch_error(http_response(status=429, headers={"Retry-After": "120"}))
    assert isinstance(error, ServerBusy)
    assert error.retry_after == 120
    at = datetime.now(UTC) + dt.timedelta(seconds=300)
    error = await fetch_error(http_response(status=503, headers={"Retry-After": format_datetime(at, usegmt=True)}))
    assert isinstance(error, ServerBusy)
    assert error.retry_after == pytest.approx(300, abs=20)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 7 ", 7),
        ("86401", 86_400),
        ("9" * 400, 86_400),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0665", None),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun Mar  1 12:00:30 2026", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", 86_400),
        ("Sun, 01 Mar 99999 11:00:00 GMT", None),
        ("1 Jan 1 00:00:00 -2400", None),
    ],
)
def test_parse_retry_after_returns_seconds(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_parse_retry_after_of_arbitrary_text_is_bounded(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86_400


async def test_fetch_of_broken_connection_raises_host_unreachable() -> None:
    async def reset(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nabc")
        await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # makes close() send a reset

    async with run_site({"/": reset}) as server, run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(server.url())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"-ERR unknown command\r\n",
        b"\x00\xff" * 100,
    ],
)
async def test_fetch_of_invalid_http_raises_host_unreachable(answer: bytes) -> None:
    async def write(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with run_site({"/": write}) as server, run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(server.url())


async def test_fetch_of_closed_port_raises_host_unreachable() -> None:
    async with run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(f"http://127.0.0.1:{closed_port()}/")


async def test_fetch_ignores_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the name again, after the check."""
    async with run_site({"/": http_response()}) as server, run_site() as proxy:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url())
        async with run_fetcher() as fetcher:
            await fetcher.fetch(server.url())
    assert proxy.requests == []


async def test_fetch_with_headers_does_not_follow_redirects() -> None:
    async with run_site({"/": http_response()}) as server, run_fetcher() as fetcher:
        await fetcher.fetch(server.url(), FetchRequest({"Authorization": "Bearer x"}, content=b"a=b"))
        assert server.requests[0].startswith("POST / ")
        assert server.requests[0].endswith("\r\n\r\na=b")
        assert "Bearer x" in server.requests[0]
        server.pages["/"] = redirect_response("/elsewhere")
        with pytest.raises(HttpStatusError):
            await fetcher.fetch(server.url(), FetchRequest({"Authorization": "Bearer x"}))
    assert not any("/elsewhere" in request for request in server.requests)


async def test_concurrent_fetches_return_their_own_pages() -> None:
    pages = {f"/{number}": http_response(str(number).encode()) for number in range(120)}  # more than MAX_CONNECTIONS
    async with (
        run_site(pages) as server,
        run_fetcher(FetchLimits(timeout_seconds=60, idle_timeout_seconds=60)) as fetcher,
    ):
        fetched = await asyncio.gather(*(fetcher.fetch(server.url(path)) for path in pages))
    assert [f"/{page.text}" for page in fetched] == list(pages)


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate and its key to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    self_signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - dt.timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + self_signed.public_bytes(Encoding.PEM))
    return path


async def test_tls_verifies_the_host_name(tmp_path: Path) -> None:
    path = certificate(tmp_path, "shop.example")
    server_names: list[str | None] = []
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(path)
    server_context.sni_callback = lambda _socket, name, _context: server_names.append(name)
    client_context = ssl.create_default_context(cafile=str(path))
    names = FakeResolver({"shop.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    site = Site({"/": http_response()})
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        Fetcher(LOCALHOST_ONLY, SHORT_LIMITS, GuardedNetworkBackend(LOCALHOST_ONLY, names), client_context) as fetcher,
    ):
        page = await fetcher.fetch(f"https://shop.example:{port}/")
        with pytest.raises(InvalidCertificate):
            await fetcher.fetch(f"https://other.example:{port}/")
        async with Fetcher(LOCALHOST_ONLY, SHORT_LIMITS, GuardedNetworkBackend(LOCALHOST_ONLY, names)) as strict:
            with pytest.raises(InvalidCertificate):
                await strict.fetch(f"https://shop.example:{port}/")
    assert page.url == f"https://shop.example:{port}/"
    assert server_names[:2] == ["shop.example", "other.example"]
    assert f"host: shop.example:{port}" in site.requests[0].lower()


async def test_https_fetch_of_http_server_raises_retryable_error() -> None:
    async with run_site({"/": http_response()}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(RetryableError):
            await fetcher.fetch(server.url().replace("http:", "https:"))


def test_ingestion_errors_are_retryable_or_permanent() -> None:
    classes, queue = [], [IngestionError]
    while queue:
        error_class = queue.pop()
        classes.append(error_class)
        queue += error_class.__subclasses__()
    assert all(
        issubclass(error_class, RetryableError) != issubclass(error_class, PermanentError)
        for error_class in classes
        if error_class is not IngestionError
    )
    assert len({error_class.code for error_class in classes}) == len(classes)
