"""Verification: compares stored figures and statistics with computed ones, and repairs them on request."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any

import structlog

from app.analytics import statistics_verification
from app.analytics.verification import Difference, VerificationResult, save_verification, verify
from app.db.tables import JobKind
from app.job_handlers.registry import job_handler
from app.job_queue.runner import JobRun

log = structlog.get_logger()


@dataclass(frozen=True)
class VerificationReport:
    """Result of a verification. Its items are the CPUs and, as one more item, the statistics.

    `figures`: the result for the CPUs. `statistics`: the columns of the statistics that differed.
    """

    figures: VerificationResult
    statistics: list[str]
    fixed: bool

    @property
    def total(self) -> int:
        """Number of compared items."""
        return self.figures.total + 1

    @property
    def failed(self) -> int:
        """Number of incorrect items, before any repair."""
        return len({*self.figures.differing, *self.figures.failed}) + bool(self.statistics)

    @property
    def succeeded(self) -> int:
        """Number of correct items."""
        return self.total - self.failed

    @property
    def remaining(self) -> int:
        """Number of items that are still incorrect after the repair."""
        return self.figures.remaining + (0 if self.fixed else bool(self.statistics))

    @property
    def differences(self) -> list[Difference]:
        """Incorrect items: CPUs by slug, then the statistics."""
        differing = [Difference(slug, columns) for slug, columns in self.figures.differing.items()]
        failed = [
            Difference(slug, [], reason)
            for slug, reason in self.figures.failed.items()
            if slug not in self.figures.differing
        ]
        statistics = [Difference(None, self.statistics)] if self.statistics else []
        return [*sorted([*differing, *failed], key=lambda difference: str(difference.slug)), *statistics]

    @property
    def consistency(self) -> float:
        """Percentage of correct items, rounded down to two decimals, so that 100 means all."""
        return floor(10_000 * self.succeeded / self.total) / 100

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the command line prints it."""
        return {
            "total": self.total,
            "consistent": self.succeeded,
            "consistency": self.consistency,
            "cpus": self.figures.differing,
            "failed": self.figures.failed,
            "statistics": self.statistics,
            "left": self.remaining,
        }


@job_handler(JobKind.VERIFY_FIGURES)
async def verify_figures(run: JobRun) -> VerificationReport:
    """Verify all CPUs and the statistics; repair them if the input's `fix` is true."""
    fix = bool(run.input.get("fix"))
    batch_size = run.resources.settings.recalculation_batch_size
    figures = await verify(run.tx, run.job_id, batch_size, run.report_progress, fix=fix)
    report = VerificationReport(figures, await statistics_verification.verify(run.tx, fix=fix), fix)
    await save_verification(
        run.tx,
        total=report.total,
        consistent=report.succeeded,
        remaining=report.remaining,
        fixed=fix,
        differences=report.differences,
    )
    _log_report(report)
    return report


def _log_report(report: VerificationReport) -> None:
    for slug, columns in report.figures.differing.items():
        log.warning("verify.differs", cpu=slug, columns=columns)
    for slug, reason in report.figures.failed.items():
        log.warning("verify.failed", cpu=slug, reason=reason)
    if report.statistics:
        log.warning("verify.statistics_differ", columns=report.statistics)
    log_summary = log.error if report.failed else log.info
    log_summary(
        "verify.complete",
        total=report.total,
        failed=report.failed,
        consistency=report.consistency,
        left=report.remaining,
    )
