"""What each kind of job does: the only list of them, used by worker and command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import structlog

from app.analytics import statistics_verification
from app.analytics.recalculation import Outcome, ids_of_slugs, may_drain, recalculate, recalculate_logged
from app.analytics.verification import Difference, Verified, record, verify
from app.core.errors import NotFound
from app.db.tables import JobKind
from app.db.transaction import Tx
from app.job_handlers.nightly_cleanup import Cleaned
from app.job_handlers.nightly_cleanup import clean_up as run_clean_up
from app.job_queue import runner
from app.resources import Resources
from app.valuation.revaluation import Revalued, bring_into_force, revalue

log = structlog.get_logger()


@dataclass(frozen=True)
class Verification:
    """What a verification found; as the outcome of a job, an item that was not right is one that failed.

    The items are the CPUs, and the statistics as one more.
    """

    figures: Verified
    statistics: list[str]
    fixed: bool

    @property
    def total(self) -> int:
        """Items compared."""
        return self.figures.total + 1

    @property
    def failed(self) -> int:
        """Items that were not right, before any repair."""
        return len({*self.figures.differing, *self.figures.failed}) + bool(self.statistics)

    @property
    def succeeded(self) -> int:
        """Items that were right."""
        return self.total - self.failed

    @property
    def left(self) -> int:
        """Items that are not right now."""
        return self.figures.left + (0 if self.fixed else bool(self.statistics))

    @property
    def differences(self) -> list[Difference]:
        """The items that were not right, CPUs by slug, the statistics last."""
        differing = [Difference(slug, columns) for slug, columns in self.figures.differing.items()]
        failed = [
            Difference(slug, [], reason)
            for slug, reason in self.figures.failed.items()
            if slug not in self.figures.differing
        ]
        whole = [Difference(None, self.statistics)] if self.statistics else []
        return [*sorted([*differing, *failed], key=lambda each: str(each.slug)), *whole]

    @property
    def consistency(self) -> float:
        """Percentage of items that were right; 100 only if all were."""
        return floor(10_000 * self.succeeded / self.total) / 100

    def shown(self) -> dict[str, Any]:
        """For the command line."""
        return {
            "total": self.total,
            "consistent": self.succeeded,
            "consistency": self.consistency,
            "cpus": self.figures.differing,
            "failed": self.figures.failed,
            "statistics": self.statistics,
            "left": self.left,
        }


async def run(resources: Resources, kind: JobKind, job_id: int) -> runner.Outcome | None:
    """Runs a job that was asked for; see `runner.run`."""
    return await runner.run(resources, job_id, performer(resources, kind))


async def run_now(resources: Resources, kind: JobKind, content: dict[str, Any]) -> runner.Outcome:
    """Runs work at once, in the foreground; see `runner.run_now`."""
    return await runner.run_now(resources, kind, content, performer(resources, kind))


async def cpu_ids(resources: Resources, slugs: Sequence[str]) -> list[int]:
    """The ids of these CPUs, ascending. Raises NotFound that names the slugs of none."""
    async with resources.read() as session:
        found = await ids_of_slugs(session, slugs)
    if unknown := [slug for slug in slugs if slug not in found]:
        raise NotFound(f"No CPU has the slug {', '.join(unknown)}.")
    return sorted(found.values())


async def drain(resources: Resources) -> bool | None:
    """Recalculates what the change log names, in one transaction with its deletion. None when there is nothing in it,
    False when somebody else is writing CPUs now: ask again."""
    async with resources.write() as tx:
        free = await may_drain(tx)
        outcome = await recalculate_logged(tx, resources.settings.recalculation_batch_size) if free else None
    if outcome is not None:
        log.info("changes.recalculated", total=outcome.total, failed=outcome.failed, written=outcome.written)
    return free


async def apply_due_rules(resources: Resources) -> None:
    """Has the listings valued by the rules whose time has come since this was last called."""
    async with resources.write() as tx:
        await bring_into_force(tx)


def performer(resources: Resources, kind: JobKind) -> runner.Perform:
    """The work of this kind of job."""

    async def recalculate_metrics(tx: Tx, job_id: int, content: dict[str, Any], progress: runner.Progress) -> Outcome:
        batch_size = resources.settings.recalculation_batch_size
        with structlog.contextvars.bound_contextvars(correlation_id=job_id):
            return await recalculate(tx, job_id, content.get("cpu_ids"), batch_size, progress)

    async def verify_figures(tx: Tx, job_id: int, content: dict[str, Any], progress: runner.Progress) -> Verification:
        fix = bool(content.get("fix"))
        figures = await verify(tx, job_id, resources.settings.recalculation_batch_size, progress, fix=fix)
        found = Verification(figures, await statistics_verification.verify(tx, fix=fix), fix)
        await record(
            tx,
            total=found.total,
            consistent=found.succeeded,
            left=found.left,
            fixed=fix,
            differences=found.differences,
        )
        _tell(found)
        return found

    async def clean_up(_tx: Tx, _job_id: int, _content: dict[str, Any], progress: runner.Progress) -> Cleaned:
        return await run_clean_up(resources, progress)

    async def revalue_listings(_tx: Tx, _id: int, content: dict[str, Any], progress: runner.Progress) -> Revalued:
        return await revalue(resources, content, progress)

    performers: dict[JobKind, runner.Perform] = {
        JobKind.RECALCULATE_METRICS: recalculate_metrics,
        JobKind.VERIFY_FIGURES: verify_figures,
        JobKind.CLEAN_UP: clean_up,
        JobKind.REVALUE_LISTINGS: revalue_listings,
    }
    return performers[kind]


def _tell(found: Verification) -> None:
    for slug, columns in found.figures.differing.items():
        log.warning("verify.differs", cpu=slug, columns=columns)
    for slug, reason in found.figures.failed.items():
        log.warning("verify.failed", cpu=slug, reason=reason)
    if found.statistics:
        log.warning("verify.statistics_differ", columns=found.statistics)
    tell = log.error if found.failed else log.info
    tell("verify.complete", total=found.total, failed=found.failed, consistency=found.consistency, left=found.left)
