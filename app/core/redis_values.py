"""Values in Redis with a digest, so that damaged or exchanged ones are noticed."""

from __future__ import annotations

import hashlib

import structlog
from prometheus_client import Counter

from app.core.log_sampling import LogSampler

log = structlog.get_logger()

DAMAGED_VALUES = Counter(
    "dealmark_redis_damaged_values_total", "Values in Redis that were ignored because they are damaged", ["kind"]
)

DIGEST_BYTES = 16
_sampler = LogSampler()


def seal(key: bytes, value: bytes) -> bytes:
    """Return a value with a digest of it and of its key. It detects accidents, and is no secret."""
    return _digest(key, value) + value


def unseal(kind: str, key: bytes, stored: bytes) -> bytes | None:
    """Return the value that `seal` made for this key; None, after counting it as `kind`, if it is damaged."""
    value = stored[DIGEST_BYTES:]
    if stored[:DIGEST_BYTES] == _digest(key, value):
        return value
    report_damaged(kind)
    return None


def report_damaged(kind: str) -> None:
    """Count and log a damaged value. It is treated as if it did not exist."""
    DAMAGED_VALUES.labels(kind).inc()
    if (skipped := _sampler.sample()) is not None:
        log.warning("redis.damaged_value", kind=kind, skipped=skipped)


def _digest(key: bytes, value: bytes) -> bytes:
    digest = hashlib.blake2b(len(key).to_bytes(4, "big") + key, digest_size=DIGEST_BYTES)
    digest.update(value)
    return digest.digest()
