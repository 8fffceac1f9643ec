"""A full recalculation with 1 % of the CPUs changed, compared with the aggregation that any solution needs."""

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

# By the number of listings: the target, as a multiple of the time of the bare statement.
TARGETS = {50_000: 6.0, 1_000_000: 3.0, 5_000_000: 1.3}
ROUNDS = 9

BARE_STATEMENT = text(
    """
    SELECT cpu_id, avg(adjusted_price), stddev_samp(adjusted_price), count(*)
    FROM listing
    WHERE status = 'active' AND adjusted_price > 0
    GROUP BY cpu_id
    """
)
# Changes one listing of every hundredth CPU, of other CPUs in every round.
CHANGE_PRICES = text(
    """
    UPDATE listing SET adjusted_price = adjusted_price * 1.07
    WHERE id IN (SELECT min(id) FROM listing WHERE status = 'active' AND cpu_id % 100 = :round GROUP BY cpu_id)
    """
)


def main() -> None:
    """Print medians and ratios. With `--quick`, skip the large sizes."""
    for listings, target in TARGETS.items():
        if listings > 50_000 and "--quick" in sys.argv:
            continue
        with filled_database(listings) as settings:
            asyncio.run(compare(settings, target))


async def compare(settings: Settings, target: float) -> None:
    """Run both in turn, so that other load affects both equally."""
    async with Resources.open(settings) as resources:
        first, written = await time_recalculation(resources)
        print(f"  first recalculation, {written:,} rows written: {first * 1000:.0f} ms")
        rounds = [await run_round(resources, number) for number in range(ROUNDS)]
    bare, unchanged, changed = (median(each[index] for each in rounds) * 1000 for index in range(3))
    ratio = median(each[2] / each[0] for each in rounds)
    print(f"  bare statement                 {bare:8.1f} ms  (medians of {ROUNDS} rounds)")
    print(f"  recalculation, nothing changed {unchanged:8.1f} ms")
    print(f"  recalculation, 1 % changed     {changed:8.1f} ms, {rounds[-1][3]:,} rows written")
    verdict = "within" if ratio <= target else "MISSES"
    print(f"  {ratio:.2f} x the bare statement; {verdict} the target of {target}", flush=True)


async def run_round(resources: Resources, number: int) -> tuple[float, float, float, int]:
    """Return the seconds of the bare statement and of recalculations with 0 % and 1 % changed, and the rows written."""
    unchanged, _ = await time_recalculation(resources)
    async with resources.write() as tx:
        await tx.execute(CHANGE_PRICES, {"round": number})
    bare = await time_bare_statement(resources)
    changed, written = await time_recalculation(resources)
    return bare, unchanged, changed, written


async def time_bare_statement(resources: Resources) -> float:
    """Return the seconds of the bare statement."""
    start = time.perf_counter()
    async with resources.read() as session:
        await session.rows(BARE_STATEMENT)
    return time.perf_counter() - start


async def time_recalculation(resources: Resources) -> tuple[float, int]:
    """Recalculate as `dealmark recalculate` does, with job row and notification. Return seconds and rows written."""
    start = time.perf_counter()
    outcome = await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    seconds = time.perf_counter() - start
    assert outcome.failed == 0
    return seconds, getattr(outcome, "written", 0)
