"""How much is stored of what grows."""

from __future__ import annotations

from sqlalchemy import text

from app.core.metrics import STORED_BYTES
from app.db.session import Session

# Tables that grow with time, beside the catalogue and the listings themselves.
TABLES = (
    "price_observation", "figure_history", "price_change", "outbox", "data_change_log", "job", "import_payload",
    "import_session", "import_row", "import_fetch",
)  # fmt: skip

# With indexes and TOAST; of a partitioned table all partitions, which it has itself nothing of.
BYTES = text(
    """
    SELECT name, (pg_total_relation_size(root) + coalesce(partitions, 0))::bigint AS bytes
    FROM unnest(CAST(:tables AS text[])) AS t (name)
    CROSS JOIN LATERAL CAST(name AS regclass) AS root
    CROSS JOIN LATERAL (
        SELECT sum(pg_total_relation_size(relid)) AS partitions FROM pg_partition_tree(root) WHERE relid <> root
    ) AS tree
    """
)


async def measure(session: Session) -> None:
    """Sets the metric; PostgreSQL looks at the sizes of files, not into them."""
    for row in await session.rows(BYTES, {"tables": list(TABLES)}):
        STORED_BYTES.labels(row.name).set(row.bytes)
