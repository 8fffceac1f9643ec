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
# Longer than any job may take; a job that hangs keeps its lock, and this ends it.
JOB_SECONDS = 3600
# From when it takes a message until the job ends, arq has it marked as in progress, for so long at most.
MARK_SECONDS = JOB_SECONDS + 10
# A worker that took a message has claimed its job by then, if it lives.
CLAIM_SECONDS = 2.0
# Compared and deleted in one go: between the two a worker might take the message.
DELETE_IF_EXPIRING_WITHIN = "if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end"


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

        To be called for a job that nobody works on, or did a moment ago.
        """
        message = f"job:{job_id}"
        try:
            async with asyncio.timeout(TELL_SECONDS):
                # arq drops a message while one of the same id waits or runs, which is what one job needs; but after
                # its worker was killed, arq takes the message for running until a time-out of an hour.
                if await self.redis.enqueue_job(function, job_id, _job_id=message) is None:
                    await self._forget_the_dead(in_progress_key_prefix + message)
        except (RedisError, OSError) as error:
            log.warning("queue.unavailable", job=job_id, error=str(error) or type(error).__name__)
            return False
        return True

    async def _forget_the_dead(self, mark: str) -> None:
        """Deletes the mark of a worker that must be dead. That of one which takes the message in this very moment
        stays: a worker does not bear to be given again what it is at."""
        left = round(1000 * (MARK_SECONDS - CLAIM_SECONDS))
        await self.redis.execute_command("EVAL", DELETE_IF_EXPIRING_WITHIN, 1, mark, left)

    async def worker_alive(self) -> bool:
        """Whether a worker wrote its heartbeat lately. Raises RedisError when Redis is away."""
        return bool(await self.redis.exists(HEARTBEAT_KEY))

    async def close(self) -> None:
        """Closes the connections."""
        await self.redis.aclose(close_connection_pool=True)
