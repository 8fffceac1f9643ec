"""Observation of pooled connections."""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy import text

from app.db.pool import ReadPool
from app.db.session import Reader

SELECT_BACKEND_PID = text("SELECT pg_backend_pid()")
SELECT_SLEEP = text("SELECT pg_sleep(60)")


async def backend_pid(pool: ReadPool) -> int:
    """Return the process id of the backend that a reader uses."""
    reader = Reader(pool)
    try:
        return int(await reader.scalar(SELECT_BACKEND_PID))
    finally:
        await reader.close()


async def fetch_value(database_url: str, sql: str, *values: Any) -> Any:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(sql, *values)
    finally:
        await connection.close()
