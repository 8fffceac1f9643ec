"""Documents as rows."""

from __future__ import annotations

from app.db.statements import Row


class DocumentRow(Row):
    """A row of `sql.COLUMNS`: those that the operation needs."""
