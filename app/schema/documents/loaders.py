"""Rows of persisted documents."""

from __future__ import annotations

from app.db.statements import Row


class DocumentRow(Row):
    """Row with the document columns that the operation requests."""
