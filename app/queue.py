"""The few lines that know arq: telling a worker that a job waits.

A message carries the job's id and nothing else; the job itself is a row in PostgreSQL. So a message may be lost (the
sweep tells again) or come twice (the worker finds the job taken).
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
# What was committed waits no longer for a Redis that hangs; the sweep tells again.
TELL_SECONDS = 1.0


def serialize(message: dict[str, Any]) -> bytes:
    """A message as JSON: unlike arq's default, pickle, reading it can run no code."""
    return orjson.dumps(message, default=str)


def deserialize(message: bytes) -> dict[str, Any]:
    """The inverse of `serialize`."""
    loaded: dict[str, Any] = orjson.loads(message)
    return loaded


class Queue:
    """Tells workers about jobs. Connects when first used; a Redis that is away costs the caller a warning, no more."""

    def __init__(self, redis_url: str) -> None:
        self.redis = ArqRedis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=30)
        self.redis.job_serializer = serialize
        self.redis.job_deserializer = deserialize
        self.redis.default_queue_name = QUEUE_NAME

    async def tell(self, function: str, job_id: int) -> bool:
        """Asks a worker to run `function(job_id)`. False when Redis is away: the sweep will ask again.

        To be called for a job that nobody works on.
        """
        message = f"job:{job_id}"
        try:
            async with asyncio.timeout(TELL_SECONDS):
                # arq drops a message while one of the same id waits or runs, which is what one job needs; but after
                # its worker was killed, arq takes the message for running until a time-out of an hour.
                if await self.redis.enqueue_job(function, job_id, _job_id=message) is None:
                    await self.redis.delete(in_progress_key_prefix + message)
        except (RedisError, OSError) as error:
            log.warning("queue.unavailable", job=job_id, error=str(error) or type(error).__name__)
            return False
        return True

    async def worker_alive(self) -> bool:
        """Whether a worker wrote its heartbeat lately. Raises RedisError when Redis is away."""
        return bool(await self.redis.exists(HEARTBEAT_KEY))

    async def close(self) -> None:
        """Closes the connections."""
        await self.redis.aclose(close_connection_pool=True)
