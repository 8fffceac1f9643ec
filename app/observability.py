"""Structured logs and Prometheus metrics."""

from __future__ import annotations

import logging
from typing import Literal, TextIO

import structlog
from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("dealmark_requests_total", "GraphQL requests, by outcome", ["outcome"])
# To look a counter up by its label takes longer than to count.
OUTCOMES = {outcome: REQUESTS.labels(outcome) for outcome in ("ok", "errors", "refused", "gone")}
ANSWERS = Counter("dealmark_answers_total", "Answers, by where they came from (X-Cache)", ["source"])
REQUEST_SECONDS = Histogram(
    "dealmark_request_seconds",
    "Time from the request read to the answer ready",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
SUBSCRIPTIONS = Gauge("dealmark_subscriptions", "Subscriptions open now")
CHANGE_LOG_ROWS = Gauge("dealmark_change_log_rows", "Changes of prices and marks that figures do not show yet")
CHANGE_LOG_SECONDS = Gauge("dealmark_change_log_seconds", "Age of the oldest of them")
CONSISTENCY = Gauge(
    "dealmark_figures_consistency_ratio", "Share of stored figures that were right when they were last verified"
)
OUTBOX_ROWS = Gauge("dealmark_outbox_rows", "Events that have no position yet, so that nobody was told of them")
OUTBOX_SECONDS = Gauge("dealmark_outbox_seconds", "Age of the oldest of them")
WEBHOOK_PENDING = Gauge("dealmark_webhook_pending", "Events that a receiver has not got yet", ["webhook"])
WEBHOOK_SECONDS = Gauge("dealmark_webhook_seconds", "Age of the oldest of them", ["webhook"])
WEBHOOK_DELIVERIES = Gauge("dealmark_webhook_deliveries", "Requests to a receiver so far", ["webhook", "outcome"])
STORED_BYTES = Gauge("dealmark_stored_bytes", "What a table that grows takes on disk, with its indexes", ["table"])
IMPORTS = Counter(
    "dealmark_imports_total", "Attempts to import a page by this process, by what came of it", ["outcome"]
)
JOBS = Counter("dealmark_jobs_total", "Jobs finished by this process, by kind and outcome", ["kind", "outcome"])


def configure_logging(form: Literal["console", "json"], level: str, stream: TextIO) -> None:
    """Sends structlog and the standard library's loggers to `stream` in one form, with the bound request or job id."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            # Plain: the rich form prints local variables, and with them secrets.
            colors=stream.isatty(),
            pad_event_to=0,
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    tracebacks: list[structlog.typing.Processor] = [structlog.processors.format_exc_info] if form == "json" else []
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tracebacks, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Alembic tells each migration, arq each poll, httpx each key fetch: of interest when something is wrong.
    for name in ("alembic", "arq", "httpx", "uvicorn.access"):
        logging.getLogger(name).setLevel("WARNING")
