"""Which price changes are events, and that subscribers neither miss nor repeat one, in any order of commits."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db.transaction import Transaction
from app.events import feed
from app.events.feed import read_after
from app.events.outbox import sequence_outbox
from app.resources import Resources
from tests.support.effort import size_of
from tests.support.figures_catalog import run_statements
from tests.support.price_changes import (
    add_listings,
    change_price,
    event_rows,
    outbox_rows,
    sequence_all_events,
    set_price,
)

# Price before, price after, and whether that is an event.
PRICES: list[tuple[str | None, str | None, bool]] = [
    ("100", "101", True),
    ("100", "99", True),
    ("100", "98", True),
    ("1000", "1001", True),
    ("1000", "1000.99", False),
    ("1000", "999.01", False),
    ("10", "10.20", True),  # 2 % exactly
    ("10", "9.80", True),
    ("10", "10.19", False),
    ("10", "9.81", False),
    ("49.50", "50.49", True),  # exactly 2 %, and 0.99
    ("49.51", "50.50", False),  # 1.9996 %
    ("0.01", "0.02", True),
    ("0", "1", True),
    ("0", "0.99", False),
    ("0", "0", False),
    ("0.50", "0", True),
    ("10", "10", False),
    (None, "10", False),
    ("10", None, False),
    (None, None, False),
    ("9999999999.99", "0", True),
]


@pytest.mark.parametrize(("before", "after", "told"), PRICES)
async def test_price_change_is_an_event(
    resources: Resources, before: str | None, after: str | None, told: bool
) -> None:
    (key,) = await add_listings(resources, before, shipping=4)
    await change_price(resources, key, after)
    expected = [(key, 1, Decimal(str(before)), Decimal(str(after)), 4, "USD")] if told else []
    assert await outbox_rows(resources) == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("price = 20", [(10, 20, None, "USD")]),
        ("price = 20, shipping = 3, status = 'sold', cpu_id = NULL", [(10, 20, 3, "USD")]),
        ("price = 20, currency = 'EUR'", []),
        ("currency = 'EUR'", []),
        ("shipping = 30, adjusted_price = 40", []),
        ("title = 'Another'", []),
    ],
)
async def test_other_changes_are_no_events(
    resources: Resources, change: str, told: list[tuple[int, int, int | None, str]]
) -> None:
    await add_listings(resources, 10)
    await run_statements(resources, f"UPDATE listing SET {change}")
    found = await outbox_rows(resources)
    assert [row[2:] for row in found] == told
    assert all(row[1] is None for row in found) == ("cpu_id" in change or not told)


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("UPDATE listing SET price = price + id", 3),
        ("UPDATE listing SET price = price + 5 WHERE price = 20", 1),
        ("UPDATE listing SET price = 1 WHERE false", 0),
        (
            """
            INSERT INTO listing (title, marketplace, condition, status, price, offer_key, seen_at)
            SELECT 'Offer', 'test', 'used', 'active', 50, offer_key, now() FROM listing
            ON CONFLICT (offer_key) DO UPDATE SET price = excluded.price
            """,
            3,
        ),
        (
            """
            MERGE INTO listing USING (VALUES (20)) AS v (bound) ON true
            WHEN MATCHED AND price < bound THEN DELETE
            WHEN MATCHED THEN UPDATE SET price = price * 2
            """,
            2,
        ),
        ("DELETE FROM listing", 0),
        ("TRUNCATE listing", 0),
    ],
)
async def test_every_kind_of_statement_creates_events(resources: Resources, statement: str, count: int) -> None:
    await add_listings(resources, 10, 20, 30)
    await run_statements(resources, statement)
    assert len(await outbox_rows(resources)) == count


async def test_rolled_back_change_is_no_event(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    async with resources.write() as tx:
        attempt = await tx.connection.begin_nested()
        await set_price(tx, key, 20)
        await attempt.rollback()
        await set_price(tx, key, 30)
    assert [row[3] for row in await outbox_rows(resources)] == [30]


async def test_commit_notifies_once_and_only_of_events(resources: Resources) -> None:
    keys = await add_listings(resources, 10, 20)
    async with resources.notifications.subscribe("outbox") as told:
        told.clear()
        await change_price(resources, keys[0], "10.01")
        await asyncio.sleep(0.1)
        assert not told.is_set()
        await change_price(resources, keys[0], 20)
        await asyncio.wait_for(told.wait(), 60)


async def test_sequencing_moves_events_and_notifies(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await change_price(resources, key, 20, 30, 40)
    async with resources.notifications.subscribe("events") as told:
        told.clear()
        assert await sequence_outbox(resources, 2) is True
        assert await sequence_outbox(resources, 2) is False
        await asyncio.wait_for(told.wait(), 60)
    assert [row[3] for row in await event_rows(resources)] == [20, 30, 40]
    assert await outbox_rows(resources) == []
    before = dict(resources.notifications.versions)
    assert await sequence_outbox(resources) is False
    assert dict(resources.notifications.versions) == before, "nothing to number, nothing to tell"


async def test_event_committed_last_has_the_last_position(resources: Resources) -> None:
    one, other = await add_listings(resources, 10, 10)
    async with resources.write() as early:
        await set_price(early, one, 20)
        await change_price(resources, other, 30)
        await sequence_all_events(resources)
        rows, position, _ = await read_after(resources, None, 0)
        assert [row.listing_id for row in rows] == [other]
    await sequence_all_events(resources)
    rows, _, _ = await read_after(resources, None, position)
    assert [row.listing_id for row in rows] == [one]


async def test_second_sequencer_returns_none(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await change_price(resources, key, 20)
    async with resources.write() as holder:
        await holder.execute(text("SELECT pg_advisory_xact_lock(7310003)"))
        assert await sequence_outbox(resources) is None
    assert await sequence_outbox(resources) is False
    assert len(await event_rows(resources)) == 1


@dataclass
class Subscriber:
    """A subscriber that reads `chunk` events at a time, of some CPUs or of all (None)."""

    cpus: list[int] | None
    chunk: int
    position: int = 0
    seen: list[tuple[int, Decimal]] = field(default_factory=list)

    async def read(self, resources: Resources) -> bool:
        """Read the next events. Return whether there are more."""
        rows, self.position, more = await read_after(resources, self.cpus, self.position, self.chunk)
        self.seen += [(row.listing_id, row.price_after) for row in rows]
        return more

    async def finish(self, resources: Resources) -> None:
        """Read until the end."""
        while await self.read(resources):
            pass

    def wants(self, cpu_id: int) -> bool:
        """Return whether it subscribes to this CPU."""
        return self.cpus is None or cpu_id in self.cpus


WRITERS = 3
# Steps: change a price, commit, roll back, sequence the outbox, read.
STEPS = st.one_of(
    *[st.tuples(st.just("put"), st.integers(0, WRITERS - 1), st.integers(0, 1))] * 3,
    st.tuples(st.just("commit"), st.integers(0, WRITERS - 1)),
    st.tuples(st.just("roll back"), st.integers(0, WRITERS - 1)),
    st.tuples(st.just("number"), st.integers(1, 3)),
    st.tuples(st.just("read"), st.integers(0, 2)),
)


class RolledBack(Exception):
    """Rolls back the transaction that it is raised in."""


class Writer:
    """Successive transactions on the writer's own listings, so that it never waits for a lock."""

    def __init__(self, resources: Resources, keys: Sequence[int]) -> None:
        self.resources = resources
        self.keys = keys
        self.stack = AsyncExitStack()
        self.tx: Transaction | None = None
        self.pending: list[tuple[int, Decimal]] = []
        self.committed: list[tuple[int, Decimal]] = []

    async def put(self, which: int, price: int) -> None:
        """Change a price in the current transaction, or in a new one."""
        if self.tx is None:
            self.tx = await self.stack.enter_async_context(self.resources.write())
        await set_price(self.tx, self.keys[which], price)
        self.pending.append((self.keys[which], Decimal(price)))

    async def end(self, *, commit: bool) -> None:
        """End the current transaction, if there is one."""
        if self.tx is None:
            return
        self.tx = None
        if commit:
            await self.stack.aclose()
            self.committed += self.pending
        else:
            with suppress(RolledBack):
                await self.stack.__aexit__(RolledBack, RolledBack(), None)
        self.pending = []


@pytest.mark.sized
@settings(
    max_examples=size_of(short=30, long=400),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=40))
@example(steps=[("put", 0, 0), ("put", 1, 0), ("commit", 1), ("number", 3), ("read", 0), ("commit", 0), ("number", 1)])
async def test_after_any_interleaving_subscribers_have_read_every_event_once(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, steps: Sequence[tuple[str, int] | tuple[str, int, int]]
) -> None:
    """They read from the shared tail or from the database."""
    monkeypatch.setattr(feed, "TAIL_SIZE", 3)
    resources.versioned_cache._entries.clear()
    await run_statements(resources, "TRUNCATE listing, outbox, price_change RESTART IDENTITY")
    writers = [Writer(resources, await add_listings(resources, 5, 5, cpu_id=number)) for number in range(WRITERS)]
    followers = [Subscriber(None, 1), Subscriber(None, 50), Subscriber([0, 2], 2)]
    for price, step in enumerate(steps, 1):
        match step:
            case ("put", who, which):
                await writers[who].put(which, price * 10)
            case ("number", batch):
                await sequence_outbox(resources, batch)
            case ("read", who):
                await followers[who].read(resources)
            case (what, who):
                await writers[who].end(commit=what == "commit")
    for writer in writers:
        await writer.end(commit=True)
    await sequence_all_events(resources)
    for follower in followers:
        await follower.finish(resources)
    log = [(row[0], row[3]) for row in await event_rows(resources)]
    cpu_of = {key: number for number, writer in enumerate(writers) for key in writer.keys}
    for follower in followers:
        assert follower.seen == [each for each in log if follower.wants(cpu_of[each[0]])]
    for number, writer in enumerate(writers):
        assert [each for each in log if cpu_of[each[0]] == number] == writer.committed, "in the order of its writing"


async def write(resources: Resources, keys: Sequence[int], rng: random.Random) -> Counter[int]:
    """Run transactions that raise two prices each. Return the number of changes by listing."""
    times: Counter[int] = Counter()
    for _ in range(25):
        chosen = sorted(rng.sample(keys, 2))
        with suppress(RolledBack):
            async with resources.write() as tx:
                for key in chosen:
                    await tx.execute(text("UPDATE listing SET price = price + 1 WHERE id = :id"), {"id": key})
                    await asyncio.sleep(rng.random() / 200)
                if rng.random() < 0.2:
                    raise RolledBack
            times.update(chosen)
    return times


async def test_concurrent_writers_sequencers_and_subscribers_lose_no_event(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers wait for each other's locks, two tasks sequence, and subscribers read continuously."""
    monkeypatch.setattr(feed, "TAIL_SIZE", 5)
    keys = await add_listings(resources, *[1000] * 6)
    rng = random.Random("dealmark")
    done = asyncio.Event()

    async def number() -> None:
        while not done.is_set():
            await sequence_outbox(resources, rng.randint(1, 5))
            await asyncio.sleep(rng.random() / 100)

    async def follow(follower: Subscriber) -> Subscriber:
        while not done.is_set():
            await follower.read(resources)
            await asyncio.sleep(rng.random() / 100)
        return follower

    followers = [asyncio.create_task(follow(Subscriber(None, chunk))) for chunk in (1, 3, 100)]
    numbering = [asyncio.create_task(number()) for _ in range(2)]
    written = await asyncio.gather(*(write(resources, keys, rng) for _ in range(4)))
    done.set()
    await asyncio.gather(*numbering)
    await sequence_all_events(resources)
    log = [(row[0], row[3]) for row in await event_rows(resources)]
    for each in await asyncio.gather(*followers):
        await each.finish(resources)
        assert each.seen == log
    times = sum(written, Counter())
    for key in keys:
        assert [price for listing, price in log if listing == key] == [1001 + n for n in range(times[key])]
