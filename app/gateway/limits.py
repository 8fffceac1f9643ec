"""Rate limits per client: `limits` with Redis. Answers kept in memory are not counted, because they cost nothing."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from app.core.circuit_breaker import Breaker
from app.core.errors import AppError, Unavailable
from app.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class DocumentClass(StrEnum):
    """What is limited apart: published documents are known to be harmless, texts are not, mutations change things."""

    PERSISTED = "persisted"
    TEXT = "text"
    MUTATION = "mutation"


class RateLimited(AppError):
    """Too many requests; `retry_after` is in whole seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} s.")
        self.retry_after = retry_after


class RateLimits:
    """The limits of one API process; counts are shared through Redis."""

    def __init__(self, settings: Settings, redis: Redis, breaker: Breaker) -> None:
        given = {
            DocumentClass.PERSISTED: settings.limit_persisted,
            DocumentClass.TEXT: settings.limit_text,
            DocumentClass.MUTATION: settings.limit_mutation,
        }
        self.items: Mapping[DocumentClass, RateLimitItem] = {
            kind: parse(limit) for kind, limit in given.items() if limit is not None
        }
        pool = redis.connection_pool
        storage = RedisStorage("async+redis://", implementation="redispy", connection_pool=pool)  # type: ignore[arg-type]
        self.limiter = SlidingWindowCounterRateLimiter(storage)
        self.breaker = breaker

    async def check(self, kind: DocumentClass, client: str) -> None:
        """Counts one request. Raises RateLimited.

        Without Redis mutations are refused (Unavailable), reads are let through.
        """
        item = self.items.get(kind)
        if item is None:
            return
        allowed = await self.breaker.call(lambda: self.limiter.hit(item, kind, client))
        if allowed:
            return
        if allowed is None:
            if kind is DocumentClass.MUTATION:
                raise Unavailable("Changes are not accepted now: the service that limits them does not answer.")
            return
        stats = await self.breaker.call(lambda: self.limiter.get_window_stats(item, kind, client))
        wait = 1.0 if stats is None else stats.reset_time - time.time()
        raise RateLimited(max(1, math.ceil(wait)))


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
