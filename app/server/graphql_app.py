"""The ASGI application for everything under /graphql."""

from __future__ import annotations

from typing import Self

from graphql import GraphQLSchema
from starlette.types import Receive, Scope, Send

from app.cache.response_cache import ResponseCache
from app.core.circuit_breaker import CircuitBreaker
from app.documents.lookup import DocumentLookup
from app.documents.registry import DocumentRegistry
from app.engine.executor import Executor
from app.engine.streams import OperationStreams
from app.resources import Resources
from app.server.admission import Admission
from app.server.authentication import Authenticator
from app.server.fast_path import FastPathCache
from app.server.graphql_http import GraphQLHTTPHandler, ServerState
from app.server.rate_limits import RateLimits
from app.server.subscription_limits import SubscriptionLimits
from app.server.websocket import GraphQLWebSocketApp, OperationStreamer


class GraphQLApp:
    """GraphQL over HTTP, server-sent events and WebSocket.

    As an async context manager, it keeps its registry of published documents up to date.
    """

    def __init__(self, resources: Resources, schema: GraphQLSchema) -> None:
        settings, redis = resources.settings, resources.broker.redis
        # Shared by all users of Redis, so that only one request waits for a Redis that does not answer.
        # A Redis that refuses writes (a full one, a replica) answers a PING, and the next call would fail again.
        breaker = CircuitBreaker("redis", resources.broker.check_write_access)
        self.registry = DocumentRegistry(resources, schema, breaker)
        resources.documents = self.registry
        self.executor = Executor(resources, schema)
        self.response_cache = ResponseCache(resources, breaker)
        self.fast_path = FastPathCache(resources.notifications, self.response_cache.memory, self.registry.count_query)
        self.registry.usage.reporters.append(self.fast_path.report_usage)
        self.state = ServerState(
            settings=settings,
            notifications=resources.notifications,
            documents=DocumentLookup(self.registry, settings.document_mode, settings.documents_report_only),
            authenticator=Authenticator(settings),
            admission=Admission(settings, RateLimits(settings, redis, breaker)),
            executor=self.executor,
            streams=OperationStreams(self.executor),
            subscription_limits=SubscriptionLimits(settings),
            response_cache=self.response_cache,
            fast_path=self.fast_path,
        )
        self.websocket_app = GraphQLWebSocketApp(OperationStreamer(self.state), self.state.authenticator)

    async def __aenter__(self) -> Self:
        await self.registry.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.fast_path.clear()
        await self.registry.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await GraphQLHTTPHandler(self.state, scope, receive, send).handle()
        else:
            await self.websocket_app(scope, receive, send)
