"""All tables, and the enumerations of their text columns.

These are tables of SQLAlchemy Core, without ORM entities, so no attribute access runs a hidden statement. Money is
NUMERIC, times are timezone-aware, and enumerations are text with a CHECK, so that adding a value is one migration.
Triggers and functions are in app/db/functions.
"""

from app.db.tables.analytics import (
    data_change_log,
    figure_history,
    last_verification,
    recalculation_failure,
    recalculation_watermark,
)
from app.db.tables.base import Money, Timestamp, is_amount, metadata, not_negative, one_of
from app.db.tables.catalog import DISPLAY_EXPRESSIONS, MIN_SAMPLE_SIZE_BY_CONFIDENCE, ValueRating, cpu
from app.db.tables.documents import document, document_client, document_use
from app.db.tables.events import outbox, price_change, price_change_horizon, webhook
from app.db.tables.ingestion import (
    FINAL_IMPORT_STATUSES,
    ImportPriority,
    ImportSource,
    ImportStatus,
    import_fetch,
    import_host,
    import_payload,
    import_row,
    import_session,
)
from app.db.tables.market import Condition, ListingFlag, ListingStatus, OfferState, listing, price_observation
from app.db.tables.statistics import cpu_statistics, listing_statistics
from app.db.tables.valuation import Component, RuleUnit, exchange_rate, valuation_rule
from app.db.tables.versions import Domain, data_version
from app.db.tables.work import JobKind, JobStatus, job

__all__ = [
    "DISPLAY_EXPRESSIONS",
    "FINAL_IMPORT_STATUSES",
    "MIN_SAMPLE_SIZE_BY_CONFIDENCE",
    "Component",
    "Condition",
    "Domain",
    "ImportPriority",
    "ImportSource",
    "ImportStatus",
    "JobKind",
    "JobStatus",
    "ListingFlag",
    "ListingStatus",
    "Money",
    "OfferState",
    "RuleUnit",
    "Timestamp",
    "ValueRating",
    "cpu",
    "cpu_statistics",
    "data_change_log",
    "data_version",
    "document",
    "document_client",
    "document_use",
    "exchange_rate",
    "figure_history",
    "import_fetch",
    "import_host",
    "import_payload",
    "import_row",
    "import_session",
    "is_amount",
    "job",
    "last_verification",
    "listing",
    "listing_statistics",
    "metadata",
    "not_negative",
    "one_of",
    "outbox",
    "price_change",
    "price_change_horizon",
    "price_observation",
    "recalculation_failure",
    "recalculation_watermark",
    "valuation_rule",
    "webhook",
]
