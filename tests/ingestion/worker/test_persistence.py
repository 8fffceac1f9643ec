"""The delay before a fetch is repeated."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from app.ingestion.fetch.errors import FetchTimeout, HttpStatusError, IngestionError, ServerBusy
from app.ingestion.worker.persistence import MAX_RETRIES, FetchResult, fetch_retry_delay
from app.ingestion.worker.queue_sql import ClaimedFetch


def result_with(error: IngestionError | None, retries: int = 0) -> FetchResult:
    claimed_at = datetime(2026, 3, 1, tzinfo=UTC)
    fetch = ClaimedFetch(1, "https://shop.example/1", "shop.example", retries + 1, retries, claimed_at, 0.0)
    return FetchResult(fetch, error=error)


def test_fetch_retry_delay_doubles_with_jitter() -> None:
    for retries, shortest in ((0, 2.0), (1, 4.0), (2, 8.0)):
        result = result_with(FetchTimeout("too slow"), retries)
        delays = [fetch_retry_delay(result, 2.0) or 0.0 for _ in range(50)]
        assert shortest <= min(delays) < max(delays) <= 1.5 * shortest


def test_fetch_retry_delay_is_not_shorter_than_retry_after() -> None:
    assert fetch_retry_delay(result_with(ServerBusy("busy", 429, retry_after=60.0)), 2.0) == 60.0
    delay = fetch_retry_delay(result_with(ServerBusy("busy", 503, retry_after=0.5)), 2.0)
    assert delay is not None
    assert delay >= 2.0


def test_fetch_retry_delay_without_further_attempt_is_none() -> None:
    assert fetch_retry_delay(result_with(FetchTimeout("too slow"), MAX_RETRIES), 2.0) is None
    assert fetch_retry_delay(result_with(HttpStatusError("gone", 404)), 2.0) is None
    assert fetch_retry_delay(result_with(None), 2.0) is None


def test_claimed_fetch_tells_the_time_without_the_clock_of_the_worker() -> None:
    claimed_at = datetime(2031, 3, 1, tzinfo=UTC)
    fetch = ClaimedFetch(1, "https://shop.example/1", "shop.example", 1, 0, claimed_at, time.monotonic() - 90)
    assert timedelta(seconds=90) <= fetch.now() - claimed_at < timedelta(seconds=150)
