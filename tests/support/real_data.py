"""Data sets of real CPU names and prices: the small one in the repository, and a complete one outside it.

Tests that take `data_set` run on the small one, and on the complete one where it is available: a folder that
`DEALMARK_TEST_DATA` names, with a PassMark export in `passmark_cpus.json` and price snapshots in
`cpu_prices/YYYY-MM-DD.csv`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.passmark_export import write_export
from tests.support.paths import DATA

COMPLETE = os.environ.get("DEALMARK_TEST_DATA")


@dataclass(frozen=True)
class DataSet:
    """A PassMark export and price snapshots of the same CPUs."""

    is_complete: bool
    passmark: Path
    snapshots: tuple[Path, ...]  # ascending by day; the name of a file is its day


@pytest.fixture(scope="session", params=["small"] if COMPLETE is None else ["small", "complete"])
def data_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Each data set in turn."""
    if request.param == "complete":
        assert COMPLETE is not None
        folder = Path(COMPLETE)
        passmark = folder / "passmark_cpus.json"
    else:
        folder = DATA
        passmark = write_export(tmp_path_factory.mktemp("passmark") / "passmark_cpus.json")
    snapshots = tuple(sorted((folder / "cpu_prices").glob("*.csv")))
    return DataSet(request.param == "complete", passmark, snapshots)


def describe_data_sets() -> str:
    """Return a line for the head of the test report."""
    return f"real data: small, {'no complete one (DEALMARK_TEST_DATA is not set)' if COMPLETE is None else COMPLETE}"
