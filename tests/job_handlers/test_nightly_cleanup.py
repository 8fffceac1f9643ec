"""Nightly cleanup: what is deleted, what is kept, and a failing step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.core.metrics import TABLE_SIZE
from app.db import disk_usage
from app.db.tables import JobKind
from app.events import retention as events_retention
from app.events.webhooks import configured_webhooks
from app.ingestion import retention as ingestion_retention
from app.ingestion.worker.result_sql import last_known_listings
from app.job_handlers import dispatch, nightly_cleanup
from app.job_queue import retention as job_retention
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.schedule import schedule_nightly_jobs
from tests.support.api_server import ApiClient
from tests.support.figures_catalog import fetch_rows, no_progress, run_statements
from tests.support.price_changes import add_listings, change_price, sequence_all_events
from tests.support.queue_worker import run_queued_jobs
from tests.support.webhook_receiver import webhook_settings

LOG = "SELECT price_after FROM price_change ORDER BY position"
HORIZON = "SELECT position FROM price_change_horizon"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every step need several batches."""
    monkeypatch.setattr(events_retention, "BATCH_SIZE", 2)
    monkeypatch.setattr(job_retention, "BATCH_SIZE", 2)
    monkeypatch.setattr(ingestion_retention, "BATCH_SIZE", 2)
    monkeypatch.setattr(ingestion_retention, "SESSION_BATCH_SIZE", 2)


async def clean_up_rows(resources: Resources) -> dict[str, int]:
    """Run the cleanup. Return the affected rows by step, without steps that affected none."""
    outcome = await nightly_cleanup.run_steps(resources, no_progress)
    assert (outcome.total, outcome.failed) == (len(nightly_cleanup.STEPS), 0)
    return {step: rows for step, rows in outcome.rows.items() if rows}


async def add_aged_changes(resources: Resources, *days: float) -> None:
    """Add changes to the prices 20, 30, ... with these ages in days, in the order of their positions."""
    (key,) = await add_listings(resources, 10)
    for number, age in enumerate(days):
        await change_price(resources, key, 20 + number * 10)
        await run_statements(resources, f"UPDATE outbox SET at = now() - interval '{age} days'")
        await sequence_all_events(resources)


async def test_old_price_changes_are_deleted(resources: Resources) -> None:
    await add_aged_changes(resources, 40, 39, 38, 37, 31, 29, 0)
    versions = dict(resources.notifications.versions)
    assert (await clean_up_rows(resources))["delete_old_changes"] == 5
    assert await fetch_rows(resources, LOG) == [(70,), (80,)]
    assert await fetch_rows(resources, HORIZON) == [(5,)]
    assert resources.notifications.versions["events"] > versions.get("events", 0)
    assert await clean_up_rows(resources) == {}
    assert await fetch_rows(resources, HORIZON) == [(5,)]


async def test_positions_continue_after_all_changes_are_deleted(resources: Resources) -> None:
    await add_aged_changes(resources, 40, 40, 40)
    assert (await clean_up_rows(resources))["delete_old_changes"] == 3
    await add_aged_changes(resources, 0)
    assert await fetch_rows(resources, "SELECT position FROM price_change") == [(4,)]


async def test_undelivered_changes_are_kept(settings: Settings) -> None:
    async with Resources.open(webhook_settings(settings, "http://a.example", "http://b.example")) as resources:
        await add_aged_changes(resources, 40, 40, 40, 40)
        names = [each.name for each in configured_webhooks(resources.settings)]
        for name, position in zip(names, (1, 3), strict=True):
            await run_statements(
                resources,
                f"INSERT INTO webhook (name, position, looked_at) VALUES ('{name}', {position}, 'epoch')",
            )
        assert await clean_up_rows(resources) == {"delete_old_changes": 1}
        assert await fetch_rows(resources, LOG) == [(30,), (40,), (50,)]


async def test_removed_webhook_is_deleted(resources: Resources) -> None:
    await add_aged_changes(resources, 40, 40)
    await run_statements(
        resources,
        "INSERT INTO webhook (name, position, looked_at) VALUES ('old', 0, now() - interval '31 days')",
        "INSERT INTO webhook (name, position, looked_at) VALUES ('another worker''s', 1, now() - interval '29 days')",
    )
    assert await clean_up_rows(resources) == {"delete_removed_webhooks": 1, "delete_old_changes": 1}
    assert await fetch_rows(resources, "SELECT name FROM webhook") == [("another worker's",)]


async def test_old_jobs_are_deleted_except_unfinished_and_last_successes(resources: Resources) -> None:
    rows: list[tuple[str, str, float | None]] = [
        ("recalculate_metrics", "succeeded", 200),
        ("recalculate_metrics", "failed", 150),
        ("recalculate_metrics", "failed", 150),
        ("recalculate_metrics", "succeeded", 100),
        ("recalculate_metrics", "succeeded", 89),
        ("verify_figures", "succeeded", 300),
        ("verify_figures", "succeeded", 120),
        ("verify_figures", "failed", 1),
        ("clean_up", "queued", None),
        ("clean_up", "running", None),
    ]
    for kind, status, days in rows:
        finished = "NULL" if days is None else f"now() - interval '{days} days'"
        await run_statements(
            resources,
            f"""
            INSERT INTO job (kind, status, requested_by, requested_at, finished_at)
            VALUES ('{kind}', '{status}', 'tester', now() - interval '1 year', {finished})
            """,
        )
    assert (await clean_up_rows(resources))["delete_old_jobs"] == 5
    assert await fetch_rows(resources, "SELECT id FROM job ORDER BY id") == [(5,), (7,), (8,), (9,), (10,)]


async def test_old_imports_are_deleted_except_sources_of_listings(resources: Resources) -> None:
    """Unfinished imports are kept at any age.

    Three URLs: a page with an active listing that was fetched three times, a page with a sold listing, and a page of
    two sessions, of which the newer is kept.
    """
    live, sold, other = await add_listings(resources, 10, 10, 10)
    old, young, never = "now() - interval '91 days'", "now() - interval '89 days'", "NULL"
    status = {old: "complete", young: "complete", never: "queued"}
    fetches = [
        ("live", [live], old), ("live", [live, other], old), ("live", [], old), ("sold", [sold], old),
        ("shared", [], old), ("waits", [], never),
    ]  # fmt: skip
    await run_statements(
        resources,
        "UPDATE listing SET seen_at = now() - interval '92 days'",
        f"UPDATE listing SET status = 'sold' WHERE id = {sold}",
        *(
            f"""
            INSERT INTO import_fetch (url, host, priority, status, listing_ids, finished_at)
            VALUES ('{url}', 'h', 1, '{status[finished]}', '{{{str(ids)[1:-1]}}}', {finished})
            """
            for url, ids, finished in fetches
        ),
        *(
            f"""
            INSERT INTO import_session (source, name, priority, requested_by, total, status, requested_at, finished_at)
            VALUES ('url', 'x', 1, 'tester', 1, '{status[finished]}', {old}, {finished})
            """
            for finished in (old, old, old, young, never)
        ),
        """
        INSERT INTO import_row (session_id, position, url, fetch_id)
        VALUES (1, 1, 'x', 1), (1, 2, 'x', 2), (2, 1, 'x', 3), (2, 2, 'x', 4), (3, 1, 'x', 5), (4, 1, 'x', 5),
            (5, 1, 'x', 6)
        """,
        "INSERT INTO import_payload VALUES (2, '', 0, false, 'text/html')",
    )
    versions = dict(resources.notifications.versions)
    assert (await clean_up_rows(resources))["delete_old_imports"] == 3
    assert await fetch_rows(resources, "SELECT id FROM import_session ORDER BY id") == [(4,), (5,)]
    assert await fetch_rows(resources, "SELECT session_id, fetch_id FROM import_row ORDER BY id") == [(4, 5), (5, 6)]
    assert await fetch_rows(resources, "SELECT id FROM import_fetch ORDER BY id") == [(2,), (5,), (6,)]
    assert resources.notifications.versions["work"] > versions.get("work", 0)
    assert await clean_up_rows(resources) == {}
    async with resources.write() as tx:
        assert (await last_known_listings(tx, ["live", "sold"])) == {"live": [live, other]}


async def test_change_log_is_kept(resources: Resources) -> None:
    await run_statements(
        resources, "INSERT INTO data_change_log (cpu_id, logged_at) VALUES (1, now() - interval '10 years')"
    )
    await clean_up_rows(resources)
    assert await fetch_rows(resources, "SELECT cpu_id FROM data_change_log") == [(1,)]


async def test_failed_step_does_not_stop_the_others(resources: Resources) -> None:
    await add_aged_changes(resources, 40)
    await run_statements(resources, "ALTER TABLE webhook RENAME COLUMN looked_at TO elsewhere")
    with capture_logs() as logs:
        outcome = await dispatch.run_in_foreground(resources, JobKind.CLEAN_UP, {})
    steps = len(nightly_cleanup.STEPS)
    assert (outcome.total, outcome.succeeded, outcome.failed) == (steps, steps - 1, 1)
    assert await fetch_rows(resources, LOG) == []
    (failed,) = [entry for entry in logs if entry["event"] == "clean_up.step_failed"]
    assert (failed["step"], failed["log_level"]) == ("delete_removed_webhooks", "error")
    (complete,) = [entry for entry in logs if entry["event"] == "clean_up.complete"]
    assert (complete["failed"], complete["delete_old_changes"]) == (1, 1)
    assert await fetch_rows(resources, "SELECT kind, status, failed FROM job") == [("clean_up", "succeeded", 1)]


async def test_scheduled_cleanup_runs_once(settings: Settings) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=1)).replace(second=0, microsecond=0)
    far = (at + timedelta(hours=12)).time()
    times = {"clean_up_at": at.time(), "verification_at": far, "recalculation_at": far}
    async with Resources.open(settings.model_copy(update=times)) as resources:
        await add_aged_changes(resources, 40)
        for _ in range(2):
            await schedule_nightly_jobs(resources)
        await run_queued_jobs(resources)
        expected = [("clean_up", "succeeded", at, len(nightly_cleanup.STEPS), len(nightly_cleanup.STEPS), 0)]
        assert await fetch_rows(resources, "SELECT kind, status, due_at, total, succeeded, failed FROM job") == expected
        assert await fetch_rows(resources, LOG) == []


async def metrics(api: ApiClient) -> dict[str, float]:
    """Return all samples by name and labels."""
    lines = (await api.http.get("/metrics")).raise_for_status().text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def of(found: dict[str, float], name: str) -> dict[str, float]:
    """Return the samples of a metric by label value."""
    return {each.removeprefix(name): value for each, value in found.items() if each.startswith(name)}


async def test_metrics_report_outbox_webhooks_and_table_sizes(api: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await run_statements(resources, "INSERT INTO webhook (name, position, delivered, refused) VALUES ('one', 0, 5, 2)")
    found = await metrics(api)
    assert (found["dealmark_outbox_pending"], found["dealmark_outbox_oldest_age_seconds"]) == (0, 0)
    assert (
        found['dealmark_webhook_pending{webhook="one"}']
        == found['dealmark_webhook_oldest_age_seconds{webhook="one"}']
        == 0
    )
    await change_price(resources, key, 20, 30)
    await run_statements(resources, "UPDATE outbox SET at = at - interval '1 hour'")
    found = await metrics(api)
    assert found["dealmark_outbox_pending"] == 2
    assert 3600 <= found["dealmark_outbox_oldest_age_seconds"] < 3700
    await sequence_all_events(resources)
    found = await metrics(api)
    assert found["dealmark_outbox_pending"] == 0
    assert found['dealmark_webhook_pending{webhook="one"}'] == 2
    assert 3600 <= found['dealmark_webhook_oldest_age_seconds{webhook="one"}'] < 3700
    outcomes: dict[str, Any] = of(found, "dealmark_webhook_deliveries_total")
    assert sorted(outcomes.values()) == [0, 2, 5]
    stored = of(found, "dealmark_table_size_bytes")
    assert len(stored) >= 6
    assert all(size > 0 for size in stored.values())
    await run_statements(resources, "DELETE FROM webhook")
    assert of(await metrics(api), "dealmark_webhook_pending") == {}
    await run_statements(resources, "DROP TABLE outbox CASCADE")
    found = await metrics(api)
    assert found["dealmark_outbox_pending"] != found["dealmark_outbox_pending"], "NaN"
    assert of(found, "dealmark_table_size_bytes") == {}


async def test_size_of_a_partitioned_table_includes_its_partitions(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_statements(
        resources,
        "CREATE TABLE parted (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000000)",
        "INSERT INTO parted SELECT generate_series(1, 20000)",
    )
    monkeypatch.setattr(disk_usage, "GROWING_TABLES", ("parted", "part_1"))
    async with resources.read() as session:
        await disk_usage.measure_disk_usage(session)
    sizes = {name: TABLE_SIZE.labels(name)._value.get() for name in disk_usage.GROWING_TABLES}
    TABLE_SIZE.clear()
    assert sizes["parted"] == sizes["part_1"] > 500_000
