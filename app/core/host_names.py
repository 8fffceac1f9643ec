"""Syntax of host names, and lists of hosts and networks."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOST_LENGTH = 253
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# The last label of every host that URL parsers treat as an IPv4 address.
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


def is_host_name(name: str) -> bool:
    """Return whether a text is a lower-case host name that no URL parser takes for an IPv4 address."""
    return len(name) <= MAX_HOST_LENGTH and not looks_numeric(name) and all(map(LABEL.fullmatch, name.split(".")))


def looks_numeric(name: str) -> bool:
    """Return whether a URL parser may treat the name as an IPv4 address ("ends in a number" of the WHATWG)."""
    return NUMERIC_LABEL.fullmatch(name.rstrip(".").rpartition(".")[2]) is not None


def split_hosts_and_networks(entries: Iterable[str]) -> tuple[frozenset[str], tuple[IPNetwork, ...]]:
    """Return the host names and the networks among the entries of a list. Raises ValueError for another entry."""
    hosts, networks = set[str](), list[IPNetwork]()
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError:
            if not is_host_name(entry):
                raise ValueError(
                    f'"{entry}" is neither a lower-case host name nor a network like 10.1.0.0/16'
                ) from None
            hosts.add(entry)
    return frozenset(hosts), tuple(networks)
