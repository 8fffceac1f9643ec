"""Interruption of the connection that receives notifications."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from app.db.notifications import NotificationListener

LISTENING_BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'dealmark notifications'
"""


def gate_reconnects(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Make every connection attempt wait for the returned event, which is set initially."""
    gate, listen_once = asyncio.Event(), NotificationListener._listen_once
    gate.set()

    async def held(changes: NotificationListener) -> None:
        await gate.wait()
        await listen_once(changes)

    monkeypatch.setattr(NotificationListener, "_listen_once", held)
    return gate


async def terminate_listener(other: asyncpg.Connection) -> None:
    (listener,) = await other.fetch(LISTENING_BACKENDS)
    await other.execute("SELECT pg_terminate_backend($1)", listener["pid"])
