"""Mutations that request a recalculation or a verification: permissions and effects."""

from __future__ import annotations

from redis.asyncio import Redis
from sqlalchemy import text

from app.core.global_ids import encode_global_id
from app.graphql.viewer import Role
from app.resources import Resources
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.queue_worker import run_queued_jobs

RECALCULATE = "mutation ($cpuIds: [ID!]) { recalculateMetrics(cpuIds: $cpuIds) { job { id kind status total done } } }"

VERIFY = "mutation ($fix: Boolean! = false) { verifyFigures(fix: $fix) { job { id kind status } } }"


async def count_jobs_and_messages(resources: Resources) -> tuple[int, int]:
    """Return the numbers of jobs in the database and of messages in Redis."""
    async with resources.read() as session:
        jobs = int(await session.scalar(text("SELECT count(*) FROM job")))
    redis = Redis.from_url(resources.settings.required_redis_url)
    keys = len(await redis.keys("*"))
    await redis.aclose()
    return jobs, keys


async def test_recalculate_metrics_requires_admin(api: ApiClient, resources: Resources) -> None:
    key = await add_cpu(resources, "CPU", [1, 2])
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN"), (Role.OPERATOR, "FORBIDDEN")):
        for ids in (None, [encode_global_id("CPU", key)], ["junk"]):
            actual, message = await api.error(RECALCULATE, role, cpuIds=ids)
            assert (actual, message.startswith("This field requires the role admin")) == (code, True)
    assert await count_jobs_and_messages(resources) == (0, 0)
    job = (await api.data(RECALCULATE, Role.ADMIN))["recalculateMetrics"]["job"]
    assert {**job, "id": ""} == {"id": "", "kind": "RECALCULATE_METRICS", "status": "QUEUED", "total": None, "done": 0}
    assert (await count_jobs_and_messages(resources))[0] == 1
    await run_queued_jobs(resources)
    done = await api.data("query ($id: ID!) { job(id: $id) { status succeeded failed } }", id=job["id"])
    assert done["job"] == {"status": "SUCCEEDED", "succeeded": 1, "failed": 0}
    assert (await api.data("{ cpus { nodes { priceTarget { good } } } }"))["cpus"]["nodes"] == [
        {"priceTarget": {"good": 1.5}}
    ]


async def test_recalculate_metrics_while_queued_returns_same_job(api: ApiClient, resources: Resources) -> None:
    ids = [encode_global_id("CPU", await add_cpu(resources, f"CPU {n}")) for n in range(3)]

    async def ask(*chosen: str) -> str:
        arguments = {"cpuIds": list(chosen)} if chosen else {}
        return str((await api.data(RECALCULATE, Role.ADMIN, **arguments))["recalculateMetrics"]["job"]["id"])

    some = await ask(ids[0], ids[1])
    assert await ask(ids[1], ids[0], ids[1]) == some, "the same CPUs in any order"
    others = await ask(ids[2])
    whole = await ask()
    assert len({some, others, whole}) == 3
    assert await ask() == whole
    assert await ask(ids[2], ids[0]) == whole, "a queued recalculation of all covers any other"
    await run_queued_jobs(resources)
    assert await ask() != whole, "it is no longer queued"
    await run_queued_jobs(resources)


async def test_recalculate_metrics_with_unknown_cpus_is_rejected(api: ApiClient, resources: Resources) -> None:
    known = encode_global_id("CPU", await add_cpu(resources, "CPU"))
    unknown = [encode_global_id("CPU", 404), encode_global_id("CPU", 405)]
    for wrong in (unknown, ["junk"], [encode_global_id("Job", 1)], ["\0", "💥"]):
        code, message = await api.error(RECALCULATE, Role.ADMIN, cpuIds=[known, *wrong])
        named = ", ".join(f'"{identifier}"' for identifier in wrong)
        assert (code, message) == ("BAD_USER_INPUT", f"No CPU has the id {named}.")
    assert (await api.error(RECALCULATE, Role.ADMIN, cpuIds=[]))[1].startswith("`cpuIds` is empty")
    assert (await api.error(RECALCULATE, Role.ADMIN, cpuIds=[known] * 1001))[1].startswith(
        "`cpuIds` takes at most 1,000 values, not 1,001"
    )
    message = (await api.error(RECALCULATE, Role.ADMIN, cpuIds=[encode_global_id("CPU", n) for n in range(900, 950)]))[
        1
    ]
    assert message.endswith("and 30 more.")
    assert await count_jobs_and_messages(resources) == (0, 0)


async def test_verify_figures_requires_admin(api: ApiClient, resources: Resources) -> None:
    await add_cpu(resources, "CPU", [1, 2])
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN"), (Role.OPERATOR, "FORBIDDEN")):
        actual, message = await api.error(VERIFY, role)
        assert (actual, message.startswith("This field requires the role admin")) == (code, True)
    assert await count_jobs_and_messages(resources) == (0, 0)
    looks, repairs, again = [
        (await api.data(VERIFY, Role.ADMIN, **arguments))["verifyFigures"]["job"]
        for arguments in ({}, {"fix": True}, {"fix": False})
    ]
    assert looks == again != repairs, "a verification without repair is another job"
    assert {**looks, "id": ""} == {"id": "", "kind": "VERIFY_FIGURES", "status": "QUEUED"}
    async with resources.write() as tx:
        await tx.execute(text("DELETE FROM data_change_log"))
        await tx.execute(text("UPDATE cpu SET price_good = 5"))
        await tx.execute(text("DELETE FROM data_change_log"))
    await run_queued_jobs(resources)
    done = "query ($id: ID!) { job(id: $id) { status total succeeded failed } }"
    looked, repaired = [(await api.data(done, id=job["id"]))["job"] for job in (looks, repairs)]
    assert repaired == {"status": "SUCCEEDED", "total": 2, "succeeded": 1, "failed": 1}
    # Independent of the order of the jobs, nothing is inconsistent after the repair.
    assert looked in (repaired, {"status": "SUCCEEDED", "total": 2, "succeeded": 2, "failed": 0})
    assert (await api.data("{ cpus { nodes { priceTarget { good } } } }"))["cpus"]["nodes"] == [
        {"priceTarget": {"good": 1.5}}
    ]
