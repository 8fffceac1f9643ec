"""`python -m bench.plain`: our schema as Strawberry serves it by itself, at DEALMARK_PORT.

Its own ASGI application and execution, its caches of parsed and validated documents, and our resolvers and loaders.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache

from app.graphql.context import Context
from app.resources import Resources
from app.schema.build import build_schema
from app.settings import load_settings


class OneSnapshot(SchemaExtension):
    """Gives the request's snapshot back when its operation has run."""

    async def on_operation(self) -> AsyncIterator[None]:
        """Around the operation."""
        async with self.execution_context.context:
            yield


class Plain(GraphQL[Context, None]):
    """With our context, and the JSON encoder that is the fastest."""

    resources: Resources

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """One per request."""
        return Context(self.resources)

    def encode_json(self, data: object) -> bytes:
        """As our server encodes."""
        return orjson.dumps(data)


def create_app() -> Starlette:
    """The settings are those of `dealmark serve`."""
    schema = build_schema()
    schema.extensions = (ParserCache, ValidationCache, OneSnapshot)
    plain = Plain(schema)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with Resources.open(load_settings()) as plain.resources:
            yield

    return Starlette(routes=[Route("/graphql", plain)], lifespan=lifespan)


def serve() -> None:
    """With the options of `dealmark serve`."""
    uvicorn.run(
        create_app(),
        port=int(os.environ["DEALMARK_PORT"]),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    serve()
