"""Care of garbage: what graphql-core abandons is swept up before other tests run."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.market import price_ranges


@pytest.fixture(autouse=True)
def _same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is executed twice is to end at the same moment."""
    now = datetime.now(UTC)
    monkeypatch.setattr(price_ranges, "utc_now", lambda: now)


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Coroutines that were never awaited and wait in cycles of garbage would complain in some other test.

    What lives already is left out of collections: they would look at it again for every few documents.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()
