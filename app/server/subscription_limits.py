"""Limits on the number of active subscriptions: of the process, and of each client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.core.errors import AppError
from app.core.metrics import SUBSCRIPTIONS
from app.settings import Settings

# When a rejected client may try again.
RETRY_AFTER_SECONDS = 10


class SubscriptionLimitExceeded(AppError):
    """The client has too many active subscriptions."""

    code = "SUBSCRIPTION_LIMIT_EXCEEDED"
    retry_after = RETRY_AFTER_SECONDS


class ServerSubscriptionsExhausted(SubscriptionLimitExceeded):
    """The process has too many active subscriptions."""


class SubscriptionLimits:
    """Counts the active subscriptions of the process, by client."""

    def __init__(self, settings: Settings) -> None:
        self.max_subscriptions = settings.max_subscriptions
        self.max_per_client = settings.max_subscriptions_per_client if settings.client_limits_apply else None
        self._total = 0
        self._by_client: Counter[str] = Counter()

    @contextmanager
    def reserve(self, client: str) -> Iterator[None]:
        """Count a subscription of the client while it is active. Raises SubscriptionLimitExceeded."""
        if self.max_per_client is not None and self._by_client[client] >= self.max_per_client:
            raise SubscriptionLimitExceeded(
                f"You have {self.max_per_client} active subscriptions, the maximum for one client: end one of them "
                "before you start another one."
            )
        if self._total >= self.max_subscriptions:
            raise ServerSubscriptionsExhausted(
                f"The server has {self.max_subscriptions} active subscriptions, its maximum: try again in "
                f"{RETRY_AFTER_SECONDS} s."
            )
        self._total += 1
        self._by_client[client] += 1
        SUBSCRIPTIONS.inc()
        try:
            yield
        finally:
            SUBSCRIPTIONS.dec()
            self._total -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
