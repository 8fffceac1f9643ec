"""Care of garbage: what graphql-core abandons is swept up before other tests run."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


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
