"""The mutation that asks for a recalculation."""

from __future__ import annotations

from typing import Annotated

import strawberry

from app.analytics import sql
from app.context import Context
from app.errors import BadInput
from app.permissions import IsAdmin
from app.relay import global_id, parse_id
from app.tables import JobKind
from app.work.jobs import request_job
from app.work.types import Job

Info = strawberry.Info[Context, None]

MAX_CPUS = 1000


@strawberry.type(description="A recalculation that was asked for.")
class RecalculateMetricsPayload:
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
            keys = None if cpu_ids is None else _keys(cpu_ids)
            if keys is not None:
                known = set(await sql.known_cpus(tx, keys))
                if unknown := [global_id("CPU", key) for key in keys if key not in known]:
                    raise _unknown(list(unknown))
            content = {} if keys is None else {"cpu_ids": keys}
            requested_by = info.context.viewer.subject or "unknown"
            key = await request_job(tx, JobKind.RECALCULATE_METRICS, content, requested_by)
        job = await Job.load_node(info, key)
        assert job is not None
        return RecalculateMetricsPayload(job=job)


def _keys(given: list[strawberry.ID]) -> list[int]:
    """The keys, ascending and once each: the same CPUs make the same job whatever their order."""
    if not given:
        raise BadInput("`cpuIds` is empty: leave it out to recalculate all CPUs.")
    if len(given) > MAX_CPUS:
        raise BadInput(f"`cpuIds` takes at most {MAX_CPUS} ids; leave it out to recalculate all CPUs.")
    parsed = {identifier: parse_id(identifier) for identifier in given}
    if wrong := [identifier for identifier, found in parsed.items() if found is None or found[0] != "CPU"]:
        raise _unknown(wrong)
    return sorted({found[1] for found in parsed.values() if found is not None})


def _unknown(identifiers: list[strawberry.ID]) -> BadInput:
    shown = ", ".join(f'"{identifier[:60]}"' for identifier in identifiers[:20])
    more = f" and {len(identifiers) - 20} more" if len(identifiers) > 20 else ""
    return BadInput(f"No CPU has the id {shown}{more}.")
