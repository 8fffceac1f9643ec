"""Prometheus metrics that several packages use."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("dealmark_requests_total", "GraphQL requests over HTTP, by outcome", ["outcome"])
# `labels()` is slower than `inc()`, so it is called once per outcome.
REQUEST_OUTCOMES = {
    outcome: REQUESTS.labels(outcome) for outcome in ("ok", "errors", "rejected", "client_disconnected")
}
RESPONSES = Counter("dealmark_responses_total", "GraphQL responses, by cache status (X-Cache)", ["cache"])
REQUEST_DURATION = Histogram(
    "dealmark_request_duration_seconds",
    "Time from reading a GraphQL request to sending its response, without requests served by the fast path",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
SUBSCRIPTIONS = Gauge("dealmark_subscriptions", "Open subscriptions")
CHANGE_LOG_PENDING = Gauge(
    "dealmark_change_log_pending", "Changes of prices and marks that the figures do not yet include"
)
CHANGE_LOG_OLDEST_AGE = Gauge("dealmark_change_log_oldest_age_seconds", "Age of the oldest pending change")
FIGURES_CONSISTENCY = Gauge(
    "dealmark_figures_consistency_ratio", "Share of stored figures that were correct at the last verification"
)
OUTBOX_PENDING = Gauge("dealmark_outbox_pending", "Events in the outbox that are not yet published")
OUTBOX_OLDEST_AGE = Gauge("dealmark_outbox_oldest_age_seconds", "Age of the oldest event in the outbox")
WEBHOOK_PENDING = Gauge("dealmark_webhook_pending", "Events that a webhook has not yet received", ["webhook"])
WEBHOOK_OLDEST_AGE = Gauge(
    "dealmark_webhook_oldest_age_seconds", "Age of the oldest event that a webhook has not yet received", ["webhook"]
)
TABLE_SIZE = Gauge("dealmark_table_size_bytes", "Size of a growing table on disk, including its indexes", ["table"])
IMPORTS = Counter("dealmark_imports_total", "Page imports attempted by this process, by outcome", ["outcome"])
JOBS = Counter("dealmark_jobs_total", "Jobs finished by this process, by kind and outcome", ["kind", "outcome"])
