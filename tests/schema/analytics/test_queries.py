"""The query `consistency`: the result of the last verification, for operators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.analytics.verification_sql import MAX_DIFFERENCES
from app.db.tables import JobKind
from app.graphql.viewer import Role, Viewer
from app.job_handlers import dispatch
from app.resources import Resources
from tests.support import schema_execution
from tests.support.api_server import ApiClient
from tests.support.figures_catalog import (
    cpu_with_prices,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    run_statements,
)

CONSISTENCY = """
{ consistency { percent total consistent left fixed verifiedAt differences { slug columns reason } } }
"""


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """Create three CPUs with consistent figures."""
    await fill_catalog(resources, [cpu_with_prices(10, 20), cpu_with_prices(30, 40), cpu_with_prices(50, 60)])
    await recalculate_figures(resources)
    return resources


async def fetch_consistency(resources: Resources, *, fix: bool = False) -> dict[str, Any]:
    """Return the result that operators get after a verification, and check its time."""
    began = datetime.now(UTC)
    await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {"fix": fix})
    result = await schema_execution.execute_query(resources, CONSISTENCY, Viewer("operator", Role.OPERATOR))
    assert not result.errors, result.errors
    assert result.data is not None
    consistency: dict[str, Any] = result.data["consistency"]
    at = datetime.fromisoformat(consistency.pop("verifiedAt"))
    assert began - timedelta(seconds=1) <= at <= datetime.now(UTC) + timedelta(seconds=1)
    return consistency


RIGHT = {"percent": 100.0, "total": 4, "consistent": 4, "left": 0, "fixed": False, "differences": []}


async def test_consistency_is_result_of_last_verification(catalogue: Resources) -> None:
    assert await fetch_consistency(catalogue) == RIGHT
    await run_statements(
        catalogue,
        "UPDATE cpu SET price_good = 1, price_fair = 2 WHERE id = 2",
        "UPDATE cpu_statistics SET total = 9",
    )
    wrong = {
        "percent": 50.0,
        "total": 4,
        "consistent": 2,
        "left": 2,
        "fixed": False,
        "differences": [
            {"slug": "cpu-2", "columns": ["price_good", "price_fair"], "reason": None},
            {"slug": None, "columns": ["total"], "reason": None},
        ],
    }
    assert await fetch_consistency(catalogue) == wrong
    assert await fetch_consistency(catalogue, fix=True) == {**wrong, "left": 0, "fixed": True}
    assert await fetch_consistency(catalogue) == RIGHT


async def test_consistency_of_failed_cpu_has_reason(catalogue: Resources) -> None:
    await run_statements(catalogue, "ALTER TABLE cpu ADD CONSTRAINT dear CHECK (price_good < 100)")
    await replace_cpus(catalogue, {1: cpu_with_prices(100, 200)})
    result = await fetch_consistency(catalogue, fix=True)
    (only,) = result["differences"]
    assert (only["slug"], only["columns"], "dear" in only["reason"]) == ("cpu-1", [], True)
    assert (result["percent"], result["left"], result["fixed"]) == (75.0, 1, True)


async def test_consistency_percentage_is_rounded_down(resources: Resources) -> None:
    """199 of 200 are 99.5 %; differences beyond MAX_DIFFERENCES are counted and not named."""
    count = 199
    await fill_catalog(resources, [cpu_with_prices()] * count)
    await recalculate_figures(resources)
    await run_statements(resources, "UPDATE cpu SET price_good = 1 WHERE id = 7")
    assert (await fetch_consistency(resources))["percent"] == 99.5
    await run_statements(resources, "UPDATE cpu SET price_good = 1")
    result = await fetch_consistency(resources)
    assert (result["consistent"], result["percent"], len(result["differences"])) == (1, 0.5, MAX_DIFFERENCES)
    assert [difference["slug"] for difference in result["differences"]] == sorted(f"cpu-{n}" for n in range(1, 200))[
        :MAX_DIFFERENCES
    ]


async def test_consistency_before_first_verification_is_null(api: ApiClient) -> None:
    assert await api.data("{ consistency { percent } }", Role.OPERATOR) == {"consistency": None}


async def test_consistency_requires_operator(api: ApiClient) -> None:
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN")):
        actual, message = await api.error("{ consistency { percent } }", role)
        assert (actual, message.startswith("This field requires the role operator")) == (code, True)
