"""Admission control: the cost limit and the rate limits, for HTTP and WebSocket alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from graphql import OperationType

from app.core.errors import BadRequest
from app.engine.document import Operation
from app.engine.request import GraphQLRequest
from app.server.client_address import TrustedProxies
from app.server.rate_limits import RateLimitClass, RateLimits
from app.settings import Settings


class CostLimitExceeded(BadRequest):
    """The operation may cost more than one request is allowed."""

    code = "COST_LIMIT_EXCEEDED"


class Admission:
    """Checks operations against the limits of the settings."""

    def __init__(self, settings: Settings, rate_limits: RateLimits) -> None:
        self.cost_limit = settings.cost_limit
        self.rate_limits = rate_limits
        self.trusted_proxies = TrustedProxies(settings.trusted_proxies)

    def check_cost(self, operation: Operation, variables: Mapping[str, Any]) -> int:
        """Return the highest cost that the operation may have.

        Raises CostLimitExceeded, and InputTooLarge for a variable with too many values or characters.
        """
        operation.variable_limits.check(variables)
        cost = operation.cost(variables)
        if cost > self.cost_limit:
            raise CostLimitExceeded(
                f"The operation costs up to {cost}; at most {self.cost_limit} is allowed. Ask for fewer items."
            )
        return cost

    def client_quota(self, peer: str | None, forwarded_for: str | None) -> ClientQuota:
        """Return the quota of the client that sends a request.

        `peer` is the address of the connection, `forwarded_for` the X-Forwarded-For header.
        """
        return ClientQuota(self, peer, forwarded_for)


class ClientQuota:
    """Counts one request towards the rate limits of its client, at most once per class."""

    def __init__(self, admission: Admission, peer: str | None, forwarded_for: str | None) -> None:
        self._admission, self._peer, self._forwarded_for = admission, peer, forwarded_for
        self._counted: set[RateLimitClass] = set()

    @cached_property
    def client(self) -> str:
        """The address or network that identifies the client."""
        return self._admission.trusted_proxies.client_address(self._peer, self._forwarded_for)

    async def count(self, limit_class: RateLimitClass) -> None:
        """Count the request in a class. Raises RateLimited."""
        rate_limits = self._admission.rate_limits
        if limit_class in rate_limits.limits and limit_class not in self._counted:
            self._counted.add(limit_class)
            await rate_limits.check(limit_class, self.client)

    async def count_lookup(self, request: GraphQLRequest) -> None:
        """Count a request before its document is parsed, stored, or requested from Redis. Raises RateLimited."""
        await self.count(RateLimitClass.PERSISTED if request.text is None else RateLimitClass.AD_HOC)

    async def count_new_document(self) -> None:
        """Count a document before it is parsed and compiled, which takes longer than most operations."""
        await self.count(RateLimitClass.NEW_DOCUMENT)

    async def count_operation(self, operation: Operation, request: GraphQLRequest) -> None:
        """Count a request before its operation is executed. Raises RateLimited."""
        if request.has_files:
            await self.count(RateLimitClass.UPLOAD)
        elif operation.kind is OperationType.MUTATION:
            await self.count(RateLimitClass.MUTATION)
        elif operation.kind is OperationType.SUBSCRIPTION:
            await self.count(RateLimitClass.SUBSCRIPTION)
        else:
            await self.count_lookup(request)
