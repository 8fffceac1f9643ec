"""The command as it is typed."""

from __future__ import annotations

from tests.test_cli import dealmark

__all__ = ["dealmark"]
