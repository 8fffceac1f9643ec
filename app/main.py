"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.resources import Resources
from app.schema.build import build_graphql_schema
from app.server.graphql_app import GraphQLApp
from app.server.graphql_http import GRAPHQL_PATH
from app.server.health import Probes, health, metrics, ready
from app.server.host_check import check_hosts
from app.server.request_id import RequestIdMiddleware
from app.server.static_files import StaticFiles
from app.settings import Settings


class LifespanState(TypedDict):
    """What the lifespan opens; requests find it in `scope["state"]`."""

    probes: Probes
    graphql_app: GraphQLApp


def create_app(settings: Settings) -> ASGIApp:
    """Create the API server. Connections are opened when its lifespan starts."""
    return check_hosts(create_root_app(settings), settings)


def create_root_app(settings: Settings) -> RootApp:
    """Create the API server without a check of the `Host` header."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[LifespanState]:
        opening = Resources.open(settings, statement_seconds=settings.request_timeout_seconds)
        async with opening as resources, GraphQLApp(resources, build_graphql_schema()) as graphql_app:
            yield {"probes": Probes(resources), "graphql_app": graphql_app}

    routes = [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]
    routes.append(Route("/{path:path}", StaticFiles()))
    return RootApp(Starlette(routes=routes, lifespan=lifespan))


class RootApp:
    """Passes /graphql to the GraphQL app before any routing, and everything else to Starlette."""

    def __init__(self, starlette: Starlette) -> None:
        self.starlette = starlette
        self.other = RequestIdMiddleware(starlette)
        self.graphql = RequestIdMiddleware(_call_graphql_app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # Before routing, because most requests end here.
            messages = scope["state"]["graphql_app"].fast_path.lookup(scope)
            if messages is not None:
                start, body = messages
                await send(start)
                await send(body)
                return
        if scope["type"] == "lifespan" or not _is_graphql(scope["path"]):
            await self.other(scope, receive, send)
        else:
            await self.graphql(scope, receive, send)


def _is_graphql(path: str) -> bool:
    return path == GRAPHQL_PATH or path.startswith(f"{GRAPHQL_PATH}/")


async def _call_graphql_app(scope: Scope, receive: Receive, send: Send) -> None:
    await scope["state"]["graphql_app"](scope, receive, send)
