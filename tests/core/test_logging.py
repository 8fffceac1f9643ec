"""Log lines: no traceback shows local variables, in any process."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from app.core.logging import configure_logging
from tests.support.paths import ROOT

SECRET = "hunter2"
# A variable whose text is not in the source line of the traceback.
PROGRAM = """
import {module}
import structlog

def fail():
    value = "".join(["hunter", "2"])
    raise ValueError("no secret")

try:
    fail()
except ValueError:
    structlog.get_logger().exception("test.failed")
"""


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the configuration of the logging libraries after the test."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    structlog.configure(**config)
    root.handlers = handlers
    root.setLevel(level)


def raise_with_local() -> None:
    value = "".join(["hunter", "2"])
    raise ValueError(f"{len(value)} characters")


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("form", ["console", "json"])
def test_configured_logging_shows_tracebacks_without_locals(form: Literal["console", "json"]) -> None:
    output = io.StringIO()
    configure_logging(form, "INFO", output)
    try:
        raise_with_local()
    except ValueError:
        structlog.get_logger().exception("test.structlog")
        logging.getLogger("test").exception("test.standard")
    text = output.getvalue()
    assert text.count("ValueError: 7 characters") == 2
    assert "raise_with_local" in text
    assert SECRET not in text


@pytest.mark.parametrize("module", ["app", "app.core.errors", "jobs.worker", "app.cli.main"])
def test_unconfigured_process_shows_tracebacks_without_locals(module: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text = process.stdout + process.stderr
    assert "ValueError: no secret" in text
    assert "in fail" in text
    assert SECRET not in text


def test_test_process_shows_tracebacks_without_locals() -> None:
    output = io.StringIO()
    (handler,) = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    stream = handler.setStream(output)
    try:
        try:
            raise_with_local()
        except ValueError:
            structlog.get_logger().exception("test.failed")
    finally:
        handler.setStream(stream)
    assert "ValueError: 7 characters" in output.getvalue()
    assert SECRET not in output.getvalue()
