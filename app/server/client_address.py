"""Network address of a client behind trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """Networks of proxies that are trusted to set X-Forwarded-For."""

    def __init__(self, networks: Sequence[str]) -> None:
        self.networks = [ipaddress.ip_network(network.strip(), strict=False) for network in networks]

    def client_address(self, peer: str | None, forwarded_for: str | None) -> str:
        """Return the address that identifies a client: the peer, or what trusted proxies report.

        This is the rightmost address that is not a trusted proxy. Clients can forge everything to the left of it.
        """
        address = _parse(peer or "")
        if address is None:
            return "unknown"
        for hop in reversed((forwarded_for or "").split(",")):
            reported = _parse(hop.strip())
            if reported is None or not self._is_trusted(address):
                break
            address = reported
        return _client_network(address)

    def limited_address(self, peer: str | None) -> str | None:
        """Return what identifies the client of a connection, or None if it is a trusted proxy or unknown."""
        address = _parse(peer or "")
        return None if address is None or self._is_trusted(address) else _client_network(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _client_network(address: Address) -> str:
    """Return the address, or its network for IPv6: a client usually has a /64 network, 2^64 addresses."""
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
