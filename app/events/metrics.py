"""Metrics of the outbox and the webhooks, read from the database when they are scraped."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from app.core.metrics import OUTBOX_OLDEST_AGE, OUTBOX_PENDING, WEBHOOK_OLDEST_AGE, WEBHOOK_PENDING
from app.events import sql
from app.resources import Session

OUTCOMES = ("delivered", "refused", "unanswered")


class WebhookDeliveries(Collector):
    """Counter of the requests to webhooks. Its values are in the database, which counts for all processes."""

    def __init__(self) -> None:
        # (webhook, outcome) -> number of requests
        self.counts: dict[tuple[str, str], int] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metric `dealmark_webhook_deliveries_total`."""
        family = CounterMetricFamily(
            "dealmark_webhook_deliveries", "Requests to a webhook, by outcome", labels=["webhook", "outcome"]
        )
        for labels, count in self.counts.items():
            family.add_metric(labels, count)
        yield family


WEBHOOK_DELIVERIES = WebhookDeliveries()
REGISTRY.register(WEBHOOK_DELIVERIES)


async def update(session: Session) -> None:
    """Set the metrics to the state in the database."""
    outbox, webhooks = await sql.outbox_backlog(session), await sql.webhook_states(session)
    clear()
    OUTBOX_PENDING.set(outbox.pending)
    OUTBOX_OLDEST_AGE.set(outbox.seconds)
    for webhook in webhooks:
        WEBHOOK_PENDING.labels(webhook.name).set(webhook.pending)
        WEBHOOK_OLDEST_AGE.labels(webhook.name).set(webhook.seconds)
        for outcome in OUTCOMES:
            WEBHOOK_DELIVERIES.counts[webhook.name, outcome] = webhook[outcome]


def clear() -> None:
    """Clear the metrics: the database does not answer, or a webhook was deleted."""
    OUTBOX_PENDING.set(nan)
    OUTBOX_OLDEST_AGE.set(nan)
    WEBHOOK_PENDING.clear()
    WEBHOOK_OLDEST_AGE.clear()
    WEBHOOK_DELIVERIES.counts.clear()
