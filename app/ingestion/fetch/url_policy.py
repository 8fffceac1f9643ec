"""Which URLs and which addresses may be asked for.

URLs come from strangers, who may try to make this server talk to its own network. So a URL is taken only in its plain
spelling, and an address only when it is public. Programs disagree about how odd spellings are to be read (one sees a
name where the next one sees 127.0.0.1), therefore they are refused, not interpreted.
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
from app.ingestion.fetch.errors import UrlRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 4096  # characters
# Where shops are. Any other port belongs to some service that expects no stranger.
PUBLIC_PORTS = frozenset({80, 443})
DEFAULT_PORTS: dict[str, int] = {"http": 80, "https": 443}

# The IANA registries of special-purpose addresses (RFC 6890 and its updates), and what clouds keep for themselves.
NOT_PUBLIC_4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT; one cloud's metadata is in it
    "127.0.0.0/8",
    "168.63.129.16/32",  # a cloud's host agent, at an address that looks public
    "169.254.0.0/16",  # link-local; most clouds' metadata
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
)
# Nothing but global unicast is public in IPv6: this alone leaves out loopback, link-local, unique local, multicast,
# IPv4-mapped (::ffff:0:0/96), IPv4-compatible (::/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48).
GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC_6 = (
    "2001::/23",  # Teredo, which has an IPv4 address inside; ORCHID; benchmarks
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, which has an IPv4 address inside
    "3fff::/20",  # documentation
    "3ffe::/16",  # the former 6bone
)
NOT_PUBLIC: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in (*NOT_PUBLIC_4, *NOT_PUBLIC_6))

# RFC 6761, 6762, 7686, 8375, 9476 and what ICANN keeps for private use: names that no public server has.
LOCAL_NAMES = ("alt", "arpa", "home", "internal", "intranet", "invalid", "lan", "local", "localhost", "onion", "test")

AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\[\]:@%]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# The last label of what URL parsers take for an IPv4 address, in any of its spellings.
NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True)
class Target:
    """A URL in its one plain spelling: `host` is lower case ASCII, an IPv6 address without its brackets."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str  # with the query, percent-encoded

    @property
    def url(self) -> str:
        """The URL as text; the port is named only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def address(self) -> Address | None:
        """The address, when the host is one and not a name."""
        return _literal(self.host)


@dataclass(frozen=True)
class AllowList:
    """Hosts and networks that may be asked for although they are not public, at any port.

    A host allows every address that its name leads to; a network allows these addresses, under any name.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = field(default=())

    @classmethod
    def of(cls, entries: Iterable[str]) -> AllowList:
        """From host names, addresses and networks in CIDR notation, as the setting has them. Raises StartupError."""
        hosts, networks = set[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if _looks_numeric(entry) or not all(LABEL.fullmatch(label) for label in entry.split(".")):
                    raise StartupError(
                        f'DEALMARK_FETCH_ALLOW is not usable: "{entry}" is neither a host name in lower case nor a '
                        "network like 10.1.0.0/16."
                    ) from None
                hosts.add(entry)
        return cls(frozenset(hosts), tuple(networks))

    def has(self, address: Address) -> bool:
        """Whether this address is in one of the networks."""
        return any(address in network for network in self.networks)


def parse(url: str, allowed: AllowList | None = None) -> Target:
    """The target that a URL names. Raises UrlRefused for any that is not plain, or names what is not public."""
    allowed = allowed or AllowList()
    scheme, rest = _plain(url)
    authority, path = _split(rest)
    match = AUTHORITY.fullmatch(authority)
    if match is None:
        raise UrlRefused("A URL needs a plain host name, without a user, a password or escapes in it.")
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[scheme]
    target = Target("https" if scheme == "https" else "http", _host(match["host"], allowed), port, path)
    if not 0 < port < 65536:
        raise UrlRefused("There is no such port.")
    address = target.address
    if address is not None:
        permitted(target, [address], allowed)
    return target


def follow(base: Target, location: str, allowed: AllowList | None = None) -> Target:
    """The target of a redirect from `base`. Raises UrlRefused, like `parse`."""
    _refuse_odd_characters(location)  # urljoin would drop some of them without a word
    try:
        joined = urljoin(base.url, location)
    except ValueError:
        raise UrlRefused("The page redirects to something that is no URL.") from None
    return parse(joined, allowed)


def permitted(target: Target, addresses: Iterable[Address], allowed: AllowList) -> list[Address]:
    """The addresses that the target's host leads to, when all of them may be connected to. Raises UrlRefused.

    One bad address among good ones refuses them all: nobody has such records by accident.
    """
    found = list(addresses)
    if target.host in allowed.hosts:
        return found
    for address in found:
        if allowed.has(address):
            continue
        if not is_public(address):
            raise UrlRefused("The URL leads to an address that is not public.")
        if target.port not in PUBLIC_PORTS:
            raise UrlRefused("The URL has a port other than 80 and 443.")
    return found


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet's, and has no other address hidden in it."""
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address not in GLOBAL_6):
        return False
    return not any(address in network for network in NOT_PUBLIC)


def _plain(url: str) -> tuple[str, str]:
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"The URL has more than {LONGEST_URL:,} characters.")
    _refuse_odd_characters(url)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise UrlRefused("Only URLs that begin with http:// or https:// can be fetched.")
    return scheme.lower(), rest


def _refuse_odd_characters(url: str) -> None:
    # Categories: C* are control, format (also those that turn the text around), unassigned; Z* are spaces.
    if "\\" in url or any(unicodedata.category(character)[0] in "CZ" for character in url):
        raise UrlRefused("The URL contains a space, a backslash or an invisible character.")


def _split(rest: str) -> tuple[str, str]:
    rest = rest.partition("#")[0]
    end = min((index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=len(rest))
    path = rest[end:]
    if not path.startswith("/"):
        path = f"/{path}"
    # What is reserved stays as it is, an escape too; the rest (quotes, other scripts) is escaped.
    return rest[:end], quote(path, safe="/?#[]@!$&'()*+,;=:%-._~")


def _host(host: str, allowed: AllowList) -> str:
    if host.startswith("["):
        address = _literal(host[1:-1])
        if not isinstance(address, ipaddress.IPv6Address):
            raise UrlRefused("What is in brackets is no IPv6 address.")
        return str(address)
    name = _ascii(host).lower()
    if _literal(name) is not None:
        return name
    if _looks_numeric(name):
        raise UrlRefused("The URL has an address that is not spelt like 192.0.2.1.")
    labels = name.split(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("The URL has no proper host name.")
    if name not in allowed.hosts and (len(labels) == 1 or labels[-1] in LOCAL_NAMES) and not allowed.networks:
        raise UrlRefused("The URL names a host that is not public.")
    return name


def _ascii(host: str) -> str:
    """The ASCII form of an international name; look-alikes of ASCII characters are refused."""
    if host.isascii() and "xn--" not in host.lower():
        return host
    if unicodedata.normalize("NFKC", host) != host or any(dot in host for dot in "\u3002\uff0e\uff61"):
        raise UrlRefused("The host name has characters that only look like plain ones.")
    try:
        return idna.encode(host.lower()).decode()
    except (idna.IDNAError, UnicodeError):
        raise UrlRefused("The URL has no proper international host name.") from None


def _looks_numeric(name: str) -> bool:
    """Whether some parser would take the name for an IPv4 address (the rule is WHATWG's)."""
    return NUMERIC.fullmatch(name.rstrip(".").rpartition(".")[2]) is not None


def _literal(text: str) -> Address | None:
    """An address in its usual spelling; ipaddress refuses octal, hexadecimal and short forms. Zones are refused."""
    try:
        address = ipaddress.ip_address(text) if text.isascii() else None
    except ValueError:
        return None
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id else address
