"""One PostgreSQL cluster and one Redis per process of the run, both real; per test a database cloned from a template.

`pytest -n 2` runs the tests in two processes; they share nothing but the folders of npm packages.
"""

from __future__ import annotations

from contextlib import suppress

import coverage
import pytest

from app.core.errors import StartupError
from app.devserver.embedded import postgres_account_options
from tests.support import abuse_report, effort
from tests.support.fixtures import (
    api,
    cluster,
    complete_log,
    configured_logging,
    current_probes,
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
    """Prepare the main process or, with `-n`, a worker process of pytest-xdist."""
    effort.configure(config)
    if not hasattr(config, "workerinput"):
        config.stash[GUARD] = ProcessGuard()
        # The account is created here, because the worker processes must not create it concurrently. If that fails, the
        # tests that need the account report the error.
        with suppress(StartupError):
            postgres_account_options()
        return
    # Coverage already measures this process twice: as a subprocess of a measured process, and because pytest-cov takes
    # it for the main process. Stop both. The measurement of the tests starts later and pauses in tests that are marked
    # `no_cover`; these two would continue there.
    while (measurement := coverage.Coverage.current()) is not None:
        measurement.stop()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes and delete the files that the run has left behind."""
    if (guard := config.stash.get(GUARD, None)) is not None:
        guard.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    effort.add_options(parser)
    abuse_report.add_options(parser)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the time limits of long tests, and run them first."""
    effort.arrange(items)


__all__ = [
    "api",
    "cluster",
    "complete_log",
    "configured_logging",
    "current_probes",
    "data_set",
    "database_url",
    "redis_server",
    "redis_timeout",
    "redis_url",
    "resources",
    "settings",
]


def pytest_report_header() -> str:
    """Name the data sets at the beginning of the report."""
    return describe_data_sets()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the attacks measured."""
    abuse_report.summarize(terminalreporter, config)
