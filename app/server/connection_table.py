"""Open client connections of a process: their limits and timeouts.

One timer checks the timeouts of all connections, because a timer per connection would be set and cancelled with each
request.
"""

from __future__ import annotations

import asyncio
import collections
import resource
import time
from heapq import nsmallest
from math import inf
from operator import attrgetter

import structlog
from prometheus_client import Counter, Gauge

from app.server.client_address import TrustedProxies
from app.server.connection_errors import ConnectionRefusal, ServerFull, TooManyConnections, refusal_response
from app.settings import Settings

# Files that a process opens besides its client connections and those to PostgreSQL: Redis, listening sockets, log,
# files of the web page, uploads, and connections that wait for the end of a refusal.
RESERVED_FILES = 300
MIN_CONNECTIONS = 16
# A client that sends while it is refused loses the response if the connection is closed at once (RFC 9112, 9.6).
LINGER_SECONDS = 2.0
MAX_LINGERING = 100
# Looking for the connections that have waited longest takes 1 ms, so a full process closes several of them at a time.
CLOSED_AT_ONCE = 40
MAX_CHECK_INTERVAL_SECONDS = 1.0
BLOCKED_DELAY_SECONDS = 0.05
LOG_INTERVAL_SECONDS = 60.0

OPEN_CONNECTIONS = Gauge("dealmark_connections", "Open client connections")
REFUSED_CONNECTIONS = Counter(
    "dealmark_connections_refused_total",
    "Client connections that the server refused or closed because of a limit, by reason",
    ["reason"],
)

log = structlog.get_logger()


class ClientConnection:
    """Base of the protocol classes: what the table needs to know of a connection, and does with it.

    `waiting_since` is the time (of the event loop) since which no request is in progress, None while one is.
    """

    table: ConnectionTable
    transport: asyncio.Transport
    client_key: str | None = None
    waiting_since: float | None = None
    refused = False
    _linger_until: float | None = None
    _unsent_bytes = 0
    _unsent_since = 0.0

    def check_timeouts(self, now: float) -> None:
        """Close the connection if a timeout has passed."""
        if self._linger_until is not None and now >= self._linger_until:
            self.transport.abort()
            return
        unsent_bytes = self.transport.get_write_buffer_size()
        if not unsent_bytes or not self._unsent_bytes or unsent_bytes < self._unsent_bytes:
            self._unsent_since = now
        elif now - self._unsent_since > self.table.write_timeout:
            self.table.count_refusal("write_timeout")
            self.transport.abort()
        self._unsent_bytes = unsent_bytes

    def is_waiting(self) -> bool:
        """Return whether the connection waits for a request, and the client has read the responses before."""
        return self.waiting_since is not None and not self.transport.get_write_buffer_size()

    def close_waiting(self, reason: str) -> None:
        """Close the connection while no request is in progress."""
        self.waiting_since = None
        self.table.count_refusal(reason)
        self.table.remove(self)
        self.transport.close()

    def respond_and_close(self, refusal: ConnectionRefusal, default_headers: list[tuple[bytes, bytes]]) -> None:
        """Send the response of a refusal, ignore what the client still sends, and close the connection."""
        self.refused = True
        self.waiting_since = None
        self.table.count_refusal(refusal.reason)
        if self.transport.is_closing():
            return
        self.transport.write(refusal_response(refusal, default_headers))
        if self.transport.can_write_eof() and self.table.may_linger(self):
            self.transport.write_eof()
            self._linger_until = asyncio.get_running_loop().time() + LINGER_SECONDS
        else:
            self.transport.close()


class ConnectionTable:
    """The open connections of one server."""

    def __init__(self, settings: Settings) -> None:
        self.max_connections = connections_for_open_files(settings)
        self.max_per_client = settings.max_connections_per_client if settings.client_limits_apply else None
        self.header_timeout = settings.header_timeout_seconds
        self.idle_timeout = settings.idle_timeout_seconds
        self.write_timeout = settings.write_timeout_seconds
        self._interval = min(
            MAX_CHECK_INTERVAL_SECONDS, min(self.header_timeout, self.idle_timeout, self.write_timeout) / 4
        )
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._open: set[ClientConnection] = set()
        self._by_client: dict[str, set[ClientConnection]] = {}
        # Refused connections whose response is being sent. They do not count.
        self._lingering: set[ClientConnection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._refusals: collections.Counter[str] = collections.Counter()
        self._logged_at = -LOG_INTERVAL_SECONDS

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: ClientConnection, peer: str | None) -> None:
        """Add a new connection from the address `peer`.

        If a limit is reached, connections that wait for a request are closed, those that wait longest first. Raises
        ConnectionRefusal if all are in use.
        """
        key = None if self.max_per_client is None else self._proxies.limited_address(peer)
        of_client = self._by_client.get(key or "", set())
        if of_client and len(of_client) >= (self.max_per_client or 0) and not _close_longest_waiting(of_client, 1):
            raise TooManyConnections(
                f"This client has {len(of_client)} open connections, all in use. Close some, or try again later."
            )
        if len(self._open) >= self.max_connections and not _close_longest_waiting(self._open, CLOSED_AT_ONCE):
            raise ServerFull("All connections of this server are in use. Try again later.")
        connection.client_key = key
        self._insert(connection)

    def replace(self, connection: ClientConnection, successor: ClientConnection) -> None:
        """Put another protocol object of the same connection in the place of the first."""
        successor.client_key = connection.client_key
        self.remove(connection)
        self._insert(successor)

    def remove(self, connection: ClientConnection) -> None:
        """Remove a connection, if it has not been removed."""
        self._lingering.discard(connection)
        if connection not in self._open:
            return
        self._open.remove(connection)
        OPEN_CONNECTIONS.dec()
        key = connection.client_key
        if key is not None:
            self._by_client[key].discard(connection)
            if not self._by_client[key]:
                del self._by_client[key]

    def may_linger(self, connection: ClientConnection) -> bool:
        """Return whether a refused connection may stay open until the client has read the response."""
        if connection in self._open:
            return True
        if len(self._lingering) >= MAX_LINGERING:
            return False
        self._lingering.add(connection)
        self._start_timer()
        return True

    def count_refusal(self, reason: str) -> None:
        """Count a connection that was refused or closed because of a limit."""
        REFUSED_CONNECTIONS.labels(reason).inc()
        self._refusals[reason] += 1

    def _insert(self, connection: ClientConnection) -> None:
        self._open.add(connection)
        OPEN_CONNECTIONS.inc()
        if connection.client_key is not None:
            self._by_client.setdefault(connection.client_key, set()).add(connection)
        self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(loop.time() + self._interval, self._check_all, loop.time() + self._interval)

    def _check_all(self, due_at: float) -> None:
        """Check the timeouts of all connections, and log refusals at most once a minute."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - due_at > self._interval:
            # The event loop was blocked. First it must read what clients have sent in the meantime.
            self._timer = loop.call_later(BLOCKED_DELAY_SECONDS, self._check_all, inf)
            return
        self._timer = None
        for connection in [*self._open, *self._lingering]:
            connection.check_timeouts(now)
        if self._refusals and time.monotonic() - self._logged_at >= LOG_INTERVAL_SECONDS:
            log.warning("connections.refused", open=len(self._open), **self._refusals)
            self._refusals.clear()
            self._logged_at = time.monotonic()
        if self._open or self._lingering:
            self._start_timer()


def _close_longest_waiting(connections: set[ClientConnection], count: int) -> bool:
    """Close up to `count` connections that wait for a request. Return False if there are none."""
    waiting = (connection for connection in connections if connection.is_waiting())
    longest = nsmallest(count, waiting, key=attrgetter("waiting_since"))
    for connection in longest:
        connection.close_waiting("evicted")
    return bool(longest)


def connections_for_open_files(settings: Settings) -> int:
    """Return the maximum number of connections that the limit of open files permits; raise its soft limit if needed."""
    reserved = RESERVED_FILES + 2 * settings.database_pool_size
    needed = settings.max_connections + reserved
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return settings.max_connections
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    allowed = max(min(settings.max_connections, raised - reserved), MIN_CONNECTIONS)
    if allowed < settings.max_connections:
        log.warning(
            "connections.limit_lowered",
            max_connections=allowed,
            configured=settings.max_connections,
            open_files=raised,
        )
    return allowed
