"""Fixtures of the tests of app/db."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import temporary_database


@pytest.fixture
def empty_url(cluster: str) -> Iterator[str]:
    """URL of a database that was never migrated."""
    with temporary_database(cluster) as url:
        yield url
