"""Everything under /graphql, put together."""

from __future__ import annotations

from typing import Self

from graphql import GraphQLSchema
from starlette.types import Receive, Scope, Send

from app.cache.response_cache import Responses
from app.core.circuit_breaker import Breaker
from app.documents.lookup import Resolver
from app.documents.registry import Registry
from app.engine.executor import Executor
from app.resources import Resources
from app.server.admission import Admission
from app.server.authentication import Authenticator
from app.server.fast_path import FastPathCache
from app.server.graphql_http import Exchange, Means
from app.server.rate_limits import RateLimits
from app.server.websocket import SocketOperations, SubscriptionSocket


class Gateway:
    """An ASGI application; entered, it follows what is published."""

    def __init__(self, resources: Resources, schema: GraphQLSchema) -> None:
        settings, redis = resources.settings, resources.queue.redis
        # One for all, so that one request alone waits for a Redis that does not answer.
        breaker = Breaker("redis", redis.ping)
        self.registry = Registry(resources, schema, breaker)
        resources.documents = self.registry
        self.executor = Executor(resources, schema)
        self.responses = Responses(resources, breaker)
        self.hot = FastPathCache(resources.changes, self.responses.memory, self.registry.asked)
        self.registry.uses.sources.append(self.hot.tell_uses)
        self.means = Means(
            settings=settings,
            changes=resources.changes,
            resolver=Resolver(self.registry, settings.document_mode, settings.documents_report_only),
            authenticator=Authenticator(settings),
            admission=Admission(settings, RateLimits(settings, redis, breaker)),
            executor=self.executor,
            responses=self.responses,
            hot=self.hot,
        )
        self.sockets = SubscriptionSocket(SocketOperations(self.means), self.means.authenticator)

    async def __aenter__(self) -> Self:
        await self.registry.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hot.forget()
        await self.registry.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Exchange(self.means, scope, receive, send).run()
        else:
            await self.sockets(scope, receive, send)
