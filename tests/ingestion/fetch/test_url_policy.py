"""URL policy: URLs of attackers who try to reach the internal network do not open a connection."""

# ruff: noqa: RUF001 - some URLs contain ambiguous characters on purpose

from __future__ import annotations

import ipaddress
import ssl
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import StartupError
from app.ingestion.fetch.errors import HostUnreachable, UrlRejected
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.fetch.guarded_transport import GuardedNetworkBackend
from app.ingestion.fetch.url_policy import (
    SPECIAL_PURPOSE_NETWORKS,
    AllowList,
    check_addresses,
    is_public,
    parse_url,
    resolve_redirect,
)
from tests.support.sites import FakeResolver, RecordingBackend

TLS = ssl.create_default_context()  # shared, because its creation is slow

# DNS records of an attacker.
ZONE = {
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "private.example": ["10.0.0.5"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "both.example": ["93.184.215.14 127.0.0.1"],
    "unique-local.example": ["fd00::1"],
    "link-local.example": ["fe80::1"],
    "zone.example": ["fe80::1%eth0"],
    "alibaba.example": ["100.100.100.200"],
    "metadata.google.internal": ["169.254.169.254"],
    "xn--bcher-kva.example": ["192.168.1.1"],
    "localhost": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
}

HOSTILE = [
    # Addresses that are not public, in canonical form
    "http://127.0.0.1/",
    "http://127.0.0.1:5432/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/admin",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/metadata",
    "http://192.0.0.192/opc/v1/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.7/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::1]:6379/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    # IPv4 addresses embedded in IPv6 addresses
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::FFFF:A00:1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    # Other forms of addresses
    "http://2130706433/",
    "http://4294967295/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0x7F.1/",
    "http://0x/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://1.1.1.1.1/",
    "http://127.0.0.256/",
    "http://127.0.0.1./",
    "http://127.0.0.1../",
    "http://127.0.0.01/",
    "http://127.000.000.001/",
    "http://8.8.8.8./",
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://١٢٧.٠.٠.١/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://127｡0｡0｡1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%2f@example.com/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%250]/",
    "http://[v1.fe80::a+en1]/",
    "http://[127.0.0.1]/",
    "http://[::1/",
    "http://::1/",
    "http://[::1]x/",
    "http://[::1].example.com/",
    # User names, passwords, and differences between URL parsers
    "http://user:password@example.com/",
    "http://user@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com:80:80/",
    "http://@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com\\.127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http:/\\127.0.0.1/",
    "http://127.0.0.1\t.example.com/",
    "http://127.0.\n0.1/",
    "http://exam\rple.com/",
    "\thttp://127.0.0.1/",
    " http://example.com/",
    "http://example.com/ HTTP/1.1\r\nHost: 127.0.0.1",
    "http://example.com /",
    "http://\u00a0example.com/",
    "http://example\u200b.com/",
    "http://\u202eexample.com/",
    "http://example.com/\u2028x",
    "http://example.com\x00.127.0.0.1/",
    "http://\ud800.example.com/",
    "http://example..com/",
    "http://.example.com/",
    "http://example.com./",
    "http://-example.com/",
    "http://exa_mple.com/",
    "http://exa mple.com/",
    "http://example.com,127.0.0.1/",
    "http://127.0.0.1;example.com/",
    f"http://{'a' * 64}.example.com/",
    f"http://{'a.' * 130}com/",
    f"http://example.com/{'a' * 5000}",
    # Schemes
    "ftp://example.com/",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "data:text/html,<h1>x</h1>",
    "javascript:alert(1)",
    "unix:/run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/",
    "ws://example.com/",
    "jar:http://example.com/!/",
    "view-source:http://127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1",
    "example.com",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http://",
    "http:///",
    "http://?",
    "http://#",
    "http://:80/",
    "",
    "HTTP://127.0.0.1/",
    "hTTpS://LOCALHOST/",
    "ｈttp://example.com/",
    # Ports
    "http://example.com:22/",
    "http://example.com:6379/",
    "https://example.com:8443/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:99999999999/",
    "http://example.com:-80/",
    "http://example.com:+80/",
    "http://example.com: 80/",
    "http://example.com:８０/",
    "http://example.com:80x/",
    # Names
    "http://localhost/",
    "http://LocalHost:8000/",
    "http://localhost.localdomain.local/",
    "http://service.localhost/",
    "http://redis/",
    "http://metadata/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://printer.local/",
    "http://router.lan/",
    "http://nas.home.arpa/",
    "http://1.0.0.127.in-addr.arpa/",
    "http://hidden.onion/",
    "http://loc\u0430lhost.internal/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://ⓔⓧⓐⓜⓟⓛⓔ.com/",
    "http://xn--/",
    "http://xn--a/",
    "http://xn--\u00fc.example/",
    # Names that resolve to addresses that are not public
    "http://loopback.example/",
    "https://loopback.example/",
    "http://loopback6.example/",
    "http://private.example/",
    "http://metadata.example/latest/",
    "http://mapped.example/",
    "http://nat64.example/",
    "http://both.example/",
    "http://unique-local.example/",
    "http://link-local.example/",
    "http://zone.example/",
    "http://alibaba.example/",
    "http://127.0.0.1.nip.example/",
    "http://xn--bcher-kva.example/",
    "http://b\u00fccher.example/",
    "HTTP://LOOPBACK.EXAMPLE/",
    "http://PRIVATE.example:443/",
]


def test_hostile_urls_are_many_and_distinct() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) > 150


@pytest.mark.parametrize("url", HOSTILE, ids=ascii)
async def test_fetch_of_hostile_url_opens_no_connection(url: str) -> None:
    network, names = RecordingBackend(), FakeResolver(ZONE)
    async with Fetcher(backend=GuardedNetworkBackend(AllowList(), names, network), tls=TLS) as fetcher:
        with pytest.raises(UrlRejected) as refusal:
            await fetcher.fetch(url)
    assert network.connections == []
    assert not any(part in str(refusal.value) for part in ("127.0.0", "169.254", "10.0.0", "fd00")), (
        "the message contains an internal address"
    )


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("http://example.com", ("93.184.215.14", 80)),
        ("https://example.com/x?y=z#w", ("93.184.215.14", 443)),
        ("HTTPS://Example.COM/", ("93.184.215.14", 443)),
        ("http://example.com:443/", ("93.184.215.14", 443)),
        ("https://b\u00fccher.de/", ("93.184.215.14", 443)),
        ("http://8.8.8.8/", ("8.8.8.8", 80)),
        ("https://[2606:4700:4700::1111]/", ("2606:4700:4700::1111", 443)),
        ("http://a-b.example.com/a%20b/\u00fc?q='x\"", ("93.184.215.14", 80)),
    ],
)
async def test_recording_backend_records_connections(url: str, connection: tuple[str, int]) -> None:
    """An empty record in the previous test therefore means that there was no connection."""
    network = RecordingBackend()
    async with Fetcher(backend=GuardedNetworkBackend(AllowList(), FakeResolver({}), network), tls=TLS) as fetcher:
        with pytest.raises(HostUnreachable):
            await fetcher.fetch(url)
    assert network.connections == [connection]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com:443/a?b#c", "https://example.com/a?b"),
        ("http://example.com:443", "http://example.com:443/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://b\u00dccher.de/\u00fc \u00fc".replace(" ", "%20"), "https://xn--bcher-kva.de/%C3%BC%20%C3%BC"),
        ("https://xn--bcher-kva.de", "https://xn--bcher-kva.de/"),
        ("https://[2606:4700::0:1111]/", "https://[2606:4700::1111]/"),
        ('https://example.com/"<>{}', "https://example.com/%22%3C%3E%7B%7D"),
    ],
)
def test_parse_url_returns_canonical_form(url: str, plain: str) -> None:
    assert parse_url(url).url == plain
    assert parse_url(plain).url == plain, "the canonical form is stable"


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/x", "https://example.com/x"),
        ("y?z", "https://example.com/a/y?z"),
        ("?z", "https://example.com/a/b?z"),
        ("//other.example/x", "https://other.example/x"),
        ("http://other.example/x", "http://other.example/x"),
        ("../../..", "https://example.com/"),
    ],
)
def test_resolve_redirect_returns_target(location: str, leads_to: str) -> None:
    assert resolve_redirect(parse_url("https://example.com/a/b"), location).url == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "//127.0.0.1/",
        "http://[::1]/",
        "\\\\127.0.0.1",
        "ht\ntp://127.0.0.1",
        "file:///etc/passwd",
        "//[",
        "//user@x.de/",
    ],
)
def test_resolve_redirect_to_invalid_location_is_rejected(location: str) -> None:
    with pytest.raises(UrlRejected):
        resolve_redirect(parse_url("https://example.com/a/b"), location)


@pytest.mark.parametrize("network", SPECIAL_PURPOSE_NETWORKS, ids=str)
def test_first_and_last_address_of_special_network_are_not_public(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> None:
    assert not is_public(network[0])
    assert not is_public(network[-1])


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
     "223.255.255.255", "2000::", "2a00:1450:4001::200e", "2620:fe::fe", "3ffd::1"],
)  # fmt: skip
def test_addresses_next_to_special_networks_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address), st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
    )
)
def test_addresses_private_for_ipaddress_are_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if (
        address.is_private
        or address.is_multicast
        or address.is_loopback
        or address.is_link_local
        or address.is_reserved
    ):
        assert not is_public(address)


def test_allow_list_permits_its_hosts_and_networks_only() -> None:
    allowed = AllowList.from_entries(["intranet", "shop.lan", "10.1.0.0/16", "127.0.0.1", "fd00::/8"])
    assert parse_url("http://10.1.2.3:8080/", allowed).port == 8080
    assert parse_url("http://127.0.0.1:5000/", allowed).url == "http://127.0.0.1:5000/"
    assert parse_url("http://[fd00::1]/", allowed).host == "fd00::1"
    for url in ("http://10.2.0.1/", "http://127.0.0.2/", "http://[::ffff:127.0.0.1]/", "http://2130706433/"):
        with pytest.raises(UrlRejected):
            parse_url(url, allowed)
    private = [ipaddress.ip_address("192.168.0.1")]
    assert check_addresses(parse_url("http://intranet:8080/", allowed), private, allowed) == private
    assert check_addresses(parse_url("http://shop.lan/", allowed), private, allowed) == private
    with pytest.raises(UrlRejected):
        check_addresses(parse_url("http://other.lan/", allowed), private, allowed)
    only_names = AllowList.from_entries(["shop.lan"])
    with pytest.raises(UrlRejected, match="not public"):
        parse_url("http://other.lan/", only_names)


@pytest.mark.parametrize(
    "entry", ["", "10.1.0.1/16", "10.1/16", "Intranet", "http://intranet", "a b", "127.1", "x:80", "*"]
)
def test_allow_list_with_invalid_entry_raises_startup_error(entry: str) -> None:
    with pytest.raises(StartupError, match="DEALMARK_FETCH_ALLOW"):
        AllowList.from_entries(["10.0.0.0/8", entry])


AWKWARD = st.text(st.sampled_from(string.printable + "\u00fc\u3002①\u202e\ud800%@[]:/\\?#.0x1"), max_size=60)


@given(st.one_of(AWKWARD, AWKWARD.map(lambda text: f"http://{text}"), st.text().map(lambda text: f"https://{text}/")))
def test_parse_url_of_arbitrary_text_rejects_it_or_returns_canonical_form(url: str) -> None:
    try:
        target = parse_url(url)
    except UrlRejected:
        return
    assert target.url.isascii()
    assert parse_url(target.url) == target
    assert target.address is None or is_public(target.address)
