"""What a client may ask for: how much at once, and how often. The same over HTTP and over sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import OperationType

from app.core.errors import BadRequest
from app.engine.document import Operation
from app.server.client_address import ClientAddress
from app.server.rate_limits import DocumentClass, RateLimits
from app.settings import Settings


class CostLimitExceeded(BadRequest):
    """The operation may cost more than one request is allowed."""

    code = "COST_LIMIT_EXCEEDED"


class Admission:
    """The limits of the settings."""

    def __init__(self, settings: Settings, limits: RateLimits) -> None:
        self.cost_limit = settings.cost_limit
        self.limits = limits
        self.addresses = ClientAddress(settings.trusted_proxies)

    def cost(self, operation: Operation, variables: Mapping[str, Any]) -> int:
        """What it may cost at most. Raises CostLimitExceeded."""
        cost = operation.cost(variables)
        if cost > self.cost_limit:
            raise CostLimitExceeded(
                f"The operation costs up to {cost}; at most {self.cost_limit} is allowed. Ask for fewer items."
            )
        return cost

    async def count(self, operation: Operation, persisted: bool, peer: str | None, forwarded: str | None) -> None:
        """Counts one request of the client. Raises RateLimited, and Unavailable when a mutation cannot be counted."""
        kind = DocumentClass.PERSISTED if persisted else DocumentClass.TEXT
        if operation.kind is OperationType.MUTATION:
            kind = DocumentClass.MUTATION
        if kind in self.limits.items:
            await self.limits.check(kind, self.addresses.of(peer, forwarded))
