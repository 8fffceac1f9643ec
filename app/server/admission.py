"""Admission control: the cost limit and the rate limits, for HTTP and WebSocket alike."""

from __future__ import annotations

from collections.abc import Mapping
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

    async def check_rate(
        self, operation: Operation, request: GraphQLRequest, peer: str | None, forwarded_for: str | None
    ) -> None:
        """Count a request of the client.

        `peer` is the address of the connection, `forwarded_for` the X-Forwarded-For header.
        Raises RateLimited, and Unavailable if a mutation cannot be counted.
        """
        limit_class = operation_limit_class(operation, request)
        if limit_class in self.rate_limits.limits:
            await self.rate_limits.check(limit_class, self.trusted_proxies.client_address(peer, forwarded_for))


def operation_limit_class(operation: Operation, request: GraphQLRequest) -> RateLimitClass:
    """Return the class that the execution of an operation counts towards."""
    if request.has_files:
        return RateLimitClass.UPLOAD
    if operation.kind is OperationType.MUTATION:
        return RateLimitClass.MUTATION
    if operation.kind is OperationType.SUBSCRIPTION:
        return RateLimitClass.SUBSCRIPTION
    return RateLimitClass.PERSISTED if request.text is None else RateLimitClass.AD_HOC
