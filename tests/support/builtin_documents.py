"""The built-in documents with variables and expected costs."""

from __future__ import annotations

from typing import Any

from graphql import OperationType

from app.core.global_ids import encode_global_id
from app.db.tables import Domain
from app.documents.registry import builtin_documents
from app.engine.document import Document, content_id, prepare_document
from app.graphql.viewer import Role, Viewer
from tests.support.schema_execution import GRAPHQL_SCHEMA

CATALOG_DOMAINS = {Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET}
NODE_DOMAINS = {*CATALOG_DOMAINS, Domain.WORK, Domain.EVENTS}
# Name -> variables for n CPUs, number of statements, domains, whether the response is time-dependent.
BUILTIN_QUERIES: dict[str, tuple[Any, int, set[Domain], bool]] = {
    "CpuList": (lambda n: {"first": n, "orderBy": [{"field": "PERCENTILE"}]}, 1, CATALOG_DOMAINS, False),
    "CpuDetail": (lambda n: {"slug": f"cpu-{n}"}, 1, CATALOG_DOMAINS, True),
    "CpuPriceHistory": (lambda n: {"slug": f"cpu-{n}"}, 3, CATALOG_DOMAINS, True),
    "CpuCompare": (lambda n: {"ids": [encode_global_id("CPU", k + 1) for k in range(n)]}, 1, NODE_DOMAINS, False),
    "Statistics": (lambda n: {}, 1, CATALOG_DOMAINS, False),
    "NameSearch": (lambda n: {"search": "cpu", "first": n}, 1, CATALOG_DOMAINS, False),
    "PriceChanges": (lambda n: {"first": n}, 3, {*CATALOG_DOMAINS, Domain.EVENTS}, False),
    "ImportSession": (
        lambda n: {"id": encode_global_id("ImportSession", 1), "first": n},
        *(4, {*CATALOG_DOMAINS, Domain.WORK}, False),
    ),
    "JobStatus": (lambda n: {"id": encode_global_id("Job", n)}, 1, {Domain.WORK}, False),
}
OPERATOR = Viewer("tester", Role.OPERATOR)
SUBSCRIPTION = OperationType.SUBSCRIPTION
OTHER_BUILTIN_DOCUMENTS = {
    **dict.fromkeys(("RecalculateMetrics", "IngestUrl", "IngestBulk"), OperationType.MUTATION),
    **dict.fromkeys(("JobProgress", "PriceChanged", "ImportProgress"), SUBSCRIPTION),
}


def load_builtin_document(name: str) -> Document:
    text = builtin_documents()[name]
    return prepare_document(GRAPHQL_SCHEMA, content_id(text), text)
