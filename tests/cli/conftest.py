"""Fixtures that run the `dealmark` command."""

from __future__ import annotations

from tests.support.command_line import dealmark
from tests.support.documents_command import documents

__all__ = ["dealmark", "documents"]
