"""How much work randomized tests do: `--effort short` (the default), `--effort long` or `--effort soak`.

A fuzz, property, random-document or consistency test is marked `sized` and takes its sizes from `size_of`:

    @pytest.mark.sized
    @settings(max_examples=size_of(short=20, long=300))

`make test` runs every test with short sizes, `make test-long` the `sized` ones with long sizes, and `make soak` the
`sized` ones with sizes that take hours. The effort also sets the time limit of a `sized` test.
"""

from __future__ import annotations

import enum
import os

import hypothesis
import pytest

from tests.support.paths import ROOT


class Effort(enum.StrEnum):
    """The size of randomized tests."""

    SHORT = "short"
    LONG = "long"
    SOAK = "soak"


SIZED_TIMEOUT_SECONDS = {Effort.LONG: 900, Effort.SOAK: 6 * 3600}
# Tests of these folders start several processes, build the web page or install npm packages.
SLOW_FOLDERS = ("clients", "consistency", "devserver", "web")
SLOW_FOLDER_TIMEOUT_SECONDS = 300
SOAK_FACTOR = 20

_effort = Effort.SHORT


def add_options(parser: pytest.Parser) -> None:
    """Add `--effort` and `--seed` to the command line."""
    parser.addoption(
        "--effort",
        choices=[effort.value for effort in Effort],
        default=Effort.SHORT.value,
        help="how much work tests marked `sized` do",
    )
    parser.addoption("--seed", default="dealmark", help="text from which the random documents are derived")


def configure(config: pytest.Config) -> None:
    """Read the effort of the run, before test modules are imported."""
    global _effort
    _effort = Effort(config.getoption("--effort"))
    config.addinivalue_line("markers", "sized: its size depends on --effort (see tests/support/effort.py)")
    config.addinivalue_line("markers", "quick: an attack (tests/abuse) that also runs with short sizes")
    # No deadline: how long an example takes depends on the machine. In CI the same examples are drawn each time.
    hypothesis.settings.register_profile(
        "dealmark",
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("dealmark")


def arrange(items: list[pytest.Item]) -> None:
    """Give tests that may take longer than others a larger time limit than that of pyproject.toml, and run them first.

    With xdist, a long test that starts last keeps one process busy while the others have nothing left to do.
    """
    slow_folders = {ROOT / "tests" / name for name in SLOW_FOLDERS}
    for item in items:
        if _effort in SIZED_TIMEOUT_SECONDS and item.get_closest_marker("sized"):
            item.add_marker(pytest.mark.timeout(SIZED_TIMEOUT_SECONDS[_effort]))
        elif slow_folders.intersection(item.path.parents) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_FOLDER_TIMEOUT_SECONDS))
    items.sort(key=lambda item: not slow_folders.intersection(item.path.parents))


def size_of(short: int, long: int, soak: int | None = None) -> int:
    """Return the size for the effort of this run; that of a soak is 20 times the long one unless given."""
    return {Effort.SHORT: short, Effort.LONG: long, Effort.SOAK: soak or SOAK_FACTOR * long}[_effort]
