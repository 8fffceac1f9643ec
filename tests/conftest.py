"""One PostgreSQL cluster and one Redis per process of the run, both real; per test a database cloned from a template.

`pytest -n 2` runs the tests in two processes; they share nothing but the folders of npm packages.
"""

from __future__ import annotations

from contextlib import suppress

import coverage
import pytest

from app.core.errors import StartupError
from app.devserver.embedded import postgres_account_options
from tests.support import effort
from tests.support.fixtures import (
    api,
    cluster,
    configured_logging,
    database_url,
    redis_server,
    redis_timeout,
    redis_url,
    resources,
    settings,
)
from tests.support.process_guard import ProcessGuard
from tests.support.real_data import data_set, describe_data_sets

GUARD = pytest.StashKey[ProcessGuard]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the process that was started and, with `-n`, each worker process."""
    effort.configure(config)
    if not hasattr(config, "workerinput"):
        config.stash[GUARD] = ProcessGuard()
        with suppress(StartupError):  # the tests that need the account will tell
            postgres_account_options()  # here, since several processes must not make it at once
        return
    # This process is measured already: as a subprocess of a measured one, and by pytest-cov, which takes it for the
    # first one. What measures the tests comes later; where that pauses (no_cover) these two would go on.
    while (begun := coverage.Coverage.current()) is not None:
        begun.stop()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the run left behind."""
    if (guard := config.stash.get(GUARD, None)) is not None:
        guard.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    effort.add_options(parser)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the time limits of long tests, and run them first."""
    effort.arrange(items)


__all__ = [
    "api",
    "cluster",
    "configured_logging",
    "data_set",
    "database_url",
    "redis_server",
    "redis_timeout",
    "redis_url",
    "resources",
    "settings",
]


def pytest_report_header() -> str:
    """Name the data sets in the head of the report."""
    return describe_data_sets()
