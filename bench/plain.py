"""`python -m bench.plain`: the schema served by plain Strawberry, listening on DEALMARK_PORT.

It uses the ASGI application, the execution and the parser and validation caches of Strawberry, with the resolvers and
loaders of Dealmark.
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


class CloseContext(SchemaExtension):
    """Closes the request's context, and with it the snapshot, after the operation."""

    async def on_operation(self) -> AsyncIterator[None]:
        """Enter the context around the operation."""
        async with self.execution_context.context:
            yield


class PlainStrawberry(GraphQL[Context, None]):
    """Strawberry's ASGI app with the Dealmark context and a fast JSON encoder."""

    resources: Resources

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Return a new context."""
        return Context(self.resources)

    def encode_json(self, data: object) -> bytes:
        """Encode as the Dealmark server does."""
        return orjson.dumps(data)


def create_app() -> Starlette:
    """Create the app with the settings of `dealmark serve`."""
    schema = build_schema()
    schema.extensions = (ParserCache, ValidationCache, CloseContext)
    plain = PlainStrawberry(schema)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with Resources.open(load_settings()) as plain.resources:
            yield

    return Starlette(routes=[Route("/graphql", plain)], lifespan=lifespan)


def serve() -> None:
    """Run the server with the options of `dealmark serve`."""
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
