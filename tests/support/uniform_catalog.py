"""A catalogue of identical CPUs of any size."""

from __future__ import annotations

from sqlalchemy import text

from app.resources import Resources


async def add_uniform_cpus(resources: Resources, cpus: int, offers: int) -> None:
    """Insert CPUs, all with the same number of listings."""
    async with resources.write() as tx:
        await tx.execute(
            text(
                "INSERT INTO cpu (name, slug, manufacturer, cores, cpu_mark_multi) "
                "SELECT 'CPU ' || lpad(n::text, 6, '0'), 'cpu-' || n, 'Maker', n % 64, n FROM generate_series(1, :n) n"
            ),
            {"n": cpus},
        )
        await tx.execute(
            text(
                "INSERT INTO listing (cpu_id, title, marketplace, condition, status, price, adjusted_price, offer_key, "
                "seen_at) SELECT id, 'L', 'test', 'used', CASE WHEN n % 4 = 0 THEN 'sold' ELSE 'active' END, n, n, "
                "int8send(id * 1000 + n), now() FROM cpu, generate_series(1, :n) n"
            ),
            {"n": offers},
        )
