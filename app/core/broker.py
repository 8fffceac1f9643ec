"""Message broker: notify workers, through arq and Redis, that a job waits in PostgreSQL.

A message carries only the job's id; the job itself is a row in PostgreSQL. A lost message is therefore harmless,
because the sweep sends it again, and so is a duplicate, because the worker sees that the job is already claimed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from redis.exceptions import RedisError

log = structlog.get_logger()

QUEUE_NAME = "dealmark:queue"
HEARTBEAT_KEY = "dealmark:worker"
# Short, because the job is already committed: a Redis that hangs must not delay the caller, and the sweep retries.
ENQUEUE_TIMEOUT_SECONDS = 1.0
# Longer than any job takes. A job that hangs keeps its lock until this timeout cancels it.
JOB_TIMEOUT_SECONDS = 3600
# Expiry of the marker with which arq records that a job is in progress, from the delivery of its message.
IN_PROGRESS_TTL_SECONDS = JOB_TIMEOUT_SECONDS + 10
# A live worker has claimed the job's row within this time after it received the message.
JOB_CLAIM_TIMEOUT_SECONDS = 2.0
# Compares and deletes in one script, because a worker could receive the message between two commands.
DELETE_IF_EXPIRING_WITHIN = "if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end"


def serialize(message: dict[str, Any]) -> bytes:
    """Encode a message as JSON. Decoding it cannot run code, unlike arq's default, pickle."""
    return orjson.dumps(message, default=str)


def deserialize(message: bytes) -> dict[str, Any]:
    """Decode a message encoded by `serialize`."""
    decoded: dict[str, Any] = orjson.loads(message)
    return decoded


class JobBroker:
    """Sends messages about jobs to workers.

    Connects on first use. If Redis is unavailable, the caller gets False and a warning is logged.
    """

    def __init__(self, redis_url: str) -> None:
        self.redis = ArqRedis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=30)
        self.redis.job_serializer = serialize
        self.redis.job_deserializer = deserialize
        self.redis.default_queue_name = QUEUE_NAME

    async def enqueue(self, function: str, job_id: int) -> bool:
        """Ask a worker to run `function(job_id)`. Return False if Redis is unavailable; the sweep retries later.

        Call this only for a job that no live worker is running.
        """
        message = f"job:{job_id}"
        try:
            async with asyncio.timeout(ENQUEUE_TIMEOUT_SECONDS):
                # arq ignores a message while another with the same id is queued or in progress. That is what a job
                # needs, except after its worker was killed: then the in-progress marker would block it for an hour.
                if await self.redis.enqueue_job(function, job_id, _job_id=message) is None:
                    await self._clear_stale_marker(in_progress_key_prefix + message)
        except (RedisError, OSError) as error:
            log.warning("broker.unavailable", job=job_id, error=str(error) or type(error).__name__)
            return False
        return True

    async def _clear_stale_marker(self, key: str) -> None:
        """Delete the in-progress marker of a dead worker.

        A marker younger than JOB_CLAIM_TIMEOUT_SECONDS is kept: its worker may be about to claim the job, and arq fails
        if a running job is delivered twice.
        """
        expires_within_ms = round(1000 * (IN_PROGRESS_TTL_SECONDS - JOB_CLAIM_TIMEOUT_SECONDS))
        await self.redis.execute_command("EVAL", DELETE_IF_EXPIRING_WITHIN, 1, key, expires_within_ms)

    async def is_worker_alive(self) -> bool:
        """Return whether a worker has written its heartbeat recently. Raise RedisError if Redis is unavailable."""
        return bool(await self.redis.exists(HEARTBEAT_KEY))

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose(close_connection_pool=True)
