"""The mutations that ask for a recalculation and for a verification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import strawberry

from app.analytics import sql
from app.core.errors import BadInput
from app.core.global_ids import decode_global_id, encode_global_id
from app.db.tables import JobKind
from app.graphql.context import Info
from app.graphql.permissions import IsAdmin
from app.job_queue.enqueue import request_job
from app.schema.jobs.types import Job

MAX_CPUS = 1000


@strawberry.type(description="A recalculation that was asked for.")
class RecalculateMetricsPayload:
    job: Job = strawberry.field(description="Where its progress and outcome can be followed.")


@strawberry.type(description="A verification that was asked for.")
class VerifyFiguresPayload:
    job: Job = strawberry.field(description="Where its progress and outcome can be followed.")


@strawberry.type
class AnalyticsMutation:
    @strawberry.mutation(
        description="Recalculates price targets and performance values in the background. Admins only. "
        "While such a job is queued, asking again returns that one.",
        permission_classes=[IsAdmin],
    )
    async def recalculate_metrics(
        self,
        info: Info,
        cpu_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description=f"Which CPUs, at most {MAX_CPUS}; null: all.")
        ] = None,
    ) -> RecalculateMetricsPayload:
        """Raises BadInput that names the ids that are none of a CPU."""
        async with info.context.write() as tx:
            keys = None if cpu_ids is None else _parse_cpu_ids(cpu_ids)
            if keys is not None:
                known = set(await sql.existing_cpus(tx, keys))
                if unknown := [encode_global_id("CPU", key) for key in keys if key not in known]:
                    raise _unknown_cpus_error(unknown)
            content = {} if keys is None else {"cpu_ids": keys}
            key = await request_job(tx, JobKind.RECALCULATE_METRICS, content, _requested_by(info))
        return RecalculateMetricsPayload(job=await _job(info, key))

    @strawberry.mutation(
        description="Compares all stored figures, and the statistics, with computed ones in the background; "
        "`consistency` tells what came of it. Admins only. While such a job is queued, asking again returns that one.",
        permission_classes=[IsAdmin],
    )
    async def verify_figures(
        self,
        info: Info,
        fix: Annotated[bool, strawberry.argument(description="Whether to repair what differs.")] = False,
    ) -> VerifyFiguresPayload:
        """With and without a repair are two kinds of work."""
        async with info.context.write() as tx:
            key = await request_job(tx, JobKind.VERIFY_FIGURES, {"fix": fix}, _requested_by(info))
        return VerifyFiguresPayload(job=await _job(info, key))


def _requested_by(info: Info) -> str:
    return info.context.viewer.subject or "unknown"


async def _job(info: Info, key: int) -> Job:
    job = await Job.load_node(info, key)
    assert job is not None
    return job


def _parse_cpu_ids(given: list[strawberry.ID]) -> list[int]:
    """The keys, ascending and once each: the same CPUs make the same job whatever their order."""
    if not given:
        raise BadInput("`cpuIds` is empty: leave it out to recalculate all CPUs.")
    if len(given) > MAX_CPUS:
        raise BadInput(f"`cpuIds` takes at most {MAX_CPUS} ids; leave it out to recalculate all CPUs.")
    parsed = {identifier: decode_global_id(identifier) for identifier in given}
    if wrong := [identifier for identifier, found in parsed.items() if found is None or found[0] != "CPU"]:
        raise _unknown_cpus_error(wrong)
    return sorted({found[1] for found in parsed.values() if found is not None})


def _unknown_cpus_error(identifiers: Sequence[str]) -> BadInput:
    shown = ", ".join(f'"{identifier[:60]}"' for identifier in identifiers[:20])
    more = f" and {len(identifiers) - 20} more" if len(identifiers) > 20 else ""
    return BadInput(f"No CPU has the id {shown}{more}.")
