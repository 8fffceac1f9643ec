"""Digests of values in Redis."""

from __future__ import annotations

from prometheus_client import REGISTRY

from app.core.redis_values import seal, unseal


def test_unseal_returns_the_sealed_value() -> None:
    for value in (b"", b"x", bytes(range(256)) * 100):
        assert unseal("test", b"key", seal(b"key", value)) == value


def test_unseal_detects_every_flipped_bit_truncation_and_exchange() -> None:
    before = REGISTRY.get_sample_value("dealmark_redis_damaged_values_total", {"kind": "test"}) or 0
    sealed = seal(b"key", b"value")
    damaged = [sealed[:length] for length in range(len(sealed))]
    damaged += [
        sealed[:position] + bytes([sealed[position] ^ (1 << bit)]) + sealed[position + 1 :]
        for position in range(len(sealed))
        for bit in range(8)
    ]
    damaged += [sealed + b"\0", seal(b"another key", b"value"), seal(b"key ", b"value"[1:])]
    assert [unseal("test", b"key", stored) for stored in damaged] == [None] * len(damaged)
    after = REGISTRY.get_sample_value("dealmark_redis_damaged_values_total", {"kind": "test"})
    assert after == before + len(damaged)
