"""Deliveries to receivers that are down, slow or return errors: each event once in effect, and in order."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from app.core.global_ids import encode_global_id
from app.events import webhooks as webhooks_module
from app.events.webhook_signature import signature
from app.events.webhooks import configured_webhooks, create_client, deliver_batch, delivery_retry_delay
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.events import follow_events
from tests.support.figures_catalog import fetch_rows, run_statements
from tests.support.paths import ROOT
from tests.support.ports import closed_port
from tests.support.price_changes import add_listings, change_price, sequence_all_events
from tests.support.sites import http_response, redirect_response
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import WEBHOOK_SECRET, Receiver, run_receiver, webhook_settings
from tests.support.worker_process import WorkerCrew


@asynccontextmanager
async def open_resources(settings: Settings, *urls: str, **changed: Any) -> AsyncIterator[Resources]:
    """Open the resources of a worker with these webhooks."""
    async with Resources.open(webhook_settings(settings, *urls, **changed)) as resources:
        yield resources


@asynccontextmanager
async def run_workers(*resources: Resources) -> AsyncIterator[None]:
    """Run workers on these resources. Their webhooks are registered when the block starts."""
    tasks = [asyncio.create_task(follow_events(each)) for each in resources]

    async def known() -> bool:
        names = await fetch_rows(resources[0], "SELECT name FROM webhook")
        return len(names) == len({url for each in resources for url in each.settings.webhooks})

    await wait_until(known)
    yield
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for_prices(receiver: Receiver, *prices: float) -> None:
    """Wait until the receiver has exactly these prices, in this order."""
    await wait_until(lambda: asyncio.sleep(0, len(receiver.prices) >= len(prices)))
    assert receiver.prices == list(prices)


async def deliver_once(resources: Resources) -> float | None:
    """Make one delivery to the only webhook."""
    (webhook,) = configured_webhooks(resources.settings)
    async with create_client() as client:
        return await deliver_batch(resources, client, webhook)


async def add_changed_listing(resources: Resources, *prices: float) -> int:
    """Add a listing at 10, change it to these prices, and return its id."""
    (key,) = await add_listings(resources, 10)
    await change_price(resources, key, *prices)
    await sequence_all_events(resources)
    return key


async def make_attempt_due(resources: Resources) -> None:
    """Make the next attempt due."""
    await run_statements(resources, "UPDATE webhook SET next_attempt_at = now()")


COUNTS = "SELECT delivered, refused, unanswered, attempts FROM webhook"


async def test_delivery_sends_the_events_of_a_batch(settings: Settings) -> None:
    async with run_receiver() as receiver, open_resources(settings, receiver.url) as resources:
        assert await deliver_once(resources) is None
        key = await add_changed_listing(resources, 20, 30)
        assert await deliver_once(resources) == 0
        assert await deliver_once(resources) is None
        (head,), (body,) = receiver.heads, receiver.bodies
        assert head["content-type"] == "application/json"
        message = orjson.loads(body)
        events = message["data"]["events"]
        assert (message["type"], message["timestamp"]) == ("price.changed", events[1]["at"])
        assert [(each["priceBefore"], each["priceAfter"]) for each in events] == [(10, 20), (20, 30)]
        assert {name: events[0][name] for name in ("listingId", "cpuId", "shipping", "currency")} == {
            "listingId": encode_global_id("Listing", key),
            "cpuId": encode_global_id("CPU", 1),
            "shipping": None,
            "currency": "USD",
        }
        assert events[0]["id"] != events[1]["id"]
        assert datetime.fromisoformat(events[0]["at"]).tzinfo is not None
        assert await fetch_rows(resources, COUNTS) == [(1, 0, 0, 0)]


def documented_verify_function() -> Any:
    """Return the function that the documentation gives to receivers."""
    guide = (ROOT / "docs" / "how-to" / "follow-prices.md").read_text()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "whsec_" in block]
    assert len(code.strip().splitlines()) <= 15
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    return namespace["verify"]


async def test_documented_function_verifies_signatures(settings: Settings) -> None:
    verify = documented_verify_function()
    other = "whsec_" + "AAAA" * 8
    async with (
        run_receiver() as receiver,
        open_resources(settings, receiver.url, webhook_secret=f"{other} {WEBHOOK_SECRET}") as resources,
    ):
        await deliver_once(resources)
        await add_changed_listing(resources, 20)
        await deliver_once(resources)
        (head,), (body,) = receiver.heads, receiver.bodies
    for secret in (WEBHOOK_SECRET, other):
        verify(secret, head, body)
    late = str(int(head["webhook-timestamp"]) - 1000)
    forged = signature((b"ABC" * 8,), head["webhook-id"], int(late), body)
    for what, secret, headers, content in (
        ("signature", "whsec_" + "BBBB" * 8, head, body),
        ("signature", WEBHOOK_SECRET, head, body + b" "),
        ("signature", WEBHOOK_SECRET, {**head, "webhook-id": "another"}, body),
        ("signature", WEBHOOK_SECRET, {**head, "webhook-timestamp": late}, body),
        ("old", WEBHOOK_SECRET, {**head, "webhook-timestamp": late, "webhook-signature": forged}, body),
    ):
        with pytest.raises(ValueError, match=what):
            verify(secret, headers, content)


def test_signature_matches_the_example_of_the_standard() -> None:
    """The example is from the specification's libraries."""
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature((key,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (http_response(b"", 500), "refused", "status 500"),
        (http_response(b"", 404), "refused", "status 404"),
        (redirect_response("/elsewhere"), "refused", "status 302"),
        (redirect_response("/elsewhere", 308), "refused", "status 308"),
        (b"", "unanswered", "Server disconnected"),
        (b"hello\r\n\r\n", "unanswered", "illegal"),
        (None, "unanswered", "TimeoutError"),
    ],
    ids=["500", "404", "302", "308", "cut", "no http", "slow"],
)
async def test_failed_delivery_repeats_the_same_message(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, outcome: str, reason: str
) -> None:
    """The receiver may have processed it although its response was lost."""
    if answer is None:
        monkeypatch.setattr(webhooks_module, "REQUEST_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(webhooks_module, "FIRST_RETRY_DELAY_SECONDS", 100.0)
    async with run_receiver(answer, answer) as receiver, open_resources(settings, receiver.url) as resources:
        await deliver_once(resources)
        key = await add_changed_listing(resources, 20, 30)
        with capture_logs() as logs:
            first = await deliver_once(resources)
            again = await deliver_once(resources)
        assert first is not None
        assert again is not None
        assert 0 < again <= first <= 100, "it is not time yet"
        (said,) = [entry for entry in logs if entry["event"] == f"webhook.{outcome}"]
        assert reason in said["reason"]
        await change_price(resources, key, 40)
        await sequence_all_events(resources)
        await make_attempt_due(resources)
        longer = await deliver_once(resources)
        assert longer is not None
        assert 100 <= longer <= 200
        await make_attempt_due(resources)
        assert await deliver_once(resources) == 0
        assert len(set(receiver.ids)) == len(set(receiver.bodies)) == 1
        assert len(receiver.ids) == 3
        assert receiver.prices == [20, 30]
        counts = {"delivered": 1, "refused": 0, "unanswered": 0, outcome: 2}
        assert await fetch_rows(resources, COUNTS) == [(*counts.values(), 0)]
        assert await deliver_once(resources) == 0
        assert receiver.prices == [20, 30, 40]


async def test_unreachable_webhook_counts_as_unanswered(settings: Settings) -> None:
    async with open_resources(settings, f"http://127.0.0.1:{closed_port()}/in") as resources:
        await deliver_once(resources)
        await add_changed_listing(resources, 20)
        for attempts in range(1, 4):
            await make_attempt_due(resources)
            assert await deliver_once(resources)
            assert await fetch_rows(resources, COUNTS) == [(0, 0, attempts, attempts)]


def test_delivery_retry_delay_doubles_with_jitter() -> None:
    for attempts, longest in ((0, 1), (1, 2), (5, 32), (9, 300), (10_000, 300)):
        pauses = {delivery_retry_delay(attempts) for _ in range(50)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest


async def test_batches_are_delivered_in_order(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks_module, "BATCH_SIZE", 2)
    async with run_receiver() as receiver, open_resources(settings, receiver.url) as resources:
        async with run_workers(resources):
            await wait_until(lambda: fetch_rows(resources, "SELECT 1 FROM webhook"))
        await add_changed_listing(
            resources, 20, 30, 40, 50, 60
        )  # no worker runs, so all events are in the first batches
        await sequence_all_events(resources)
        async with run_workers(resources):
            await wait_for_prices(receiver, 20, 30, 40, 50, 60)
        assert len(set(receiver.ids)) == 3


async def test_new_webhook_receives_later_events_only(settings: Settings) -> None:
    async with run_receiver() as one, run_receiver() as other:
        async with open_resources(settings, one.url) as resources:
            async with run_workers(resources):
                key = await add_changed_listing(resources, 20)
                await wait_for_prices(one, 20)
            await change_price(resources, key, 30)  # no worker runs
            await sequence_all_events(resources)
        async with open_resources(settings, one.url, other.url) as resources, run_workers(resources):
            await change_price(resources, key, 40)
            await wait_for_prices(one, 20, 30, 40)
            await wait_for_prices(other, 40)


async def test_dead_webhook_does_not_delay_others(settings: Settings) -> None:
    """One does not answer and one is unreachable; the third and all subscribers receive the events."""
    async with run_receiver(*[None] * 50) as silent, run_receiver() as well:
        urls = silent.url, f"http://127.0.0.1:{closed_port()}", well.url
        async with open_resources(settings, *urls, database_pool_size=2) as resources, run_workers(resources):
            (key,) = await add_listings(resources, 10)
            for price in range(20, 120, 10):
                await change_price(resources, key, price)
                await wait_for_prices(well, *range(20, price + 10, 10))
            assert len(silent.ids) == 1


async def test_one_of_several_workers_delivers(settings: Settings) -> None:
    async with (
        run_receiver() as receiver,
        open_resources(settings, receiver.url) as one,
        open_resources(settings, receiver.url) as other,
    ):
        async with run_workers(one, other):
            key = await add_changed_listing(one, 20)
            for price in range(30, 100, 10):
                await change_price(one, key, price)
                await asyncio.sleep(0.02)
            await wait_for_prices(receiver, *range(20, 100, 10))
        assert len(receiver.ids) == len(set(receiver.ids)), "nothing came twice"


async def test_another_worker_takes_over(settings: Settings) -> None:
    async with (
        run_receiver() as receiver,
        open_resources(settings, receiver.url) as one,
        open_resources(settings, receiver.url) as other,
    ):
        async with run_workers(one):
            key = await add_changed_listing(one, 20)
            await wait_for_prices(receiver, 20)
            async with run_workers(other):
                # Simulates the loss of the connection with the lock.
                await run_statements(
                    one, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid <> 0 AND classid = 7310004"
                )
                await change_price(one, key, 30)
                await wait_for_prices(receiver, 20, 30)
        await wait_until(lambda: asyncio.sleep(0, receiver.prices == [20, 30]))


@pytest.fixture
def worker_processes(settings: Settings, tmp_path: Path) -> Iterator[WorkerCrew]:
    """Start workers as processes."""
    worker_processes = WorkerCrew(settings, tmp_path / "output")
    yield worker_processes
    worker_processes.dismiss()


async def test_worker_killed_before_commit_repeats_the_message(
    settings: Settings, worker_processes: WorkerCrew
) -> None:
    """The receiver has processed the message, but no worker knows."""
    async with run_receiver(None) as receiver, Resources.open(settings) as resources:
        environment = {"DEALMARK_WEBHOOK_URL": receiver.url, "DEALMARK_WEBHOOK_SECRET": WEBHOOK_SECRET}
        victim = worker_processes.start(**environment)
        await wait_until(lambda: fetch_rows(resources, "SELECT 1 FROM webhook"), 30)
        (key,) = await add_listings(resources, 10)
        await change_price(resources, key, 20)
        await wait_until(lambda: asyncio.sleep(0, receiver.ids), 30)
        victim.kill()
        victim.wait()
        await change_price(resources, key, 30)
        worker_processes.start(**environment)
        await wait_until(lambda: asyncio.sleep(0, len(receiver.prices) == 2), 30)
        assert receiver.prices == [20, 30]
        assert receiver.ids[0] == receiver.ids[1]
        assert receiver.bodies[0] == receiver.bodies[1]
        counts = "SELECT delivered, unanswered FROM webhook"
        await wait_until(lambda: _is(resources, counts, (2, 0)))
        worker_processes.dismiss()
        await resources.broker.redis.flushall()


async def _is(resources: Resources, query: str, row: tuple[Any, ...]) -> bool:
    return await fetch_rows(resources, query) == [row]


async def test_database_errors_do_not_stop_the_daemon(settings: Settings) -> None:
    async with run_receiver() as receiver, open_resources(settings, receiver.url) as resources, run_workers(resources):
        key = await add_changed_listing(resources, 20)
        await wait_for_prices(receiver, 20)
        with capture_logs() as logs:
            await run_statements(
                resources, "ALTER TABLE webhook RENAME TO away", "ALTER TABLE price_change RENAME TO gone"
            )
            await change_price(resources, key, 30)
            names = {"webhook.interrupted", "events.not_sequenced"}
            await wait_until(lambda: asyncio.sleep(0, names <= {entry["event"] for entry in logs}))
        await run_statements(resources, "ALTER TABLE away RENAME TO webhook", "ALTER TABLE gone RENAME TO price_change")
        await wait_for_prices(receiver, 20, 30)


async def test_webhook_name_does_not_reveal_the_url(settings: Settings) -> None:
    url = f"http://127.0.0.1:{closed_port()}/in?token=hunter2"
    async with open_resources(settings, url) as resources:
        await deliver_once(resources)
        await add_changed_listing(resources, 20)
        with capture_logs() as logs:
            await deliver_once(resources)
        stored: Sequence[Any] = await fetch_rows(resources, "SELECT name FROM webhook")
        assert "hunter2" not in f"{logs} {stored}"
        assert stored[0][0].startswith("127.0.0.1-")
        assert timedelta(0) < timedelta(seconds=logs[-1]["seconds"])
