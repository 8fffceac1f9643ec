"""The network address of a client, behind trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddress:
    """Whose request it is: the peer, or what a trusted proxy says in X-Forwarded-For."""

    def __init__(self, proxies: Sequence[str]) -> None:
        self.trusted = [ipaddress.ip_network(proxy.strip(), strict=False) for proxy in proxies]

    def of(self, peer: str | None, forwarded: str | None) -> str:
        """From the right, the first address that is no trusted proxy: what stands left of it anybody can write."""
        address = _parse(peer or "")
        if address is None:
            return "unknown"
        for hop in reversed((forwarded or "").split(",")):
            said = _parse(hop.strip())
            if said is None or not any(address in network for network in self.trusted):
                break
            address = said
        # Whoever has one IPv6 address has 2^64 of them.
        return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
