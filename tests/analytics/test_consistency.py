"""`consistency`: what the last verification found, as operators see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.analytics.sql import MAX_DIFFERENCES
from app.db.tables import JobKind
from app.graphql.viewer import Role, Viewer
from app.job_handlers import dispatch
from app.resources import Resources
from tests import asking
from tests.analytics.catalogue import fill, priced, put, recalculated, run_sql
from tests.conftest import Api

CONSISTENCY = """
{ consistency { percent total consistent left fixed verifiedAt differences { slug columns reason } } }
"""


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """Three CPUs, all figures right."""
    await fill(resources, [priced(10, 20), priced(30, 40), priced(50, 60)])
    await recalculated(resources)
    return resources


async def verified(resources: Resources, *, fix: bool = False) -> dict[str, Any]:
    """What operators see after a verification, and that it is of now."""
    began = datetime.now(UTC)
    await dispatch.run_now(resources, JobKind.VERIFY_FIGURES, {"fix": fix})
    result = await asking.ask(resources, CONSISTENCY, Viewer("operator", Role.OPERATOR))
    assert not result.errors, result.errors
    assert result.data is not None
    found: dict[str, Any] = result.data["consistency"]
    at = datetime.fromisoformat(found.pop("verifiedAt"))
    assert began - timedelta(seconds=1) <= at <= datetime.now(UTC) + timedelta(seconds=1)
    return found


RIGHT = {"percent": 100.0, "total": 4, "consistent": 4, "left": 0, "fixed": False, "differences": []}


async def test_the_last_verification_counts(catalogue: Resources) -> None:
    assert await verified(catalogue) == RIGHT
    await run_sql(
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
    assert await verified(catalogue) == wrong
    assert await verified(catalogue, fix=True) == {**wrong, "left": 0, "fixed": True}
    assert await verified(catalogue) == RIGHT


async def test_what_cannot_be_written_tells_why(catalogue: Resources) -> None:
    await run_sql(catalogue, "ALTER TABLE cpu ADD CONSTRAINT dear CHECK (price_good < 100)")
    await put(catalogue, {1: priced(100, 200)})
    found = await verified(catalogue, fix=True)
    (only,) = found["differences"]
    assert (only["slug"], only["columns"], "dear" in only["reason"]) == ("cpu-1", [], True)
    assert (found["percent"], found["left"], found["fixed"]) == (75.0, 1, True)


async def test_a_percentage_is_never_rounded_up(resources: Resources) -> None:
    """199 of 200 are 99.5; more than MAX_DIFFERENCES are counted, but not named."""
    count = 199
    await fill(resources, [priced()] * count)
    await recalculated(resources)
    await run_sql(resources, "UPDATE cpu SET price_good = 1 WHERE id = 7")
    assert (await verified(resources))["percent"] == 99.5
    await run_sql(resources, "UPDATE cpu SET price_good = 1")
    found = await verified(resources)
    assert (found["consistent"], found["percent"], len(found["differences"])) == (1, 0.5, MAX_DIFFERENCES)
    assert [each["slug"] for each in found["differences"]] == sorted(f"cpu-{n}" for n in range(1, 200))[
        :MAX_DIFFERENCES
    ]


async def test_before_the_first_there_is_none(api: Api) -> None:
    assert await api.data("{ consistency { percent } }", Role.OPERATOR) == {"consistency": None}


async def test_only_operators_see_it(api: Api) -> None:
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN")):
        found, message = await api.error("{ consistency { percent } }", role)
        assert (found, message.startswith("This needs the role operator")) == (code, True)
