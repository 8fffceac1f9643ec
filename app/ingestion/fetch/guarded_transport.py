"""Open connections to verified addresses only.

The transport resolves a host name once, checks the addresses and connects to the addresses that it checked. The check
happens where sockets are opened, below redirects, connection pools and TLS. A name therefore cannot change its address
between check and use (DNS rebinding), and TLS and the Host header still use the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import certifi
import httpcore
import httpx

from app.ingestion.fetch.errors import UnknownHost, UrlRejected
from app.ingestion.fetch.url_policy import DEFAULT_PORTS, AllowList, FetchTarget, IPAddress, check_addresses

# Maps a host name and a port to addresses, in the order in which they are tried. Raises OSError.
HostResolver = Callable[[str, int], Awaitable[list[IPAddress]]]

MAX_ADDRESSES = 4  # addresses of one name that are tried
MAX_CONNECTIONS = 50
KEEPALIVE_TIMEOUT_SECONDS = 5.0


async def resolve_host(host: str, port: int) -> list[IPAddress]:
    """Return the addresses of a name from the system's resolver. Raises OSError."""
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in entries))


class GuardedNetworkBackend(httpcore.AsyncNetworkBackend):
    """Network backend that opens TCP connections to permitted addresses only.

    `connect_tcp` raises UrlRejected, UnknownHost, and the exceptions of the inner backend.
    """

    def __init__(
        self,
        allowed: AllowList,
        resolver: HostResolver = resolve_host,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve_and_check(host, port)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise UrlRejected("Pages cannot be fetched from Unix sockets.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _resolve_and_check(self, host: str, port: int) -> list[IPAddress]:
        target = FetchTarget("http", host, port, "/")  # the check ignores scheme and path
        address = target.address
        if address is not None:
            return check_addresses(target, [address], self._allowed)
        try:
            addresses = await self._resolver(host, port)
        except socket.gaierror as error:
            if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
                raise UnknownHost(f"The host {host} does not exist.") from None
            raise httpcore.ConnectError(str(error)) from None
        except (OSError, UnicodeError, ValueError) as error:
            raise httpcore.ConnectError(str(error)) from None
        if not addresses:
            raise UnknownHost(f"The host {host} does not exist.")
        return check_addresses(target, addresses, self._allowed)[:MAX_ADDRESSES]


class GuardedTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 transport over a custom network backend, which httpx's own transport does not accept.

    It uses no proxies. Its errors are those of httpcore.
    """

    def __init__(self, backend: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(cafile=certifi.where()),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS // 2,
            keepalive_expiry=KEEPALIVE_TIMEOUT_SECONDS,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        assert isinstance(request.stream, httpx.AsyncByteStream)
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port or DEFAULT_PORTS[url.scheme],
                    target=url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_BodyStream(response.stream))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _BodyStream(httpx.AsyncByteStream):
    """The body of an httpcore response as an httpx stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
