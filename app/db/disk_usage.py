"""Disk usage of the tables that grow."""

from __future__ import annotations

from sqlalchemy import text

from app.core.metrics import TABLE_SIZE
from app.db.session import Session

# Tables that grow with time. The catalogue and the listings grow with the market instead.
GROWING_TABLES = (
    "price_observation", "figure_history", "price_change", "outbox", "data_change_log", "job", "import_payload",
    "import_session", "import_row", "import_fetch",
)  # fmt: skip

# With indexes and TOAST. A partitioned table itself has no storage, so its partitions are added.
TABLE_SIZES = text(
    """
    SELECT name, (pg_total_relation_size(root) + coalesce(partitions, 0))::bigint AS bytes
    FROM unnest(CAST(:tables AS text[])) AS t (name)
    CROSS JOIN LATERAL CAST(name AS regclass) AS root
    CROSS JOIN LATERAL (
        SELECT sum(pg_total_relation_size(relid)) AS partitions FROM pg_partition_tree(root) WHERE relid <> root
    ) AS tree
    """
)


async def measure_disk_usage(session: Session) -> None:
    """Set the metric of table sizes. Cheap: PostgreSQL reads the sizes of files, not their content."""
    for row in await session.rows(TABLE_SIZES, {"tables": list(GROWING_TABLES)}):
        TABLE_SIZE.labels(row.name).set(row.bytes)
