"""Registry of job handlers."""

from __future__ import annotations

from collections.abc import Callable

from app.db.tables import JobKind
from app.job_queue.runner import JobHandler

_handlers: dict[JobKind, JobHandler] = {}


def job_handler(kind: JobKind) -> Callable[[JobHandler], JobHandler]:
    """Register the decorated function as the handler of this kind of job."""

    def register(handler: JobHandler) -> JobHandler:
        assert kind not in _handlers, f"{kind} has two handlers"
        _handlers[kind] = handler
        return handler

    return register


def handler_for(kind: JobKind) -> JobHandler:
    """Return the handler of this kind of job."""
    return _handlers[kind]
