"""Mutations that request a recalculation or a verification of figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import strawberry

from app.analytics import sql
from app.core.errors import BadInput
from app.core.global_ids import decode_global_id, encode_global_id
from app.db.tables import JobKind
from app.graphql.context import Info
from app.graphql.input_limits import at_most
from app.graphql.permissions import IsAdmin
from app.job_queue.enqueue import request_job
from app.schema.jobs.types import Job

MAX_CPUS = 1000


@strawberry.type(description="The requested recalculation.")
class RecalculateMetricsPayload:
    job: Job = strawberry.field(description="The job that recalculates, with its progress and result.")


@strawberry.type(description="The requested verification.")
class VerifyFiguresPayload:
    job: Job = strawberry.field(description="The job that verifies, with its progress and result.")


@strawberry.type
class AnalyticsMutation:
    @strawberry.mutation(
        description="Request a recalculation of price targets and performance values in the background; if the same "
        "recalculation is queued already, its job is returned. Admins only.",
        permission_classes=[IsAdmin],
    )
    async def recalculate_metrics(
        self,
        info: Info,
        cpu_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description="Global ids of the CPUs to recalculate; null stands for all CPUs.",
                metadata=at_most(values=MAX_CPUS),
            ),
        ] = None,
    ) -> RecalculateMetricsPayload:
        """Request the job. Raises BadInput that names the ids without a CPU."""
        async with info.context.write() as tx:
            keys = None if cpu_ids is None else _parse_cpu_ids(cpu_ids)
            if keys is not None:
                existing = set(await sql.existing_cpus(tx, keys))
                if unknown := [encode_global_id("CPU", key) for key in keys if key not in existing]:
                    raise _unknown_cpus_error(unknown)
            content = {} if keys is None else {"cpu_ids": keys}
            key = await request_job(tx, JobKind.RECALCULATE_METRICS, content, info.context.viewer.requested_by)
        return RecalculateMetricsPayload(job=await _load_job(info, key))

    @strawberry.mutation(
        description="Request a comparison of all stored figures and statistics with computed ones in the background; "
        "`consistency` returns the result. If the same verification is queued already, its job is returned. "
        "Admins only.",
        permission_classes=[IsAdmin],
    )
    async def verify_figures(
        self,
        info: Info,
        fix: Annotated[bool, strawberry.argument(description="Whether to repair differences; default false.")] = False,
    ) -> VerifyFiguresPayload:
        """Request the job. Verifications with and without repair are different jobs."""
        async with info.context.write() as tx:
            key = await request_job(tx, JobKind.VERIFY_FIGURES, {"fix": fix}, info.context.viewer.requested_by)
        return VerifyFiguresPayload(job=await _load_job(info, key))


async def _load_job(info: Info, key: int) -> Job:
    job = await Job.load_node(info, key)
    assert job is not None
    return job


def _parse_cpu_ids(ids: list[strawberry.ID]) -> list[int]:
    """Return the keys in ascending order without repetitions, so that the same CPUs result in the same job.

    Raises BadInput for an empty list, and for ids of other types.
    """
    if not ids:
        raise BadInput("`cpuIds` is empty: leave it out to recalculate all CPUs.")
    decoded = {identifier: decode_global_id(identifier) for identifier in ids}
    if invalid := [identifier for identifier, node in decoded.items() if node is None or node[0] != "CPU"]:
        raise _unknown_cpus_error(invalid)
    return sorted({node[1] for node in decoded.values() if node is not None})


def _unknown_cpus_error(identifiers: Sequence[str]) -> BadInput:
    shown = ", ".join(f'"{identifier[:60]}"' for identifier in identifiers[:20])
    more = f" and {len(identifiers) - 20} more" if len(identifiers) > 20 else ""
    return BadInput(f"No CPU has the id {shown}{more}.")
