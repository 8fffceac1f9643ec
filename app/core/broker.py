"""Message broker: notify workers, through arq and Redis, that a job waits in PostgreSQL.

A message carries only the job's id; the job itself is a row in PostgreSQL. A lost message is therefore harmless,
because the sweep sends it again, and so is a duplicate, because the worker sees that the job is already claimed.

No process compares its clock with that of another one: arq runs a message once its score, a time in milliseconds, has
passed. The score of these messages is the job's id, which has always passed, and puts older jobs first.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import (
    expires_extra_ms,
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)
from arq.jobs import serialize_job
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError, ResponseError

log = structlog.get_logger()

QUEUE_NAME = "dealmark:queue"
HEARTBEAT_KEY = "dealmark:worker"
WRITE_CHECK_KEY = "dealmark:write-check"
# Short, because the job is already committed: a Redis that hangs must not delay the caller, and the sweep retries.
ENQUEUE_TIMEOUT_SECONDS = 1.0
# Longer than any job takes. A job that hangs keeps its lock until this timeout cancels it.
JOB_TIMEOUT_SECONDS = 3600
# Expiry of the marker with which arq records that a job is in progress, from the delivery of its message.
IN_PROGRESS_TTL_SECONDS = JOB_TIMEOUT_SECONDS + 10
# A live worker has claimed the job's row within this time after it received the message.
JOB_CLAIM_TIMEOUT_SECONDS = 2.0
# Puts the message of a job into the queue, whatever is left there of an earlier one.
#
# KEYS: the queue, and arq's keys of the message: in-progress marker, definition, count of attempts, result. arq itself
# sends no message while the definition or the result exists, even if the entry of the queue is lost. One script,
# because a worker could receive the message between two commands. It sets the definition first, because that fails
# while Redis is out of memory, and nothing has changed then.
ENQUEUE_SCRIPT = """
    if redis.call('PTTL', KEYS[2]) >= tonumber(ARGV[1]) then return end
    redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
    redis.call('DEL', KEYS[2], KEYS[4], KEYS[5])
    if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
    redis.call('ZADD', KEYS[1], ARGV[4], ARGV[5])
"""


def serialize(message: dict[str, Any]) -> bytes:
    """Encode a message as JSON. Decoding it cannot run code, unlike arq's default, pickle."""
    return orjson.dumps(message, default=str)


def deserialize(message: bytes) -> dict[str, Any]:
    """Decode a message encoded by `serialize`. Raise ValueError if it was damaged: arq would fail on it."""
    decoded: dict[str, Any] = orjson.loads(message)
    match decoded:
        case {"f": str(), "a": [int()], "k": {}, "t": None, "et": int()} if not decoded["k"]:
            return decoded
    raise ValueError("not a message about a job")


def describe_redis_error(error: BaseException) -> str:
    """Return what is wrong with Redis, in a few words for the operator."""
    if error.args and isinstance(error.args[0], RedisError):  # redis-py wraps those of the login
        error = error.args[0]
    reason = str(error).rstrip(".")
    if isinstance(error, (AuthenticationError, NoPermissionError)):
        return f"refuses access: {reason}"
    if isinstance(error, BusyLoadingError):
        return "is loading its data"
    if isinstance(error, ResponseError):
        return f"refuses writes: {reason}"
    return "does not answer"


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
        prefixes = (in_progress_key_prefix, job_key_prefix, retry_key_prefix, result_key_prefix)
        keys = [QUEUE_NAME, *(prefix + message for prefix in prefixes)]
        # A marker younger than JOB_CLAIM_TIMEOUT_SECONDS is kept, and the message not sent: its worker may be about to
        # claim the job, and arq fails if a running job is delivered twice. An older one is that of a dead worker.
        claimed_ms = round(1000 * (IN_PROGRESS_TTL_SECONDS - JOB_CLAIM_TIMEOUT_SECONDS))
        # The last argument, a time, is only used by arq's log, which is switched off.
        definition = serialize_job(function, (job_id,), {}, None, 0, serializer=serialize)
        arguments = (claimed_ms, definition, expires_extra_ms, job_id, message)
        try:
            async with asyncio.timeout(ENQUEUE_TIMEOUT_SECONDS):
                await self.redis.execute_command("EVAL", ENQUEUE_SCRIPT, len(keys), *keys, *arguments)
        except (RedisError, OSError) as error:
            log.warning("broker.unavailable", job=job_id, error=str(error) or type(error).__name__)
            return False
        return True

    async def check_write_access(self) -> None:
        """Write a key that expires immediately. Raise RedisError or OSError if Redis does not accept it."""
        await self.redis.set(WRITE_CHECK_KEY, b"", px=1)

    async def is_worker_alive(self) -> bool:
        """Return whether a worker has written its heartbeat recently. Raise RedisError if Redis is unavailable."""
        return bool(await self.redis.exists(HEARTBEAT_KEY))

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose(close_connection_pool=True)
