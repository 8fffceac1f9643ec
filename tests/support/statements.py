"""Recorder of SQL statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from sqlalchemy import event

from app.resources import Reader, Resources


@dataclass
class StatementLog:
    """SQL statements of readers and writers, without BEGIN and COMMIT."""

    texts: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of statements."""
        return len(self.texts)


@contextmanager
def record_statements(resources: Resources) -> Iterator[StatementLog]:
    """Record the statements that the block runs."""
    seen = StatementLog()

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.texts.append(statement)

    fetch = Reader._fetch

    async def recorded(reader: Reader, sql: str, *rest: Any) -> Sequence[Any]:
        seen.texts.append(sql)
        return await fetch(reader, sql, *rest)

    engine = resources.engine.sync_engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        with mock.patch.object(Reader, "_fetch", recorded):
            yield seen
    finally:
        event.remove(engine, "before_cursor_execute", record)
