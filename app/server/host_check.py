"""Check of the `Host` header: which names this server answers to.

A page of another site that a developer opens can point its own name at 127.0.0.1 (DNS rebinding). The browser then
counts the development server to that site, and lets its scripts read every response. The `Host` header still contains
the site's name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.settings import Settings

LOOPBACK_NAME = "localhost"
# Found without parsing an address.
USUAL_LOCAL_HOSTS = (LOOPBACK_NAME, "127.0.0.1", "::1")
WRONG_HOST = (
    "The Host header does not name this server. Use http://127.0.0.1 with its port, or add the name to"
    " DEALMARK_ALLOWED_HOSTS.\n"
)


def check_hosts(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return the application with a check of the `Host` header if the settings require one.

    In production that is only the case with an allow-list, so that there is no check to run for each request otherwise.
    """
    return HostCheck(app, settings) if settings.development or settings.allowed_hosts else app


class HostCheck:
    """Rejects requests, also WebSocket handshakes, with a `Host` header that is not allowed.

    The WebSocket handler compares the `Origin` header with the `Host` header, and so needs this check, too.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = frozenset(settings.allowed_hosts)
        self.development = settings.development
        if self.development:
            self.hosts |= {settings.host.lower(), *USUAL_LOCAL_HOSTS}
        # No other site can have an address as its name, so a server on all addresses answers to all of them.
        self.accepts_addresses = self.development and settings.host in {"0.0.0.0", "::"}  # noqa: S104 - compared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not self._is_allowed(scope["headers"]):
            await PlainTextResponse(WRONG_HOST, 421, {"x-content-type-options": "nosniff"})(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_allowed(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        values = [value for name, value in headers if name == b"host"]
        if len(values) != 1:
            return False
        host = host_of_authority(values[0].decode("latin-1").strip())
        return host in self.hosts or (self.development and self._is_local(host))

    def _is_local(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == LOOPBACK_NAME or host.endswith(f".{LOOPBACK_NAME}")
        return address.is_loopback or self.accepts_addresses


def host_of_authority(authority: str) -> str:
    """Return the host of `host:port` in lower case, an IPv6 address without its brackets, "" if it is malformed."""
    if authority.startswith("["):
        address, bracket, _ = authority[1:].partition("]")
        return address.lower() if bracket and ":" in address else ""
    return authority.partition(":")[0].lower().removesuffix(".")
