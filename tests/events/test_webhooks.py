"""Deliveries to real receivers that are down, slow, wrong or forgetful: each event once in effect, and in order."""

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
from app.events.webhooks import configured_webhooks, create_client, deliver_batch, retry_delay
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.events import follow_events
from tests.support.metrics_catalog import fetch_rows, run_statements
from tests.support.paths import ROOT
from tests.support.ports import closed_port
from tests.support.price_changes import add_listings, change_price, sequence_all_events
from tests.support.sites import http_response, redirect_response
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import WEBHOOK_SECRET, Receiver, run_receiver, webhook_settings
from tests.support.worker_process import WorkerCrew


@asynccontextmanager
async def opened(settings: Settings, *urls: str, **changed: Any) -> AsyncIterator[Resources]:
    """Resources of a worker that delivers to these."""
    async with Resources.open(webhook_settings(settings, *urls, **changed)) as resources:
        yield resources


@asynccontextmanager
async def following(*resources: Resources) -> AsyncIterator[None]:
    """Workers on these, while the block runs; they know their receivers when it begins."""
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


async def got(receiver: Receiver, *prices: float) -> None:
    """Until it has these, in this order, and knows of no others."""
    await wait_until(lambda: asyncio.sleep(0, len(receiver.prices) >= len(prices)))
    assert receiver.prices == list(prices)


async def once(resources: Resources) -> float | None:
    """One delivery to the only receiver."""
    (webhook,) = configured_webhooks(resources.settings)
    async with create_client() as client:
        return await deliver_batch(resources, client, webhook)


async def change(resources: Resources, *prices: float) -> int:
    """A listing at 10 that got these prices; its id."""
    (key,) = await add_listings(resources, 10)
    await change_price(resources, key, *prices)
    await sequence_all_events(resources)
    return key


async def soon(resources: Resources) -> None:
    """The time for another attempt has come."""
    await run_statements(resources, "UPDATE webhook SET next_attempt_at = now()")


COUNTS = "SELECT delivered, refused, unanswered, attempts FROM webhook"


async def test_a_delivery(settings: Settings) -> None:
    async with run_receiver() as it, opened(settings, it.url) as resources:
        assert await once(resources) is None
        key = await change(resources, 20, 30)
        assert await once(resources) == 0
        assert await once(resources) is None
        (head,), (body,) = it.heads, it.bodies
        assert head["content-type"] == "application/json"
        message = orjson.loads(body)
        told = message["data"]["events"]
        assert (message["type"], message["timestamp"]) == ("price.changed", told[1]["at"])
        assert [(each["priceBefore"], each["priceAfter"]) for each in told] == [(10, 20), (20, 30)]
        assert {name: told[0][name] for name in ("listingId", "cpuId", "shipping", "currency")} == {
            "listingId": encode_global_id("Listing", key),
            "cpuId": encode_global_id("CPU", 1),
            "shipping": None,
            "currency": "USD",
        }
        assert told[0]["id"] != told[1]["id"]
        assert datetime.fromisoformat(told[0]["at"]).tzinfo is not None
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
    async with run_receiver() as it, opened(settings, it.url, webhook_secret=f"{other} {WEBHOOK_SECRET}") as resources:
        await once(resources)
        await change(resources, 20)
        await once(resources)
        (head,), (body,) = it.heads, it.bodies
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


def test_a_signature_of_the_standard() -> None:
    """The vector of its specification's libraries."""
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
async def test_what_is_no_success_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, outcome: str, reason: str
) -> None:
    """The same message, whatever else has happened since: a receiver may have taken it, and could not say so."""
    monkeypatch.setattr(webhooks_module, "REQUEST_TIMEOUT_SECONDS", 0.3)
    async with run_receiver(answer, answer) as it, opened(settings, it.url) as resources:
        await once(resources)
        key = await change(resources, 20, 30)
        with capture_logs() as logs:
            first = await once(resources)
            again = await once(resources)
        assert first is not None
        assert again is not None
        assert 0 < again <= first <= 1, "it is not time yet"
        (said,) = [entry for entry in logs if entry["event"] == f"webhook.{outcome}"]
        assert reason in said["reason"]
        await change_price(resources, key, 40)
        await sequence_all_events(resources)
        await soon(resources)
        longer = await once(resources)
        assert longer is not None
        assert 1 <= longer <= 2
        await soon(resources)
        assert await once(resources) == 0
        assert len(set(it.ids)) == len(set(it.bodies)) == 1
        assert len(it.ids) == 3
        assert it.prices == [20, 30]
        counts = {"delivered": 1, "refused": 0, "unanswered": 0, outcome: 2}
        assert await fetch_rows(resources, COUNTS) == [(*counts.values(), 0)]
        assert await once(resources) == 0
        assert it.prices == [20, 30, 40]


async def test_a_receiver_that_is_down(settings: Settings) -> None:
    async with opened(settings, f"http://127.0.0.1:{closed_port()}/in") as resources:
        await once(resources)
        await change(resources, 20)
        for attempts in range(1, 4):
            await soon(resources)
            assert await once(resources)
            assert await fetch_rows(resources, COUNTS) == [(0, 0, attempts, attempts)]


def test_pauses_grow_and_are_not_all_the_same() -> None:
    for attempts, longest in ((0, 1), (1, 2), (5, 32), (9, 300), (10_000, 300)):
        pauses = {retry_delay(attempts) for _ in range(50)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest


async def test_batches_follow_each_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks_module, "BATCH_SIZE", 2)
    async with run_receiver() as it, opened(settings, it.url) as resources, following(resources):
        await change(resources, 20, 30, 40, 50, 60)
        await got(it, 20, 30, 40, 50, 60)
        assert len(set(it.ids)) == 3


async def test_a_new_receiver_gets_what_comes_from_then_on(settings: Settings) -> None:
    async with run_receiver() as one, run_receiver() as other:
        async with opened(settings, one.url) as resources:
            async with following(resources):
                key = await change(resources, 20)
                await got(one, 20)
            await change_price(resources, key, 30)  # nobody is there
            await sequence_all_events(resources)
        async with opened(settings, one.url, other.url) as resources, following(resources):
            await change_price(resources, key, 40)
            await got(one, 20, 30, 40)
            await got(other, 40)


async def test_a_dead_receiver_keeps_nobody_waiting(settings: Settings) -> None:
    """One does not answer, another is not there; the third has its events, and so has everybody who reads."""
    async with run_receiver(*[None] * 50) as silent, run_receiver() as well:
        urls = silent.url, f"http://127.0.0.1:{closed_port()}", well.url
        async with opened(settings, *urls, database_pool_size=2) as resources, following(resources):
            (key,) = await add_listings(resources, 10)
            for price in range(20, 120, 10):
                await change_price(resources, key, price)
                await got(well, *range(20, price + 10, 10))
            assert len(silent.ids) == 1


async def test_of_several_workers_one_delivers(settings: Settings) -> None:
    async with run_receiver() as it, opened(settings, it.url) as one, opened(settings, it.url) as other:
        async with following(one, other):
            key = await change(one, 20)
            for price in range(30, 100, 10):
                await change_price(one, key, price)
                await asyncio.sleep(0.02)
            await got(it, *range(20, 100, 10))
        assert len(it.ids) == len(set(it.ids)), "nothing came twice"


async def test_another_takes_over(settings: Settings) -> None:
    async with run_receiver() as it, opened(settings, it.url) as one, opened(settings, it.url) as other:
        async with following(one):
            key = await change(one, 20)
            await got(it, 20)
            async with following(other):
                # As if the connection with the lock had died.
                await run_statements(
                    one, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid <> 0 AND classid = 7310004"
                )
                await change_price(one, key, 30)
                await got(it, 20, 30)
        await wait_until(lambda: asyncio.sleep(0, it.prices == [20, 30]))


@pytest.fixture
def crew(settings: Settings, tmp_path: Path) -> Iterator[WorkerCrew]:
    """Workers as processes."""
    crew = WorkerCrew(settings, tmp_path / "output")
    yield crew
    crew.dismiss()


async def test_a_worker_that_is_killed_between_delivery_and_commit(settings: Settings, crew: WorkerCrew) -> None:
    """The receiver has taken the message, and the worker never hears of it: the next one sends the same again."""
    async with run_receiver(None) as it, Resources.open(settings) as resources:
        environment = {"DEALMARK_WEBHOOK_URL": it.url, "DEALMARK_WEBHOOK_SECRET": WEBHOOK_SECRET}
        victim = crew.start(**environment)
        await wait_until(lambda: fetch_rows(resources, "SELECT 1 FROM webhook"), 30)
        (key,) = await add_listings(resources, 10)
        await change_price(resources, key, 20)
        await wait_until(lambda: asyncio.sleep(0, it.ids), 30)
        victim.kill()
        victim.wait()
        await change_price(resources, key, 30)
        crew.start(**environment)
        await wait_until(lambda: asyncio.sleep(0, len(it.prices) == 2), 30)
        assert it.prices == [20, 30]
        assert it.ids[0] == it.ids[1]
        assert it.bodies[0] == it.bodies[1]
        counts = "SELECT delivered, unanswered FROM webhook"
        await wait_until(lambda: _is(resources, counts, (2, 0)))
        crew.dismiss()
        await resources.broker.redis.flushall()


async def _is(resources: Resources, query: str, row: tuple[Any, ...]) -> bool:
    return await fetch_rows(resources, query) == [row]


async def test_what_is_wrong_with_the_database_ends_nothing(settings: Settings) -> None:
    async with run_receiver() as it, opened(settings, it.url) as resources, following(resources):
        key = await change(resources, 20)
        await got(it, 20)
        with capture_logs() as logs:
            await run_statements(
                resources, "ALTER TABLE webhook RENAME TO away", "ALTER TABLE price_change RENAME TO gone"
            )
            await change_price(resources, key, 30)
            names = {"webhook.interrupted", "events.not_sequenced"}
            await wait_until(lambda: asyncio.sleep(0, names <= {entry["event"] for entry in logs}))
        await run_statements(resources, "ALTER TABLE away RENAME TO webhook", "ALTER TABLE gone RENAME TO price_change")
        await got(it, 20, 30)


async def test_receivers_do_not_show_what_their_urls_hold(settings: Settings) -> None:
    url = f"http://127.0.0.1:{closed_port()}/in?token=hunter2"
    async with opened(settings, url) as resources:
        await once(resources)
        await change(resources, 20)
        with capture_logs() as logs:
            await once(resources)
        stored: Sequence[Any] = await fetch_rows(resources, "SELECT name FROM webhook")
        assert "hunter2" not in f"{logs} {stored}"
        assert stored[0][0].startswith("127.0.0.1-")
        assert timedelta(0) < timedelta(seconds=logs[-1]["seconds"])
