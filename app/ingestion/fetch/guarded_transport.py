"""Connections to verified addresses: a name is resolved once, and what was verified is what is connected to.

The check sits where sockets are opened, below redirects, pools and TLS. So there is no moment between check and use
at which a name could be given another address (DNS rebinding), and TLS and the Host header still go by the name.
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

from app.ingestion.fetch.errors import UnknownHost, UrlRefused
from app.ingestion.fetch.url_policy import DEFAULT_PORTS, Address, AllowList, Target, permitted

# Host name and port -> the addresses, in the order in which to try them. Raises OSError.
Resolver = Callable[[str, int], Awaitable[list[Address]]]

MOST_ADDRESSES = 4  # tried of a name that has many
MOST_CONNECTIONS = 50
IDLE_SECONDS = 5.0


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a name, from the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections, but only to addresses that may be asked for.

    `connect_tcp` raises UrlRefused, UnknownHost, and what the backend inside raises.
    """

    def __init__(
        self, allowed: AllowList, resolver: Resolver = resolve, inside: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._allowed = allowed
        self._resolve = resolver
        self._inside = inside or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._verified(host, port)
        for address in addresses[:-1]:
            try:
                return await self._inside.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inside.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise UrlRefused("Sockets of this machine are not fetched from.")

    async def sleep(self, seconds: float) -> None:
        await self._inside.sleep(seconds)

    async def _verified(self, host: str, port: int) -> list[Address]:
        target = Target("http", host, port, "/")  # scheme and path do not matter here
        address = target.address
        if address is not None:
            return permitted(target, [address], self._allowed)
        try:
            found = await self._resolve(host, port)
        except socket.gaierror as error:
            if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
                raise UnknownHost(f"There is no host {host}.") from None
            raise httpcore.ConnectError(str(error)) from None
        except (OSError, UnicodeError, ValueError) as error:
            raise httpcore.ConnectError(str(error)) from None
        if not found:
            raise UnknownHost(f"There is no host {host}.")
        return permitted(target, found, self._allowed)[:MOST_ADDRESSES]


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx's own transport, but over a backend of ours, which that one has no place for. No proxies, HTTP/1.1.

    Errors are httpcore's.
    """

    def __init__(self, backend: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(cafile=certifi.where()),
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_CONNECTIONS // 2,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        assert isinstance(request.stream, httpx.AsyncByteStream)
        answer = await self._pool.handle_async_request(
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
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The bytes of an answer as they come in."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
