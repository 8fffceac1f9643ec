"""Fetching against servers of our own that are slow, endless, broken, compressed, redirecting and hostile."""

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


async def fault_of(answer: bytes, limits: FetchLimits = SHORT_LIMITS) -> IngestionError:
    """The error that one answer of a server becomes."""
    async with run_site({"/": answer}) as server, run_fetcher(limits) as fetcher:
        with pytest.raises(IngestionError) as caught:
            await fetcher.fetch(server.url())
    return caught.value


async def test_a_page() -> None:
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


async def test_redirects_are_followed_and_the_last_url_is_told() -> None:
    pages = {"/1": redirect_response("2"), "/2": redirect_response("/3?x", 308), "/3?x": http_response()}
    async with run_site(pages) as server, run_fetcher() as fetcher:
        page = await fetcher.fetch(server.url("/1"))
    assert (page.url, page.requested_url) == (server.url("/3?x"), server.url("/1"))


async def test_cookies_are_not_kept() -> None:
    pages = {"/1": http_response(b"", 302, {"Location": "/2", "Set-Cookie": "a=b"}), "/2": http_response()}
    async with run_site(pages) as server, run_fetcher() as fetcher:
        await fetcher.fetch(server.url("/1"))
    assert "a=b" not in server.requests[1]


async def test_too_many_redirects() -> None:
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
async def test_redirects_to_hostile_places(location: str) -> None:
    """The server itself is allowed; where it sends one is not."""
    network, names = RecordingBackend(httpcore.AnyIOBackend()), FakeResolver({"private.example": ["10.0.0.1"]})
    async with (
        run_site() as server,
        Fetcher(LOCALHOST_ONLY, SHORT_LIMITS, GuardedNetworkBackend(LOCALHOST_ONLY, names, network)) as fetcher,
    ):
        server.pages["/"] = redirect_response(location.format(port=server.port))
        with pytest.raises(UrlRejected):
            await fetcher.fetch(server.url())
    assert network.connections == [("127.0.0.1", server.port)]


async def test_a_name_that_changes_its_address_is_looked_up_once_per_connection_and_checked_each_time() -> None:
    """DNS rebinding: the address that was verified is the one connected to."""
    by_network = AllowList.from_entries(["127.0.0.1/32"])
    names = FakeResolver({"shop.example": ["127.0.0.1", "127.0.0.2"]})
    network = RecordingBackend(httpcore.AnyIOBackend())
    closing = http_response(headers={"Connection": "close"})
    async with (
        run_site({"/": closing}) as server,
        Fetcher(by_network, SHORT_LIMITS, GuardedNetworkBackend(by_network, names, network)) as f,
    ):
        page = await f.fetch(server.url(host="shop.example"))
        assert names.asked == ["shop.example"], "not once for the check and once more for the connection"
        with pytest.raises(UrlRejected):
            await f.fetch(server.url(host="shop.example"))
    assert page.url == f"http://shop.example:{server.port}/"
    assert f"host: shop.example:{server.port}\r\n" in server.requests[0].lower(), "it asked for the name"
    assert network.connections == [("127.0.0.1", server.port)]


async def test_a_name_that_changes_within_a_redirect() -> None:
    by_network = AllowList.from_entries(["127.0.0.1/32"])
    names = FakeResolver({"shop.example": ["127.0.0.1", "169.254.169.254"]})
    network = RecordingBackend(httpcore.AnyIOBackend())
    away = http_response(b"", 302, {"Location": "/2", "Connection": "close"})
    async with (
        run_site({"/": away}) as server,
        Fetcher(by_network, SHORT_LIMITS, GuardedNetworkBackend(by_network, names, network)) as f,
    ):
        with pytest.raises(UrlRejected):
            await f.fetch(server.url(host="shop.example"))
    assert network.connections == [("127.0.0.1", server.port)]


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    network = RecordingBackend()
    names = FakeResolver({"shop.example": ["93.184.215.14 93.184.215.15 2606:4700::1"]})
    async with Fetcher(backend=GuardedNetworkBackend(AllowList(), names, network)) as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch("https://shop.example/")
    assert [host for host, _ in network.connections] == ["93.184.215.14", "93.184.215.15", "2606:4700::1"]


async def test_an_allowed_host_may_be_anywhere() -> None:
    allowed = AllowList.from_entries(["intranet"])
    backend = GuardedNetworkBackend(allowed, FakeResolver({"intranet": ["127.0.0.1"]}))
    async with run_site({"/": http_response()}) as server, Fetcher(allowed, SHORT_LIMITS, backend) as fetcher:
        assert (await fetcher.fetch(server.url(host="intranet"))).body == b"<h1>x</h1>"


async def test_unix_sockets_are_not_connected_to() -> None:
    with pytest.raises(UrlRejected):
        await GuardedNetworkBackend(AllowList()).connect_unix_socket("/run/docker.sock")


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), UnknownHost),
        (socket.gaierror(socket.EAI_AGAIN, "x"), HostUnreachable),
        (OSError("x"), HostUnreachable),
        (UnicodeError("x"), HostUnreachable),
        (None, UnknownHost),
    ],
)
async def test_names_that_cannot_be_looked_up(error: Exception | None, becomes: type[IngestionError]) -> None:
    async def resolver(_host: str, _port: int) -> list[IPAddress]:
        if error is not None:
            raise error
        return []

    async with Fetcher(backend=GuardedNetworkBackend(AllowList(), resolver)) as fetcher:
        with pytest.raises(becomes):
            await fetcher.fetch("http://shop.example/")


async def test_the_systems_resolver() -> None:
    """It knows this machine at least, which must not be asked."""
    backend = GuardedNetworkBackend(AllowList())
    with pytest.raises(UrlRejected):
        await backend.connect_tcp("localhost", 80)


async def test_a_slow_resolver_counts_as_time() -> None:
    async def resolver(_host: str, _port: int) -> list[IPAddress]:
        await asyncio.sleep(30)
        raise AssertionError

    async with Fetcher(LOCALHOST_ONLY, IMPATIENT, GuardedNetworkBackend(LOCALHOST_ONLY, resolver)) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch("http://shop.example/")


async def test_slow_drips() -> None:
    """Each byte comes in time, and still the page is too slow."""

    async def drip(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with run_site({"/": drip}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def test_slow_heads() -> None:
    async def drip(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            writer.write(b"X-%d: y\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with run_site({"/": drip}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def test_silence() -> None:
    async def wait(_request: str, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with (
        run_site({"/": wait}) as server,
        run_fetcher(FetchLimits(timeout_seconds=20, idle_timeout_seconds=0.2)) as fetcher,
    ):
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def test_slow_redirects_share_one_time() -> None:
    async def slowly(_request: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(redirect_response("/", 307))

    async with run_site({"/": slowly}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(FetchTimeout):
            await fetcher.fetch(server.url())


async def endless(_request: str, writer: asyncio.StreamWriter) -> None:
    """A body without length and without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        writer.write(b"x" * 10_000)
        await writer.drain()


async def test_endless_bodies() -> None:
    async with run_site({"/": endless}) as server, run_fetcher() as fetcher:
        with pytest.raises(PageTooLarge, match="65,536"):
            await fetcher.fetch(server.url())


async def test_endless_heads() -> None:
    async def write(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Y: " + b"z" * 10_000 + b"\r\n")
            await writer.drain()

    async with run_site({"/": write}) as server, run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(server.url())


async def test_an_endless_body_of_a_redirect_is_not_read() -> None:
    async def write(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /page\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with run_site({"/": write, "/page": http_response()}) as server, run_fetcher() as fetcher:
        assert (await fetcher.fetch(server.url())).url == server.url("/page")


async def test_a_length_that_is_too_large_is_believed_at_once() -> None:
    announced = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999999999999999\r\n\r\n"
    assert isinstance(await fault_of(announced), PageTooLarge)


async def test_exactly_as_many_bytes_as_allowed() -> None:
    async with run_site({"/": http_response(b"x" * SHORT_LIMITS.max_bytes)}) as server, run_fetcher() as fetcher:
        assert len((await fetcher.fetch(server.url())).body) == SHORT_LIMITS.max_bytes
    assert isinstance(await fault_of(http_response(b"x" * (SHORT_LIMITS.max_bytes + 1))), PageTooLarge)


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
async def test_compressed_pages(encoding: str, sent: bytes) -> None:
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
async def test_bombs(encoding: str, sent: bytes) -> None:
    assert len(sent) <= SHORT_LIMITS.max_bytes, "it would be refused for what is sent, else"
    assert isinstance(await fault_of(http_response(sent, headers={"Content-Encoding": encoding})), PageTooLarge)


@pytest.mark.parametrize("wrapped", [gzip.compress, zlib.compress, raw_deflate])
def test_bombs_go_off_in_small_steps(wrapped: object) -> None:
    assert callable(wrapped)
    into = bytearray()
    with pytest.raises(PageTooLarge):
        create_decoder("gzip" if wrapped is gzip.compress else "deflate").feed(wrapped(BOMB), into, 1000)
    assert len(into) <= 1000 + 64 * 1024


def test_rows_of_empty_members_come_to_an_end() -> None:
    inflater, into = InflateDecoder(is_gzip=True), bytearray()
    inflater.feed(gzip.compress(b"", mtime=0) * 5000 + gzip.compress(b"never", mtime=0), into, 1000)
    assert into == b""


@given(st.binary(max_size=200_000), st.integers(1, 70_000))
def test_whatever_was_compressed_comes_out(content: bytes, step: int) -> None:
    content *= 3
    for encoding, sent in (("gzip", gzip.compress(content, mtime=0)), ("deflate", raw_deflate(content)), ("", content)):
        one, into = create_decoder(encoding), bytearray()
        for start in range(0, len(sent), step):
            one.feed(sent[start : start + step], into, len(content))
        one.finish()
        assert into == content


@given(st.binary(), st.sampled_from(["gzip", "deflate", "identity"]))
def test_junk_is_decoded_or_refused(junk: bytes, encoding: str) -> None:
    one = create_decoder(encoding)
    try:
        one.feed(junk, bytearray(), 10_000)
        one.finish()
    except (UnsupportedContentType, PageTooLarge):
        return
    assert isinstance(one, IdentityDecoder) or encoding != "identity"


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
async def test_wrong_types(headers: dict[str, str]) -> None:
    assert isinstance(await fault_of(http_response(b"not compressed", headers=headers)), UnsupportedContentType)


async def test_a_page_cut_off_within_its_compression() -> None:
    cut = gzip.compress(b"x" * 1000, mtime=0)[:-9]
    assert isinstance(await fault_of(http_response(cut, headers={"Content-Encoding": "gzip"})), UnsupportedContentType)


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=latin-1", "application/xhtml+xml"])
async def test_right_types(content_type: str) -> None:
    async with (
        run_site({"/": http_response(headers={"Content-Type": content_type})}) as server,
        run_fetcher() as fetcher,
    ):
        assert (await fetcher.fetch(server.url())).text == "<h1>x</h1>"


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 408, 410, 418, 451])
async def test_final_statuses(status: int) -> None:
    fault = await fault_of(http_response(status=status) if status not in {204, 304} else http_response(b"", status))
    assert isinstance(fault, HttpStatusError)
    assert isinstance(fault, PermanentError)
    assert fault.status == status


async def test_a_redirect_to_nowhere_is_final() -> None:
    assert isinstance(await fault_of(http_response(status=302)), HttpStatusError)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
async def test_statuses_to_try_again(status: int) -> None:
    fault = await fault_of(http_response(status=status))
    assert isinstance(fault, ServerBusy)
    assert isinstance(fault, RetryableError)
    assert (fault.status, fault.retry_after) == (status, None)


async def test_retry_after_in_seconds_and_as_a_date() -> None:
    fault = await fault_of(http_response(status=429, headers={"Retry-After": "120"}))
    assert isinstance(fault, ServerBusy)
    assert fault.retry_after == 120
    at = datetime.now(UTC) + dt.timedelta(seconds=300)
    fault = await fault_of(http_response(status=503, headers={"Retry-After": format_datetime(at, usegmt=True)}))
    assert isinstance(fault, ServerBusy)
    assert fault.retry_after == pytest.approx(300, abs=20)


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
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_any_retry_after(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86_400


async def test_connections_that_break() -> None:
    async def reset(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nabc")
        await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing is a reset then

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
async def test_what_is_not_http(answer: bytes) -> None:
    async def write(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with run_site({"/": write}) as server, run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(server.url())


async def test_nobody_listens() -> None:
    async with run_fetcher() as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(f"http://127.0.0.1:{closed_port()}/")


async def test_the_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be asked to connect to whatever address a name has by then."""
    async with run_site({"/": http_response()}) as server, run_site() as proxy:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url())
        async with run_fetcher() as fetcher:
            await fetcher.fetch(server.url())
    assert proxy.requests == []


async def test_headers_of_a_caller_stay_with_the_host() -> None:
    async with run_site({"/": http_response()}) as server, run_fetcher() as fetcher:
        await fetcher.fetch(server.url(), FetchRequest({"Authorization": "Bearer x"}, content=b"a=b"))
        assert server.requests[0].startswith("POST / ")
        assert server.requests[0].endswith("\r\n\r\na=b")
        assert "Bearer x" in server.requests[0]
        server.pages["/"] = redirect_response("/elsewhere")
        with pytest.raises(HttpStatusError):
            await fetcher.fetch(server.url(), FetchRequest({"Authorization": "Bearer x"}))
    assert not any("/elsewhere" in request for request in server.requests)


async def test_many_at_once_and_none_lost() -> None:
    pages = {
        f"/{number}": http_response(str(number).encode()) for number in range(120)
    }  # more than there are connections
    async with (
        run_site(pages) as server,
        run_fetcher(FetchLimits(timeout_seconds=60, idle_timeout_seconds=60)) as fetcher,
    ):
        found = await asyncio.gather(*(fetcher.fetch(server.url(path)) for path in pages))
    assert [f"/{page.text}" for page in found] == list(pages)


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - dt.timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return path


async def test_tls_goes_by_the_name_although_the_connection_goes_by_the_address(tmp_path: Path) -> None:
    path = certificate(tmp_path, "shop.example")
    asked: list[str | None] = []
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(path))
    names = FakeResolver({"shop.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    it = Site({"/": http_response()})
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        Fetcher(LOCALHOST_ONLY, SHORT_LIMITS, GuardedNetworkBackend(LOCALHOST_ONLY, names), trusting) as fetcher,
    ):
        page = await fetcher.fetch(f"https://shop.example:{port}/")
        with pytest.raises(InvalidCertificate):
            await fetcher.fetch(f"https://other.example:{port}/")
        async with Fetcher(LOCALHOST_ONLY, SHORT_LIMITS, GuardedNetworkBackend(LOCALHOST_ONLY, names)) as strict:
            with pytest.raises(InvalidCertificate):
                await strict.fetch(f"https://shop.example:{port}/")
    assert page.url == f"https://shop.example:{port}/"
    assert asked[:2] == ["shop.example", "other.example"]
    assert f"host: shop.example:{port}" in it.requests[0].lower()


async def test_http_where_tls_is_meant() -> None:
    async with run_site({"/": http_response()}) as server, run_fetcher(IMPATIENT) as fetcher:
        with pytest.raises(RetryableError):
            await fetcher.fetch(server.url().replace("http:", "https:"))


def test_every_fault_is_retryable_or_final() -> None:
    leaves, waiting = [], [IngestionError]
    while waiting:
        kind = waiting.pop()
        leaves.append(kind)
        waiting += kind.__subclasses__()
    assert all(
        issubclass(kind, RetryableError) != issubclass(kind, PermanentError)
        for kind in leaves
        if kind is not IngestionError
    )
    assert len({kind.code for kind in leaves}) == len(leaves)
