"""Fixtures of the attacks: a database with the sample catalogue, and the measurement of an attack."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from app.devserver.sample_data import load_into
from app.resources import Resources
from app.settings import Settings
from tests.abuse.harness import MAX_P95_SECONDS, Attack, AttackReport, measure_attack, require_open_files
from tests.support import abuse_report
from tests.support.databases import database_url_in, run_statement, temporary_database
from tests.support.effort import size_of
from tests.support.settings import make_settings

# The server needs some files besides client connections, and the test process the ends of the attackers.
DEFAULT_OPEN_FILES = 4096
TEMPLATE = "sample_catalogue"
# 20 CPUs like each one of the sample catalogue: a catalogue of 4,000 is about as large as that of a shop.
ADD_CPUS = """
    INSERT INTO cpu (name, slug, manufacturer, socket, category, cores, threads, tdp_w, release_year,
        cpu_mark_multi, cpu_mark_single)
    SELECT name || ' ' || n, slug || '-' || n, manufacturer, socket, category, cores, threads, tdp_w, release_year,
        cpu_mark_multi + 17 * n, cpu_mark_single + n
    FROM cpu, generate_series(1, 20) AS n
"""


class RunAttack(Protocol):
    """Runs an attack, and fails if it harms others. Limits of memory are growth in MiB, that of p95 is in seconds."""

    async def __call__(
        self,
        name: str,
        attack: Attack,
        *,
        max_growth: float = 32.0,
        max_peak: float = 96.0,
        max_p95: float = MAX_P95_SECONDS,
        open_files: int = DEFAULT_OPEN_FILES,
        command: Sequence[str] = ("-m", "app.cli", "serve"),
        **environment: str,
    ) -> AttackReport: ...


@pytest.fixture(scope="session")
def catalogue_template(cluster: str, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a template database with the sample catalogue."""
    asyncio.run(run_statement(cluster, f"CREATE DATABASE {TEMPLATE} TEMPLATE template STRATEGY FILE_COPY"))
    settings = make_settings(
        database_url=database_url_in(cluster, TEMPLATE),
        redis_url=redis_server,
        data_dir=tmp_path_factory.mktemp("sample"),
    )

    async def fill() -> None:
        async with Resources.open(settings, listen=False) as resources:
            await load_into(resources)

    asyncio.run(fill())
    for statement in (ADD_CPUS, "VACUUM ANALYZE"):
        asyncio.run(run_statement(settings.required_database_url, statement))
    return TEMPLATE


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a database with the sample catalogue."""
    # Called here, because pytest may import this module before it knows the effort.
    runs_all = size_of(short=0, long=1)
    if not runs_all and request.node.get_closest_marker("quick") is None:
        pytest.skip("runs with --effort long")
    cluster, template = request.getfixturevalue("cluster"), request.getfixturevalue("catalogue_template")
    with temporary_database(cluster, template=template) as url:
        yield url


@pytest.fixture
async def run_attack(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> RunAttack:
    """Run an attack twice if the first time others were delayed: other processes may have used the machine."""

    async def run(
        name: str,
        attack: Attack,
        *,
        max_growth: float = 32.0,
        max_peak: float = 96.0,
        max_p95: float = MAX_P95_SECONDS,
        open_files: int = DEFAULT_OPEN_FILES,
        command: Sequence[str] = ("-m", "app.cli", "serve"),
        **environment: str,
    ) -> AttackReport:
        require_open_files(DEFAULT_OPEN_FILES)
        report = await measure(name, attack, environment, open_files, command)
        if report.delays_others(max_p95):
            report = await measure(name, attack, environment, open_files, command)
        request.node.user_properties.append(abuse_report.as_property(report.cells))
        report.assert_harmless(max_growth, max_peak, max_p95)
        return report

    async def measure(
        name: str, attack: Attack, environment: Mapping[str, str], open_files: int, command: Sequence[str]
    ) -> AttackReport:
        return await measure_attack(name, attack, settings, tmp_path, environment, open_files, command)

    return run
