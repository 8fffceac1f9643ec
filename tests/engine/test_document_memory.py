"""Estimate of the memory of documents."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from app.documents.registry import builtin_documents
from app.engine.compiler.compiler import MAX_PLAN_FIELDS, MAX_VARIANT_FIELDS, Plan
from app.engine.document import Document, prepare_document
from tests.support.schema_execution import GRAPHQL_SCHEMA

LISTS = " ".join(f"a{number}: cpus(first: $n) {{ nodes {{ id name slug socket }} }}" for number in range(45))
SPREADS = " ".join(f"a{number}: cpu(slug: $s) {{ ...Details }}" for number in range(20))
DETAILS = "fragment Details on CPU { id name slug socket cores threads listings(first: 5) { nodes { id title url } } }"
CONDITIONS = " ".join(f"... @include(if: $c{number}) {{ id name slug socket cores threads }}" for number in range(8))
VARIABLES = " ".join(f"$c{number}: Boolean!" for number in range(8))

DOCUMENTS = {
    "tiny": "{ __typename }",
    "comment": "{ __typename } # " + "\N{GRINNING FACE}" * 30_000,
    "list": builtin_documents()["CpuList"],
    "detail": builtin_documents()["CpuDetail"],
    "lists": f"query ($n: Int) {{ {LISTS} }}",
    "fragments": f"query ($s: String!) {{ {SPREADS} }} {DETAILS}",
    "conditions": f"query ({VARIABLES}) {{ cpus {{ nodes {{ {CONDITIONS} }} }} }}",
    "operations": " ".join(f"query Q{n}($n: Int) {{ cpus(first: $n) {{ totalCount }} }}" for n in range(45)),
}


def prepare(text: str) -> Document:
    """Prepare a document, and compile all plans that its variables allow."""
    document = prepare_document(GRAPHQL_SCHEMA, "x", text, ad_hoc=True)
    for operation in document.operations.values():
        plan = operation.plan
        assert isinstance(plan, Plan)
        for number in range(2 ** len(plan.conditions)):
            plan.variant(tuple(bool(number >> bit & 1) for bit in range(len(plan.conditions))))
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_estimate_is_near_the_measured_memory(name: str) -> None:
    prepare(DOCUMENTS[name])  # fills caches that all documents share
    gc.collect()
    tracemalloc.start()
    try:
        document = prepare(DOCUMENTS[name] + " ")
        gc.collect()
        measured, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.7 * measured <= document.memory_bytes <= 4 * measured + 100_000


@pytest.mark.parametrize(("aliases", "reason"), [(10, None), (50, f"more than {MAX_PLAN_FIELDS} fields")])
def test_plan_with_too_many_fields_is_not_compiled(aliases: int, reason: str | None) -> None:
    spreads = " ".join(f"a{number}: cpu(slug: $s) {{ ...Details }}" for number in range(aliases))
    listing = "id title url price condition seller"
    details = f"fragment Details on CPU {{ id name slug socket cores threads listings {{ nodes {{ {listing} }} }}"
    details += " similar { id name slug socket cores threads listings { nodes { id title url } } } }"
    document = prepare_document(GRAPHQL_SCHEMA, "x", f"query ($s: String!) {{ {spreads} }} {details}", ad_hoc=True)
    (operation,) = document.operations.values()
    assert operation.not_compiled_reason == reason


def test_variants_are_limited_by_their_fields() -> None:
    document = prepare(DOCUMENTS["conditions"])
    (operation,) = document.operations.values()
    plan = operation.plan
    assert isinstance(plan, Plan)
    assert plan._field_count() <= MAX_VARIANT_FIELDS
