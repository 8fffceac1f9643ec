"""Table of the attacks of `tests/abuse`, at the end of the test run and in the file of `--abuse-report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

PROPERTY = "abuse"
COLUMNS = (
    "Attack",
    "p50 of others, ms: before / during / after",
    "p95 of others, ms",
    "failed requests of others",
    "server memory, MiB: before / peak / after",
    "server CPU, s",
    "answers to the attackers",
)


def add_options(parser: pytest.Parser) -> None:
    """Add `--abuse-report` and `--soak-minutes` to the command line."""
    parser.addoption("--abuse-report", metavar="FILE", help="file for the table of the attacks, in Markdown")
    parser.addoption("--soak-minutes", type=float, help="how long the soak of subscriptions lasts, for any effort")


def as_property(cells: Sequence[str]) -> tuple[str, object]:
    """Return a user property of a test, which pytest-xdist passes on to the main process."""
    return PROPERTY, list(cells)


def summarize(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of all attacks of the run, and write it to the file."""
    reports = [report for outcome in ("passed", "failed") for report in reporter.stats.get(outcome, [])]
    rows = [cells for report in reports for name, cells in report.user_properties if name == PROPERTY]
    if not rows:
        return
    lines = [_line(COLUMNS), _line("---" for _ in COLUMNS), *sorted(_line(cells) for cells in rows)]
    reporter.section("attacks")
    for line in lines:
        reporter.write_line(line)
    if (path := config.getoption("--abuse-report")) is not None:
        Path(path).write_text("\n".join([*lines, ""]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
