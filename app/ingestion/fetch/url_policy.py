"""Decide which URLs and which IP addresses may be fetched.

URLs come from untrusted clients, who may try to reach the internal network (server-side request forgery). Therefore a
URL is accepted only in its canonical form, and an address only if it is public. URL parsers disagree about unusual
forms (one sees a host name where another sees 127.0.0.1), so these are rejected, not interpreted.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urljoin

import idna

from app.core.errors import StartupError
from app.core.host_names import IPNetwork, is_host_name, looks_numeric, split_hosts_and_networks
from app.ingestion.fetch.errors import UrlRejected

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH = 4096  # characters
# The ports of public web servers. Other ports may belong to internal services.
PUBLIC_PORTS = frozenset({80, 443})
DEFAULT_PORTS: dict[str, int] = {"http": 80, "https": 443}

# The IANA registries of special-purpose addresses (RFC 6890 and its updates), and addresses of cloud providers.
SPECIAL_PURPOSE_V4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT; contains the metadata service of one cloud
    "127.0.0.0/8",
    "168.63.129.16/32",  # the host agent of one cloud, at an otherwise public address
    "169.254.0.0/16",  # link-local; contains the metadata service of most clouds
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved; contains the broadcast address
)
# In IPv6, only global unicast is public. This excludes loopback, link-local, unique local, multicast, IPv4-mapped
# (::ffff:0:0/96), IPv4-compatible (::/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48).
GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
SPECIAL_PURPOSE_V6 = (
    "2001::/23",  # Teredo (embeds an IPv4 address), ORCHID, benchmarks
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4 (embeds an IPv4 address)
    "3fff::/20",  # documentation
    "3ffe::/16",  # formerly 6bone
)
SPECIAL_PURPOSE_NETWORKS: tuple[IPNetwork, ...] = tuple(
    ipaddress.ip_network(text) for text in (*SPECIAL_PURPOSE_V4, *SPECIAL_PURPOSE_V6)
)

# Top-level domains without public servers: RFC 6761, 6762, 7686, 8375, 9476, and those that ICANN reserves for
# private use.
LOCAL_DOMAINS = ("alt", "arpa", "home", "internal", "intranet", "invalid", "lan", "local", "localhost", "onion", "test")

AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\[\]:@%]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True)
class FetchTarget:
    """A URL in canonical form. `host` is lower-case ASCII; an IPv6 address has no brackets."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str  # percent-encoded, with the query

    @property
    def url(self) -> str:
        """The URL as text, without the default port of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def address(self) -> IPAddress | None:
        """The IP address if the host is one, None if it is a name."""
        return _parse_address(self.host)


@dataclass(frozen=True)
class AllowList:
    """Hosts and networks that may be fetched from although they are not public, at any port.

    A host allows every address that its name resolves to. A network allows its addresses under any host name.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = field(default=())

    @classmethod
    def from_entries(cls, entries: Iterable[str]) -> AllowList:
        """Parse host names, addresses and networks in CIDR notation (DEALMARK_FETCH_ALLOW). Raises StartupError."""
        try:
            return cls(*split_hosts_and_networks(entries))
        except ValueError as error:
            raise StartupError(f"DEALMARK_FETCH_ALLOW is not usable: {error}.") from None

    def contains(self, address: IPAddress) -> bool:
        """Whether the address is in one of the networks."""
        return any(address in network for network in self.networks)


def parse_url(url: str, allowed: AllowList | None = None) -> FetchTarget:
    """Parse a URL. Raises UrlRejected if it is not in canonical form, or if its host is not public."""
    allowed = allowed or AllowList()
    scheme, rest = _split_scheme(url)
    authority, path = _split_path(rest)
    match = AUTHORITY.fullmatch(authority)
    if match is None:
        raise UrlRejected("The URL must have a plain host name, without a user name, a password or percent-encoding.")
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[scheme]
    target = FetchTarget("https" if scheme == "https" else "http", _parse_host(match["host"], allowed), port, path)
    if not 0 < port < 65536:
        raise UrlRejected("The URL has an invalid port.")
    address = target.address
    if address is not None:
        check_addresses(target, [address], allowed)
    return target


def resolve_redirect(base: FetchTarget, location: str, allowed: AllowList | None = None) -> FetchTarget:
    """Parse the Location header of a redirect from `base`. Raises UrlRejected like `parse_url`."""
    _reject_unusual_characters(location)  # urljoin silently removes some of them
    try:
        url = urljoin(base.url, location)
    except ValueError:
        raise UrlRejected("The page redirects to an invalid URL.") from None
    return parse_url(url, allowed)


def check_addresses(target: FetchTarget, addresses: Iterable[IPAddress], allowed: AllowList) -> list[IPAddress]:
    """Return the addresses of the target's host if all of them may be connected to, else raise UrlRejected.

    One forbidden address rejects the host: a public name with a private address is probably an attack.
    """
    checked = list(addresses)
    if target.host in allowed.hosts:
        return checked
    for address in checked:
        if allowed.contains(address):
            continue
        if not is_public(address):
            raise UrlRejected("The URL leads to an address that is not public.")
        if target.port not in PUBLIC_PORTS:
            raise UrlRejected("The URL has a port other than 80 and 443.")
    return checked


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public internet and does not embed another address."""
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address not in GLOBAL_UNICAST_V6):
        return False
    return not any(address in network for network in SPECIAL_PURPOSE_NETWORKS)


def _split_scheme(url: str) -> tuple[str, str]:
    if len(url) > MAX_URL_LENGTH:
        raise UrlRejected(f"The URL has more than {MAX_URL_LENGTH:,} characters.")
    _reject_unusual_characters(url)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise UrlRejected("Only URLs that begin with http:// or https:// can be fetched.")
    return scheme.lower(), rest


def _reject_unusual_characters(url: str) -> None:
    # Unicode categories: C* are control characters, format characters (including those that reverse the writing
    # direction) and unassigned code points; Z* are separators.
    if "\\" in url or any(unicodedata.category(character)[0] in "CZ" for character in url):
        raise UrlRejected("The URL contains a space, a backslash or an invisible character.")


def _split_path(rest: str) -> tuple[str, str]:
    rest = rest.partition("#")[0]
    end = min((index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=len(rest))
    path = rest[end:]
    if not path.startswith("/"):
        path = f"/{path}"
    # Reserved characters and existing escapes stay; all other characters (quotes, non-ASCII) are percent-encoded.
    return rest[:end], quote(path, safe="/?#[]@!$&'()*+,;=:%-._~")


def _parse_host(host: str, allowed: AllowList) -> str:
    if host.startswith("["):
        address = _parse_address(host[1:-1])
        if not isinstance(address, ipaddress.IPv6Address):
            raise UrlRejected("The URL has brackets that do not contain an IPv6 address.")
        return str(address)
    name = _to_ascii(host).lower()
    if _parse_address(name) is not None:
        return name
    if looks_numeric(name):
        raise UrlRejected("The URL has an IPv4 address that is not written like 192.0.2.1.")
    labels = name.split(".")
    if not is_host_name(name):
        raise UrlRejected("The URL does not have a valid host name.")
    if name not in allowed.hosts and (len(labels) == 1 or labels[-1] in LOCAL_DOMAINS) and not allowed.networks:
        raise UrlRejected("The URL names a host that is not public.")
    return name


def _to_ascii(host: str) -> str:
    """Return the ASCII form of an international name. Characters that look like ASCII characters are rejected."""
    if host.isascii() and "xn--" not in host.lower():
        return host
    if unicodedata.normalize("NFKC", host) != host or any(dot in host for dot in "\u3002\uff0e\uff61"):
        raise UrlRejected("The host name contains characters that look like ASCII characters.")
    try:
        return idna.encode(host.lower()).decode()
    except (idna.IDNAError, UnicodeError):
        raise UrlRejected("The URL does not have a valid international host name.") from None


def _parse_address(text: str) -> IPAddress | None:
    """Parse an address in its usual notation, else return None.

    The ipaddress module rejects octal, hexadecimal and short forms; IPv6 addresses with a zone are rejected here.
    """
    try:
        address = ipaddress.ip_address(text) if text.isascii() else None
    except ValueError:
        return None
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id else address
