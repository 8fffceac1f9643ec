"""`dealmark import`: output, files and exit codes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import CommandRunner
from tests.support.paths import ROOT

CPUS = "name,cores,colour\nIntel Core i5-8500T,6,red\nBad,x,blue\n"


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(dealmark: CommandRunner, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, url: str = database_url) -> tuple[int, str]:
        ran = dealmark("import", *arguments, DATABASE_URL=url)
        return ran.code, ran.output + ran.errors

    return run


def test_import_of_cpus_listings_and_prices_prints_summaries(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cpus.csv").write_text(CPUS)
    code, output = run("cpus", "cpus.csv")
    assert code == 0
    assert output.splitlines() == [
        "2 rows, 1 created, 0 updated, 0 unchanged, 1 rejected.",
        "Rejected rows, with reasons: cpus.csv.rejected.csv",
        "Ignored columns: colour.",
        "Read 100 % (0.0 MB). Merging.",
    ]
    assert (
        tmp_path / "cpus.csv.rejected.csv"
    ).read_text() == 'line,reason,name,cores\n3,"cores ""x"" is not a number",Bad,x\n'

    row = "title,cpu,price,marketplace\nProzessor für Bastler,intel-core-i5-8500t,5,m\n"
    (tmp_path / "listings.csv").write_bytes(row.encode("cp1252"))
    code, output = run("listings", "listings.csv")
    assert (code, output.splitlines()[-1][:42]) == (1, "listings.csv, line 2, is not valid utf-8: ")
    assert run("listings", "listings.csv", "--encoding", "cp1252")[0] == 0
    code, output = run("listings", "listings.csv", "--encoding", "cp1252")
    assert (code, output.splitlines()[1]) == (0, "Nothing changed.")

    (tmp_path / "2024-01-01.csv").write_text("name,price\nIntel Core i5-8500T,60\nIntel Core i5-8500T,61\nZ80,1\n")
    assert run("prices", "2024-01-01.csv", "--strict", "--rejects", "why.csv") == (
        1,
        "Read 100 % (0.0 MB). Merging.\nNothing was loaded, because 1 row was rejected: see why.csv.\n",
    )
    assert (tmp_path / "why.csv").exists()
    code, output = run("prices", "2024-01-01.csv")
    assert (code, output.splitlines()[:2]) == (
        0,
        [
            "Rows superseded by another row of the file for the same item: 1.",
            "3 rows, 1 created, 0 updated, 1 unchanged, 1 rejected.",
        ],
    )


def test_unusable_file_or_database_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("name,price\n")
    (tmp_path / "2024-13-01.csv").write_text("name,price\n")
    undated = "is not a date: rename it to YYYY-MM-DD.csv, or pass --date.\n"
    assert run("prices", "file.csv") == (1, f"The name of file.csv {undated}")
    assert run("prices", "2024-13-01.csv") == (1, f"The name of 2024-13-01.csv {undated}")
    assert run("listings", "none.csv") == (1, "none.csv cannot be read: No such file or directory.\n")
    code, output = run("cpus", "file.csv", url="postgresql://127.0.0.1:1/none")
    assert code == 1
    assert output.splitlines()[-1].startswith("The database of DATABASE_URL cannot be used (")
    assert "Traceback" not in output


def test_import_on_a_terminal_draws_a_progress_bar(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "cpus.csv").write_text("name\n" + "".join(f"CPU {number}\n" for number in range(50_000)))
    controller, terminal_end = pty.openpty()
    environment = {**os.environ, "DATABASE_URL": database_url, "TERM": "xterm", "COLUMNS": "100"}
    environment |= {"DEALMARK_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app.cli", "import", "cpus", "cpus.csv"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=terminal_end)
    os.close(terminal_end)
    drawn = b""
    with os.fdopen(controller, "rb", buffering=0) as terminal:
        while True:
            try:
                drawn += terminal.read(65_536)
            except OSError:  # raised when the other end is closed
                break
    assert process.wait() == 0
    assert b"Merging" in drawn
    assert "━".encode() in drawn


def test_import_of_exchange_rates_starts_a_revaluation(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("Date,USD,GBP,XXX,\n2025-01-02,1.0321,0.83,1,\n2025-01-01,N/A,0.83,1,\n")
    code, output = run("rates", "rates.csv")
    assert (code, output.splitlines()[:3]) == (
        0,
        [
            "Job 1 revalues the listings in 2 currencies.",
            "3 rows, 2 created, 0 updated, 0 unchanged, 1 rejected.",
            "Rejected rows, with reasons: rates.csv.rejected.csv",
        ],
    )
    assert "Ignored columns: xxx." in output
    (tmp_path / "other.csv").write_text("date,EUR\n2025-01-02,1\n")
    code, output = run("rates", "other.csv")
    assert (code, output.splitlines()[-1][:60]) == (1, "other.csv needs the columns date, currency and rate (USD per")
