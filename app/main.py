"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.resources import Resources
from app.schema.build import build_schema
from app.server.graphql_app import Gateway
from app.server.graphql_http import PATH
from app.server.health import health, metrics, ready
from app.server.request_id import RequestId
from app.server.static_files import Pages
from app.settings import Settings


class State(TypedDict):
    """What the lifespan opens and requests use."""

    resources: Resources
    gateway: Gateway


def create_app(settings: Settings) -> Front:
    """The API with these settings; nothing is opened before the lifespan starts."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[State]:
        opening = Resources.open(settings, statement_seconds=settings.request_seconds)
        async with opening as resources, Gateway(resources, build_schema()._schema) as gateway:
            yield {"resources": resources, "gateway": gateway}

    routes = [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]
    routes.append(Route("/{path:path}", Pages()))
    return Front(Starlette(routes=routes, lifespan=lifespan))


class Front:
    """Sends /graphql to the gateway before any middleware or routing, and everything else to Starlette."""

    def __init__(self, api: Starlette) -> None:
        self.api = api
        self.rest = RequestId(api)
        self.graphql = RequestId(_gateway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # Before all else, even a look at the path: this is the way of most requests.
            messages = scope["state"]["gateway"].hot.find(scope)
            if messages is not None:
                start, body = messages
                await send(start)
                await send(body)
                return
        if scope["type"] == "lifespan" or not _is_graphql(scope["path"]):
            await self.rest(scope, receive, send)
        else:
            await self.graphql(scope, receive, send)


def _is_graphql(path: str) -> bool:
    return path == PATH or path.startswith(f"{PATH}/")


async def _gateway(scope: Scope, receive: Receive, send: Send) -> None:
    await scope["state"]["gateway"](scope, receive, send)
