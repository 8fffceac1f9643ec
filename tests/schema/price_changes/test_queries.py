"""`priceChanges` and `priceChanged`: what they tell, where they begin, and how one goes on after a break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from app.core.errors import ExpiredCursor
from app.core.global_ids import encode_global_id
from app.db.pagination import Keyset, SortKey
from app.db.tables import listing
from app.events import feed
from app.events.retention import delete_old_changes
from app.resources import Resources
from app.server.graphql_app import GraphQLApp
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.metrics_catalog import run_statements
from tests.support.price_changes import add_listings, change_price, sequence_all_events
from tests.support.schema_execution import SCHEMA, execute_query, query_data, query_error
from tests.support.statements import record_statements
from tests.support.subscription_clients import EventStream, open_event_stream, open_socket
from tests.support.waiting import wait_until

FOLLOW = """
    subscription ($cpuIds: [ID!], $since: String) {
      priceChanged(cpuIds: $cpuIds, since: $since) {
        id cursor priceBefore priceAfter shipping currency at cpu { name } listing { price }
      }
    }
"""
PAGE = """
    query ($first: Int, $after: String, $last: Int, $before: String, $cpuId: ID) {
      priceChanges(first: $first, after: $after, last: $last, before: $before, cpuId: $cpuId) {
        nodes { priceAfter } pageInfo { hasNextPage endCursor } totalCount
      }
    }
"""


@pytest.fixture
async def served(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiClient]:
    """The API on the test's own resources, so that it can look into them."""
    graphql_app = GraphQLApp(resources, SCHEMA._schema)
    routes = [Route("/graphql", graphql_app), WebSocketRoute("/graphql", graphql_app)]
    async with run_api(resources.settings, Starlette(routes=routes)) as api:
        yield api
    assert not resources.notifications._subscribers
    assert resources.read_pool.in_use == 0


async def change(resources: Resources, listing_id: int, *prices: float) -> None:
    """Prices that were given and numbered."""
    await change_price(resources, listing_id, *prices)
    await sequence_all_events(resources)


async def told(events: EventStream) -> dict[str, Any]:
    """The change of the next event."""
    name, result = await events.next()
    assert name == "next"
    assert "errors" not in result, result
    found: dict[str, Any] = result["data"]["priceChanged"]
    return found


async def prices(events: EventStream, count: int) -> list[float]:
    return [(await told(events))["priceAfter"] for _ in range(count)]


async def ready(resources: Resources) -> None:
    """Until somebody follows and has begun: it holds no connection any more."""
    async with asyncio.timeout(60):
        while not resources.notifications._subscribers or resources.read_pool.in_use:  # noqa: ASYNC110, nothing tells when
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def test_an_event(served: ApiClient, resources: Resources) -> None:
    cpu_id = await add_cpu(resources, "AMD One")
    async with resources.write() as tx:
        key = await add_listing(tx, cpu_id, 10, shipping=4)
    async with open_event_stream(served, FOLLOW) as events:
        await ready(resources)
        await change(resources, key, 20)
        one = await told(events)
        assert resources.read_pool.in_use == 0, "whoever is slow to take it holds no connection"
        await run_statements(resources, "UPDATE cpu SET name = 'AMD Two'")
        await change(resources, key, 30)
        two = await told(events)
    assert {name: one[name] for name in ("priceBefore", "priceAfter", "shipping", "currency")} == {
        "priceBefore": 10,
        "priceAfter": 20,
        "shipping": 4,
        "currency": "USD",
    }
    assert (one["cpu"], one["listing"]) == ({"name": "AMD One"}, {"price": 20})
    assert (two["cpu"], two["listing"]) == ({"name": "AMD Two"}, {"price": 30}), "what was read for one is not kept"
    found = await query_data(resources, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[two["id"], one["id"]])
    assert [node["id"] for node in found["nodes"]] == [two["id"], one["id"]]
    missing = encode_global_id("PriceChange", 404)
    assert await query_data(resources, "query ($id: ID!) { node(id: $id) { id } }", id=missing) == {"node": None}


async def test_a_listing_of_no_cpu(served: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10, cpu_id=None)
    async with open_event_stream(served, FOLLOW) as events:
        await ready(resources)
        await change(resources, key, 20)
        assert (await told(events))["cpu"] is None


async def test_going_on_after_a_break(served: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await change(resources, key, 20)
    async with open_event_stream(served, FOLLOW) as events:
        await ready(resources)
        await change(resources, key, 30)
        first = await told(events)
    assert first["priceAfter"] == 30, "without `since` it begins with what comes"
    await change(resources, key, 40, 50)
    for _ in range(2):
        async with open_event_stream(served, FOLLOW, since=first["cursor"]) as events:
            assert await prices(events, 2) == [40, 50]
            await change(resources, key, 60)
            last = await told(events)
            assert last["priceAfter"] == 60
        await change(resources, key, 40, 50)
        first = last
    async with open_event_stream(served, FOLLOW, since="") as events:
        assert await prices(events, 10) == [20, 30, 40, 50, 60, 40, 50, 60, 40, 50]


async def test_only_of_some_cpus(served: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what is read at once is full of it."""
    monkeypatch.setattr(feed.read_after, "__defaults__", (2,))
    monkeypatch.setattr(feed, "TAIL_SIZE", 3)
    one, two = await add_listings(resources, 10), await add_listings(resources, 10, cpu_id=2)
    cpu_ids = [encode_global_id("CPU", 2), encode_global_id("CPU", 77)]
    async with open_event_stream(served, FOLLOW, cpuIds=cpu_ids, since="") as events:
        for number in range(1, 6):
            await change(resources, one[0], number * 100)
            await change_price(resources, two[0], number * 100)
        await sequence_all_events(resources)
        assert await prices(events, 5) == [100, 200, 300, 400, 500]
    async with (
        open_event_stream(served, FOLLOW, cpuIds=[], since="") as events,
        open_event_stream(served, FOLLOW, since="") as all_,
    ):
        assert await prices(all_, 10) == sorted([100.0, 200, 300, 400, 500] * 2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(events.next(), 0.2)


async def test_by_websocket_and_many(served: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    async with open_socket(served) as client:
        await client.receive()
        for number in range(5):
            await client.start(f"{number}", FOLLOW, since="")
        await ready(resources)
        await change(resources, key, 20)
        messages = [await client.receive() for _ in range(5)]
        assert sorted(message["id"] for message in messages) == ["0", "1", "2", "3", "4"]
        assert {message["payload"]["data"]["priceChanged"]["priceAfter"] for message in messages} == {20}


async def test_all_who_follow_are_told_with_one_statement(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await change(resources, key, 20)
    with record_statements(resources) as seen:
        found = await asyncio.gather(*(feed.read_after(resources, None, 0) for _ in range(10)))
    assert seen.count == 1
    assert [[row.price_after for row in rows] for rows, _, _ in found] == [[20]] * 10
    await change(resources, key, 30)
    rows, position, more = await feed.read_after(resources, [1], found[0][1])
    assert ([row.price_after for row in rows], more) == ([30], False)
    assert await feed.read_after(resources, None, position) == ([], position, False)


async def test_while_news_are_lost_each_reads_by_itself(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await change(resources, key, 20)
    await resources.notifications.stop()
    assert resources.notifications.current_versions() is None
    rows, position, _ = await feed.read_after(resources, None, 0)
    await change(resources, key, 30)
    more, _, _ = await feed.read_after(resources, None, position)
    assert [row.price_after for row in (*rows, *more)] == [20, 30]


async def test_what_cannot_be_followed(served: ApiClient, resources: Resources) -> None:
    other = Keyset("listings", [SortKey("id", listing.c.id)])
    for variables, code in (
        ({"since": "junk"}, "BAD_CURSOR"),
        ({"since": other.encode({"id": 1})}, "BAD_CURSOR"),
        ({"cpuIds": [encode_global_id("Listing", 1)]}, "BAD_USER_INPUT"),
        ({"cpuIds": [encode_global_id("CPU", n) for n in range(201)]}, "BAD_USER_INPUT"),
    ):
        async with open_event_stream(served, FOLLOW, **variables) as events:
            (name, result), end = await events.rest()
        assert (name, end) == ("next", ("complete", None))
        assert [each["extensions"]["code"] for each in result["errors"]] == [code]


async def test_a_cursor_after_which_something_was_deleted(served: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await change(resources, key, 20, 30, 40, 50)
    ends = [(await query_data(resources, PAGE, first=n))["priceChanges"]["pageInfo"]["endCursor"] for n in (1, 2, 3)]
    await run_statements(resources, "UPDATE price_change SET at = 'epoch' WHERE price_after < 40")
    assert await delete_old_changes(resources) == 2
    async with open_event_stream(served, FOLLOW, since=ends[0]) as events:
        (_, result), _ = await events.rest()
        assert result["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"
    assert (await query_error(resources, PAGE, after=ends[0]))[0] == "CURSOR_EXPIRED"
    for since, expected in ((ends[1], [40, 50]), (ends[2], [50]), ("", [40, 50])):
        async with open_event_stream(served, FOLLOW, since=since) as events:
            assert await prices(events, len(expected)) == expected
    with pytest.raises(ExpiredCursor):
        await feed.read_after(resources, None, 0)  # who followed, and was too slow


async def test_pages(resources: Resources) -> None:
    one, two = await add_listings(resources, 10), await add_listings(resources, 10, cpu_id=2)
    assert (await query_data(resources, PAGE, last=1))["priceChanges"] == {
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
        "totalCount": 0,
    }
    for price in (20, 30, 40):
        await change_price(resources, one[0], price)
        await change_price(resources, two[0], price + 1)
    assert (await query_data(resources, PAGE))["priceChanges"]["nodes"] == [], (
        "what has no position yet is not to be seen"
    )
    await sequence_all_events(resources)
    seen: list[float] = []
    after = None
    while len(seen) < 6:
        page = (await query_data(resources, PAGE, first=4, after=after))["priceChanges"]
        assert page["totalCount"] == 6
        seen += [node["priceAfter"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] is (len(seen) < 6)
    assert seen == [20, 21, 30, 31, 40, 41]
    of_two = (await query_data(resources, PAGE, cpuId=encode_global_id("CPU", 2), first=2))["priceChanges"]
    assert ([node["priceAfter"] for node in of_two["nodes"]], of_two["totalCount"]) == ([21, 31], 3)
    newest = (await query_data(resources, PAGE, last=2))["priceChanges"]
    assert [node["priceAfter"] for node in newest["nodes"]] == [40, 41]
    assert (await query_error(resources, PAGE, after="junk"))[0] == "BAD_CURSOR"
    assert (await query_error(resources, PAGE, after=""))[0] == "BAD_CURSOR"
    assert (await query_error(resources, PAGE, cpuId="junk"))[0] == "BAD_USER_INPUT"


async def as_many(api: ApiClient, number: int) -> bool:
    """Whether so many changes are told: the server learns of a commit by itself, a moment later."""
    found = await api.data("{ priceChanges { nodes { priceAfter } } }")
    return len(found["priceChanges"]["nodes"]) == number


async def test_pages_over_http_are_fresh(api: ApiClient, resources: Resources) -> None:
    """They are kept, and a new change ends that."""
    (key,) = await add_listings(resources, 10)
    for number in range(1, 4):
        await change(resources, key, number * 100)
        await wait_until(partial(as_many, api, number))


async def test_as_many_statements_for_many_as_for_one(resources: Resources) -> None:
    cpus = [await add_cpu(resources, f"AMD {number}") for number in range(20)]
    query = "query ($n: Int!) { priceChanges(first: $n) { nodes { priceAfter cpu { name } listing { title } } } }"
    for cpu_id in cpus:
        (key,) = await add_listings(resources, 10, cpu_id=cpu_id)
        await change_price(resources, key, 20)
    await sequence_all_events(resources)
    counts = []
    for number in (1, 20):
        with record_statements(resources) as seen:
            result = await execute_query(resources, query, n=number)
        assert result.errors is None
        counts.append(seen.count)
    assert counts == [3, 3]
