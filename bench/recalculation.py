"""A full recalculation with 1 % of the CPUs changed, beside the one statement that nobody can do without."""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median

from sqlalchemy import text

from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import filled_database

# Listings, and how many times the bare statement a recalculation may take.
TARGETS = {50_000: 6.0, 1_000_000: 3.0, 5_000_000: 1.3}
ROUNDS = 9

BARE = text(
    """
    SELECT cpu_id, avg(adjusted_price), stddev_samp(adjusted_price), count(*)
    FROM listing
    WHERE status = 'active' AND adjusted_price > 0
    GROUP BY cpu_id
    """
)
# One listing each of every hundredth CPU, other CPUs in every round.
CHANGE = text(
    """
    UPDATE listing SET adjusted_price = adjusted_price * 1.07
    WHERE id IN (SELECT min(id) FROM listing WHERE status = 'active' AND cpu_id % 100 = :round GROUP BY cpu_id)
    """
)


def main() -> None:
    """Prints medians and ratios; `--quick` leaves out the large sizes."""
    for listings, target in TARGETS.items():
        if listings > 50_000 and "--quick" in sys.argv:
            continue
        with filled_database(listings) as settings:
            asyncio.run(compare(settings, target))


async def compare(settings: Settings, target: float) -> None:
    """Interleaves both, so that whatever else the machine does falls on both alike."""
    async with Resources.open(settings) as resources:
        first, written = await recalculation(resources)
        print(f"  first recalculation, {written:,} rows written: {first * 1000:.0f} ms")
        rounds = [await one_round(resources, number) for number in range(ROUNDS)]
    bare, again, changed = (median(each[place] for each in rounds) * 1000 for place in range(3))
    ratio = median(each[2] / each[0] for each in rounds)
    print(f"  bare statement                 {bare:8.1f} ms  (medians of {ROUNDS} rounds)")
    print(f"  recalculation, nothing changed {again:8.1f} ms")
    print(f"  recalculation, 1 % changed     {changed:8.1f} ms, {rounds[-1][3]:,} rows written")
    verdict = "within" if ratio <= target else "MISSES"
    print(f"  {ratio:.2f} x the bare statement; {verdict} the target of {target}", flush=True)


async def one_round(resources: Resources, number: int) -> tuple[float, float, float, int]:
    """Seconds of the bare statement, of a recalculation with nothing and with 1 % changed; rows written by the last."""
    again, _ = await recalculation(resources)
    async with resources.write() as tx:
        await tx.execute(CHANGE, {"round": number})
    bare = await bare_statement(resources)
    changed, written = await recalculation(resources)
    return bare, again, changed, written


async def bare_statement(resources: Resources) -> float:
    """Seconds."""
    start = time.perf_counter()
    async with resources.read() as session:
        await session.rows(BARE)
    return time.perf_counter() - start


async def recalculation(resources: Resources) -> tuple[float, int]:
    """Seconds, and rows written. As `dealmark recalculate` does it: with its job row, its commit and its news."""
    start = time.perf_counter()
    outcome = await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    seconds = time.perf_counter() - start
    assert outcome.failed == 0
    return seconds, getattr(outcome, "written", 0)
