"""Garbage collection: coroutines that graphql-core abandons are collected before other tests run."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.market import price_ranges


@pytest.fixture(autouse=True)
def _frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze the clock, so that two executions see the same time."""
    now = datetime.now(UTC)
    monkeypatch.setattr(price_ranges, "utc_now", lambda: now)


@pytest.fixture(scope="module", autouse=True)
def collect_abandoned_coroutines() -> Iterator[None]:
    """Collect coroutines that were never awaited, which would otherwise emit warnings in another test.

    Objects that exist before are excluded, because each collection would traverse them again.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()
