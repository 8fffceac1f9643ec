"""`priceChanges` and `priceChanged`: their events, start positions and continuation after a break."""

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
from tests.support.figures_catalog import run_statements
from tests.support.price_changes import add_listings, change_price, sequence_all_events
from tests.support.schema_execution import GRAPHQL_SCHEMA, execute_query, query_data, query_error
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
async def event_api(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiClient]:
    """Return an API on the resources of the test, which the test can inspect."""
    graphql_app = GraphQLApp(resources, GRAPHQL_SCHEMA)
    routes = [Route("/graphql", graphql_app), WebSocketRoute("/graphql", graphql_app)]
    async with run_api(resources.settings, Starlette(routes=routes)) as api:
        yield api
    assert not resources.notifications._subscribers
    assert resources.read_pool.in_use == 0


async def store_changes(resources: Resources, listing_id: int, *prices: float) -> None:
    """Store price changes and sequence the outbox."""
    await change_price(resources, listing_id, *prices)
    await sequence_all_events(resources)


async def next_change(events: EventStream) -> dict[str, Any]:
    """Return the change of the next event."""
    name, result = await events.next()
    assert name == "next"
    assert "errors" not in result, result
    change: dict[str, Any] = result["data"]["priceChanged"]
    return change


async def next_prices(events: EventStream, count: int) -> list[float]:
    return [(await next_change(events))["priceAfter"] for _ in range(count)]


async def wait_until_subscribed(resources: Resources) -> None:
    """Wait until the subscription has started and released its connection."""
    async with asyncio.timeout(60):
        while not resources.notifications._subscribers or resources.read_pool.in_use:  # noqa: ASYNC110, there is no event to wait for
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def test_price_changed_sends_event(event_api: ApiClient, resources: Resources) -> None:
    cpu_id = await add_cpu(resources, "AMD One")
    async with resources.write() as tx:
        key = await add_listing(tx, cpu_id, 10, shipping=4)
    async with open_event_stream(event_api, FOLLOW) as events:
        await wait_until_subscribed(resources)
        await store_changes(resources, key, 20)
        one = await next_change(events)
        assert resources.read_pool.in_use == 0, "a slow subscriber holds no connection"
        await run_statements(resources, "UPDATE cpu SET name = 'AMD Two'")
        await store_changes(resources, key, 30)
        two = await next_change(events)
    assert {name: one[name] for name in ("priceBefore", "priceAfter", "shipping", "currency")} == {
        "priceBefore": 10,
        "priceAfter": 20,
        "shipping": 4,
        "currency": "USD",
    }
    assert (one["cpu"], one["listing"]) == ({"name": "AMD One"}, {"price": 20})
    assert (two["cpu"], two["listing"]) == ({"name": "AMD Two"}, {"price": 30}), (
        "loaders do not keep rows of the previous event"
    )
    data = await query_data(resources, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[two["id"], one["id"]])
    assert [node["id"] for node in data["nodes"]] == [two["id"], one["id"]]
    missing = encode_global_id("PriceChange", 404)
    assert await query_data(resources, "query ($id: ID!) { node(id: $id) { id } }", id=missing) == {"node": None}


async def test_price_change_of_listing_without_cpu_has_null_cpu(event_api: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10, cpu_id=None)
    async with open_event_stream(event_api, FOLLOW) as events:
        await wait_until_subscribed(resources)
        await store_changes(resources, key, 20)
        assert (await next_change(events))["cpu"] is None


async def test_price_changed_with_since_continues_after_cursor(event_api: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await store_changes(resources, key, 20)
    async with open_event_stream(event_api, FOLLOW) as events:
        await wait_until_subscribed(resources)
        await store_changes(resources, key, 30)
        first = await next_change(events)
    assert first["priceAfter"] == 30, "without `since` it starts with the next change"
    await store_changes(resources, key, 40, 50)
    for _ in range(2):
        async with open_event_stream(event_api, FOLLOW, since=first["cursor"]) as events:
            assert await next_prices(events, 2) == [40, 50]
            await store_changes(resources, key, 60)
            last = await next_change(events)
            assert last["priceAfter"] == 60
        await store_changes(resources, key, 40, 50)
        first = last
    async with open_event_stream(event_api, FOLLOW, since="") as events:
        assert await next_prices(events, 10) == [20, 30, 40, 50, 60, 40, 50, 60, 40, 50]


async def test_price_changed_filters_by_cpus(
    event_api: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a whole batch belongs to other CPUs."""
    monkeypatch.setattr(feed.read_after, "__defaults__", (2,))
    monkeypatch.setattr(feed, "TAIL_SIZE", 3)
    one, two = await add_listings(resources, 10), await add_listings(resources, 10, cpu_id=2)
    cpu_ids = [encode_global_id("CPU", 2), encode_global_id("CPU", 77)]
    async with open_event_stream(event_api, FOLLOW, cpuIds=cpu_ids, since="") as events:
        for number in range(1, 6):
            await store_changes(resources, one[0], number * 100)
            await change_price(resources, two[0], number * 100)
        await sequence_all_events(resources)
        assert await next_prices(events, 5) == [100, 200, 300, 400, 500]
    async with (
        open_event_stream(event_api, FOLLOW, cpuIds=[], since="") as events,
        open_event_stream(event_api, FOLLOW, since="") as all_,
    ):
        assert await next_prices(all_, 10) == sorted([100.0, 200, 300, 400, 500] * 2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(events.next(), 0.2)


async def test_price_changed_over_websocket_sends_many(event_api: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    async with open_socket(event_api) as client:
        await client.receive()
        for number in range(5):
            await client.start(f"{number}", FOLLOW, since="")
        await wait_until_subscribed(resources)
        await store_changes(resources, key, 20)
        messages = [await client.receive() for _ in range(5)]
        assert sorted(message["id"] for message in messages) == ["0", "1", "2", "3", "4"]
        assert {message["payload"]["data"]["priceChanged"]["priceAfter"] for message in messages} == {20}


async def test_price_changed_subscribers_share_one_statement(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await store_changes(resources, key, 20)
    with record_statements(resources) as seen:
        batches = await asyncio.gather(*(feed.read_after(resources, None, 0) for _ in range(10)))
    assert seen.count == 1
    assert [[row.price_after for row in rows] for rows, _, _ in batches] == [[20]] * 10
    await store_changes(resources, key, 30)
    rows, position, more = await feed.read_after(resources, [1], batches[0][1])
    assert ([row.price_after for row in rows], more) == ([30], False)
    assert await feed.read_after(resources, None, position) == ([], position, False)


async def test_price_changed_polls_without_notifications(resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await store_changes(resources, key, 20)
    await resources.notifications.stop()
    assert resources.notifications.current_versions() is None
    rows, position, _ = await feed.read_after(resources, None, 0)
    await store_changes(resources, key, 30)
    more, _, _ = await feed.read_after(resources, None, position)
    assert [row.price_after for row in (*rows, *more)] == [20, 30]


async def test_price_changed_invalid_arguments_are_rejected(event_api: ApiClient, resources: Resources) -> None:
    other = Keyset("listings", [SortKey("id", listing.c.id)])
    for variables, code in (
        ({"since": "junk"}, "BAD_CURSOR"),
        ({"since": other.encode({"id": 1})}, "BAD_CURSOR"),
        ({"cpuIds": [encode_global_id("Listing", 1)]}, "BAD_USER_INPUT"),
    ):
        async with open_event_stream(event_api, FOLLOW, **variables) as events:
            (name, result), end = await events.rest()
        assert (name, end) == ("next", ("complete", None))
        assert [error["extensions"]["code"] for error in result["errors"]] == [code]


async def test_price_changed_with_expired_cursor_is_rejected(event_api: ApiClient, resources: Resources) -> None:
    (key,) = await add_listings(resources, 10)
    await store_changes(resources, key, 20, 30, 40, 50)
    ends = [(await query_data(resources, PAGE, first=n))["priceChanges"]["pageInfo"]["endCursor"] for n in (1, 2, 3)]
    await run_statements(resources, "UPDATE price_change SET at = 'epoch' WHERE price_after < 40")
    assert await delete_old_changes(resources) == 2
    async with open_event_stream(event_api, FOLLOW, since=ends[0]) as events:
        (_, result), _ = await events.rest()
        assert result["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"
    assert (await query_error(resources, PAGE, after=ends[0]))[0] == "CURSOR_EXPIRED"
    for since, expected in ((ends[1], [40, 50]), (ends[2], [50]), ("", [40, 50])):
        async with open_event_stream(event_api, FOLLOW, since=since) as events:
            assert await next_prices(events, len(expected)) == expected
    with pytest.raises(ExpiredCursor):
        await feed.read_after(resources, None, 0)  # a subscriber that was too slow


async def test_price_changes_pages_both_ways(resources: Resources) -> None:
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


async def has_changes(api: ApiClient, number: int) -> bool:
    """Wait until this many changes are returned: the server is notified shortly after the commit."""
    data = await api.data("{ priceChanges { nodes { priceAfter } } }")
    return len(data["priceChanges"]["nodes"]) == number


async def test_price_changes_over_http_are_not_stale(api: ApiClient, resources: Resources) -> None:
    """Responses are cached until the next change."""
    (key,) = await add_listings(resources, 10)
    for number in range(1, 4):
        await store_changes(resources, key, number * 100)
        await wait_until(partial(has_changes, api, number))


async def test_price_changes_of_many_cost_as_many_statements_as_one(resources: Resources) -> None:
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
