"""Subscriptions: memory per event, fan-out, limits, and tokens that expire."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from app.graphql.viewer import Role
from app.server.authentication import issue_token
from tests.abuse.attackers import (
    held_connections,
    open_websocket,
    subscribe_message,
)
from tests.abuse.conftest import RunAttack
from tests.abuse.harness import Target
from tests.abuse.subscribers import (
    SUBSCRIPTION,
    count_objects,
    fill_shared_results,
    price_changer,
    receive_changes,
    sse_subscribers,
    wait_for_events,
    wait_for_first_event,
    websocket_subscribers,
)
from tests.support.settings import make_settings

pytestmark = pytest.mark.sized

MAX_OBJECTS_PER_EVENT = 0.05


async def test_events_leave_no_objects_in_the_server(run_attack: RunAttack, tmp_path: Path) -> None:
    """A subscription that receives many events needs no more memory than one that has received a few."""
    file = tmp_path / "objects"

    async def attack(target: Target) -> None:
        async with (
            price_changer(target.settings, 200) as changer,
            sse_subscribers(target, 10) as readers,
            websocket_subscribers(target, 10) as others,
        ):
            subscribers = [*readers, *others]
            await fill_shared_results(changer, subscribers)
            before = await count_objects(target.server, file)
            for _ in range(10):
                await receive_changes(changer, subscribers)
            growth = await count_objects(target.server, file) - before
            target.notes["objects per event"] = growth / (10 * 200 * len(subscribers))

    report = await run_attack(
        "20 subscribers, 8,000 price changes each",
        attack,
        command=("-m", "tests.abuse.counted_server", str(file)),
    )
    assert report.notes["objects per event"] < MAX_OBJECTS_PER_EVENT


async def test_fan_out_does_not_delay_readers(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with price_changer(target.settings, 100) as changer, sse_subscribers(target, 200) as subscribers:
            await wait_for_first_event(changer, subscribers)
            target.answers.update(subscriber.status for subscriber in subscribers)
            seen = min(subscriber.events for subscriber in subscribers)
            for _ in range(10):
                await changer.change_prices()
            await wait_for_events(subscribers, seen + 1_000)

    report = await run_attack("200 subscribers, 1,000 price changes each", attack, max_growth=48)
    assert set(report.answers) == {"200"}


async def test_subscriptions_above_the_limit_are_refused(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        async with held_connections(target, 180, SUBSCRIPTION) as opened:
            heads = await asyncio.gather(*(reader.readline() for reader, _ in opened))
            statuses = [head.split()[1].decode() for head in heads]
            assert statuses.count("200") <= 100
            target.answers.update(statuses)

    report = await run_attack("180 subscriptions of one client", attack)
    assert set(report.answers) <= {"200", "429", "503"}


async def test_subscription_ends_with_its_token(run_attack: RunAttack) -> None:
    async def attack(target: Target) -> None:
        settings = make_settings(database_url=target.settings.database_url)
        token = issue_token(settings, Role.VIEWER, "tester", timedelta(seconds=2))
        async with open_websocket(target, token=token) as connection:
            await connection.send(subscribe_message("changes", documentId="PriceChanged"))
            async with asyncio.timeout(15):
                try:
                    message = orjson.loads(await connection.recv())
                except TimeoutError:
                    message = {"type": "still subscribed"}
            target.answers[message["type"]] += 1

    report = await run_attack("a subscription with a token that expires", attack)
    assert "still subscribed" not in report.answers
