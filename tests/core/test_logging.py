"""Logging: tracebacks never show local variables."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from app.core.logging import configure_logging, use_plain_tracebacks
from tests.support.paths import ROOT

PROGRAM = """
import {module}
import structlog

def fail():
    password = "hunter" + str(2)
    raise ValueError("no access")

try:
    fail()
except ValueError:
    structlog.get_logger().exception("request.failed")
"""
log = structlog.get_logger()


@pytest.fixture(autouse=True)
def restored_configuration() -> Iterator[None]:
    """The configuration of structlog and of the root logger as it was before the test."""
    root = logging.getLogger()
    configuration, handlers, level = structlog.get_config(), root.handlers, root.level
    yield
    structlog.configure(**configuration)
    root.handlers = handlers
    root.setLevel(level)


def fail() -> None:
    password = "hunter" + str(2)
    raise ValueError(f"no access for {len(password)}")


def log_a_failure() -> None:
    try:
        fail()
    except ValueError:
        log.exception("request.failed")


@pytest.mark.parametrize("form", ["console", "json"])
def test_configured_logging_prints_tracebacks_without_local_variables(form: Literal["console", "json"]) -> None:
    stream = io.StringIO()
    configure_logging(form, "INFO", stream)
    log_a_failure()
    assert "ValueError: no access for 7" in stream.getvalue()
    assert "in fail" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_unconfigured_logging_prints_tracebacks_without_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    use_plain_tracebacks()
    log_a_failure()
    output = capsys.readouterr().out
    assert "ValueError: no access for 7" in output
    assert "hunter2" not in output


def test_plain_tracebacks_keep_an_existing_configuration() -> None:
    configure_logging("json", "INFO", io.StringIO())
    before = structlog.get_config()["processors"]
    use_plain_tracebacks()
    assert structlog.get_config()["processors"] == before


@pytest.mark.parametrize("module", ["app", "app.core.errors", "app.cli.main", "jobs.worker"])
def test_process_that_never_configures_logging_prints_tracebacks_without_local_variables(module: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "ValueError: no access" in process.stdout
    assert "in fail" in process.stdout
    assert "hunter2" not in process.stdout


def test_process_of_the_tests_prints_tracebacks_without_local_variables() -> None:
    stream = io.StringIO()
    (handler,) = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    previous = handler.setStream(stream)
    log_a_failure()
    handler.setStream(previous)
    assert "ValueError: no access for 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
