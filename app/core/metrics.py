"""Structured logs and Prometheus metrics."""

from __future__ import annotations

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
