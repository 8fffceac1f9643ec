"""How events and their receivers are doing, as metrics."""

from __future__ import annotations

from math import nan

from app.core.metrics import OUTBOX_ROWS, OUTBOX_SECONDS, WEBHOOK_DELIVERIES, WEBHOOK_PENDING, WEBHOOK_SECONDS
from app.events import sql
from app.resources import Session

OUTCOMES = ("delivered", "refused", "unanswered")


def forget() -> None:
    """Nothing is known while the database does not answer."""
    OUTBOX_ROWS.set(nan)
    OUTBOX_SECONDS.set(nan)
    for gauge in (WEBHOOK_PENDING, WEBHOOK_SECONDS, WEBHOOK_DELIVERIES):
        gauge.clear()


async def measure(session: Session) -> None:
    """Sets them; what was known of receivers that are no more is forgotten."""
    outbox, receivers = await sql.in_outbox(session), await sql.webhooks(session)
    forget()
    OUTBOX_ROWS.set(outbox.pending)
    OUTBOX_SECONDS.set(outbox.seconds)
    for each in receivers:
        WEBHOOK_PENDING.labels(each.name).set(each.pending)
        WEBHOOK_SECONDS.labels(each.name).set(each.seconds)
        for outcome in OUTCOMES:
            WEBHOOK_DELIVERIES.labels(each.name, outcome).set(each[outcome])
