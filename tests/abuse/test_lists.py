"""Operations that cost much more than their request: long lists, and fields that compare everything."""

from __future__ import annotations

import pytest

from tests.abuse.attackers import builtin_id, post_json, send_all
from tests.abuse.conftest import RunAttack
from tests.abuse.harness import Target

pytestmark = pytest.mark.sized

VALUES = 32_000


async def test_list_argument_with_too_many_values_is_refused(run_attack: RunAttack) -> None:
    filters = [{"rating": ["GOOD"] * VALUES, "cores": {"min": number}} for number in range(12)]
    requests = [post_json(documentId=builtin_id("CpuList"), variables={"first": 100, "filter": f}) for f in filters]

    async def attack(target: Target) -> None:
        await send_all(target, requests)

    report = await run_attack(f"12 lists with {VALUES:,} values of filter.rating", attack)
    assert set(report.answers) == {"400"}


async def test_many_similar_cpus_do_not_delay_others(run_attack: RunAttack) -> None:
    """Each similar CPU is found by comparing all CPUs."""
    page = "cpus(first: 200, filter: {cores: {min: $n}}) { nodes { similar(first: 1) { name } } }"
    text = f"query ($n: Int) {{ a: {page} b: {page} c: {page} }}"

    async def attack(target: Target) -> None:
        await send_all(target, [post_json(query=text, variables={"n": -number}) for number in range(3)])

    report = await run_attack("similar CPUs of 600 CPUs, 3 times", attack, DEALMARK_DOCUMENTS="open")
    assert set(report.answers) <= {"200", "400", "429"}
