"""Objects by global id (`cpu`, `node`, `nodes`, `job`), and malformed ids."""

from __future__ import annotations

import base64
from decimal import Decimal

from app.core.global_ids import encode_global_id
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.schema_execution import query_data, query_error

CPU = "query ($id: ID, $slug: String) { cpu(id: $id, slug: $slug) { id name slug } }"
NODE = "query ($id: ID!) { node(id: $id) { id __typename ... on CPU { name } } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }"
BY_SLUGS = "query ($slugs: [String!]!) { cpusBySlugs(slugs: $slugs) { name listings(first: 1) { totalCount } } }"
JOB = "query ($id: ID!) { job(id: $id) { id } }"


async def test_cpu_is_found_by_id_or_slug(resources: Resources) -> None:
    key = await add_cpu(resources, "Intel Core i5-8500T")
    expected = {"id": encode_global_id("CPU", key), "name": "Intel Core i5-8500T", "slug": "intel-core-i5-8500t"}
    assert (await query_data(resources, CPU, id=expected["id"]))["cpu"] == expected
    assert (await query_data(resources, CPU, slug=expected["slug"]))["cpu"] == expected
    assert (await query_data(resources, CPU, slug="none"))["cpu"] is None
    assert (await query_data(resources, CPU, slug=""))["cpu"] is None
    assert (await query_data(resources, CPU, id=encode_global_id("CPU", key + 1)))["cpu"] is None
    assert (await query_data(resources, CPU, id=encode_global_id("CPU", 2**63 - 1)))["cpu"] is None
    for arguments in ({}, expected):
        code, message = await query_error(resources, CPU, **{k: v for k, v in arguments.items() if k != "name"})
        assert (code, message) == ("BAD_USER_INPUT", "Give exactly one of `id` and `slug`.")
    for slug in ("a\0b", "\udfff", "x" * 201):
        assert (await query_error(resources, CPU, slug=slug))[0] == "BAD_USER_INPUT"


async def test_cpus_by_slugs_keep_the_requested_order(resources: Resources) -> None:
    for number in range(7):
        await add_cpu(resources, f"CPU {number}", [number + 1] * number)

    async def names(*slugs: str) -> list[str | None]:
        cpus = (await query_data(resources, BY_SLUGS, slugs=list(slugs)))["cpusBySlugs"]
        return [item and f"{item['name']} {item['listings']['totalCount']}" for item in cpus]

    assert await names() == []
    assert await names("cpu-2", "none", "cpu-0", "cpu-2", "") == ["CPU 2 2", None, "CPU 0 0", "CPU 2 2", None]
    assert await names(*(f"cpu-{n}" for n in (6, 5, 4, 3, 2, 1, 0))) == [f"CPU {n} {n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    assert await names(*["cpu-1"] * 50) == ["CPU 1 1"] * 50
    code, message = await query_error(resources, BY_SLUGS, slugs=["cpu-1"] * 51)
    assert (code, message[:39]) == ("BAD_USER_INPUT", "`slugs` takes at most 50 values, not 51")
    for slug in ("a\0b", "\udfff", "x" * 201):
        assert (await query_error(resources, BY_SLUGS, slugs=["cpu-1", slug]))[0] == "BAD_USER_INPUT"


def encoded(text: str) -> str:
    """Encode text like a global id."""
    return base64.b64encode(text.encode()).decode()


BAD_IDS = [
    *("", "1", "junk", "CPU:1", "💥", "\0", "\ud800", "é", "A" * 10_000, "====", "Q1BVOjE", "Q1BVOjE=\n", " Q1BVOjE="),
    *map(
        encoded,
        ("", ":", "CPU", "CPU:", ":1", "CPU:-1", "CPU:+1", "CPU:01", "CPU: 1", "CPU:1.0", "CPU:x", "CPU:\u0661"),
    ),
    *map(encoded, (f"CPU:{2**63}", f"CPU:{10**30}", "CPU:" + "9" * 5000, "CPU:1:1", "cpu:1", "CPU:1\n", "CPU:1_0")),
    *map(encoded, ("Nothing:1", "Statistics:1", "Query:1")),
]


async def test_malformed_global_id_is_rejected(resources: Resources) -> None:
    await add_cpu(resources, "One")
    for bad in BAD_IDS:
        for query in (CPU, NODE, JOB):
            code, message = await query_error(resources, query, id=bad)
            assert code == "BAD_USER_INPUT", (bad[:50], message)
            assert "id" in message
            assert len(message) < 200
    for other in ("Listing:1", "Job:1"):
        assert (await query_error(resources, CPU, id=encoded(other)))[0] == "BAD_USER_INPUT"
    assert (await query_error(resources, JOB, id=encoded("CPU:1")))[0] == "BAD_USER_INPUT"


async def test_nodes_of_every_type_keep_the_requested_order(resources: Resources) -> None:
    first = await add_cpu(resources, "One", [5, 6])
    second = await add_cpu(resources, "Two")
    page = await query_data(resources, "{ cpus { nodes { listings { nodes { id } } } } }")
    offers = [node["id"] for node in page["cpus"]["nodes"][0]["listings"]["nodes"]]
    one, two = encode_global_id("CPU", first), encode_global_id("CPU", second)
    assert (await query_data(resources, NODE, id=one))["node"] == {"id": one, "__typename": "CPU", "name": "One"}
    assert (await query_data(resources, NODE, id=offers[0]))["node"] == {"id": offers[0], "__typename": "Listing"}
    for name in ("CPU", "Listing", "Job"):
        assert (await query_data(resources, NODE, id=encode_global_id(name, 999)))["node"] is None
    ids = [two, offers[1], encode_global_id("Job", 999), one, offers[0], two, encode_global_id("CPU", 0)]
    nodes = (await query_data(resources, NODES, ids=ids))["nodes"]
    assert [node and node["id"] for node in nodes] == [two, offers[1], None, one, offers[0], two, None]
    assert [node["__typename"] for node in nodes if node] == ["CPU", "Listing", "CPU", "Listing", "CPU"]
    assert (await query_data(resources, NODES, ids=[]))["nodes"] == []
    message = (await query_error(resources, NODES, ids=[one] * 201))[1]
    assert message.startswith("`ids` takes at most 200 values, not 201")
    assert len((await query_data(resources, NODES, ids=[one] * 200))["nodes"]) == 200
    assert (await query_error(resources, NODES, ids=[one, "junk"]))[0] == "BAD_USER_INPUT"


async def test_better_than_is_100_minus_the_percentile(resources: Resources) -> None:
    shares = [("0", 100), ("0.1", 99.9), ("16.7", 83.3), ("33.3", 66.7), ("99.9", 0.1), ("100", 0), (None, None)]
    for number, (percentile, _) in enumerate(shares):
        value = None if percentile is None else Decimal(percentile)
        await add_cpu(resources, f"CPU {number}", value_percentile=value, value_percentile_single=value)
    query = "{ cpus { nodes { performanceValue { betterThan betterThanSingle } } } }"
    values = [node["performanceValue"] for node in (await query_data(resources, query))["cpus"]["nodes"]]
    assert values == [{"betterThan": rest, "betterThanSingle": rest} for _, rest in shares]
