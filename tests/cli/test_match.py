"""`dealmark match`: output and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import CommandRunner

CPUS = "name\nIntel Core i5-8500T @ 2.10GHz\nIntel Core i5-8600\n"


Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(dealmark: CommandRunner, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, url: str = database_url) -> tuple[int, list[str]]:
        ran = dealmark(*arguments, DATABASE_URL=url)
        return ran.code, (ran.output + ran.errors).splitlines()

    return run


def test_match_of_a_title_and_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cpus.csv").write_text(CPUS)
    assert run("import", "cpus", "cpus.csv")[0] == 0
    title = "2x HP i5-8500T 16GB DDR4 1TB 256GB SSD GTX 1650 Win11"
    assert run("match", title) == (
        0,
        [
            title,
            "  Intel Core i5-8500T @ 2.10GHz  (intel-core-i5-8500t-2-10ghz)",
            "    kept     8500t [Intel Core i5-8500T @ 2.10GHz]: model 8500t; nothing in the title contradicts it",
            "    with     quantity 2, memory 16 GB DDR4, storage 1000 GB, SSD 256 GB, graphics GTX 1650, Windows 11",
        ],
    )
    (tmp_path / "titles.txt").write_bytes("\ufeffi5-8600\n\n i5-8500T or i5-8600 \ni5-8500Q DDR4\n".encode())
    code, lines = run("match", "--file", "titles.txt")
    assert (code, lines[-1]) == (0, "3 titles, 1 matched.")
    assert (
        "  no CPU (several): The title names more than one CPU: Intel Core i5-8500T @ 2.10GHz, Intel Core i5-8600."
        in lines
    )
    assert "    unknown  8500q: the catalogue has no such model, only 8500t" in lines
    assert "    with     memory DDR4" in lines


def test_unusable_file_or_database_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("für".encode("cp1252"))
    both = "Give either a title in quotes or --file with one title per line."
    assert run("match") == (1, [both])
    assert run("match", "i5", "--file", "latin.txt") == (1, [both])
    assert run("match", "--file", "none.txt") == (1, ["none.txt cannot be read: No such file or directory."])
    assert run("match", "--file", "latin.txt") == (1, ["latin.txt is not UTF-8: convert it to UTF-8."])
    code, lines = run("match", "i5", url="postgresql://127.0.0.1:1/none")
    assert code == 1
    assert lines[-1].startswith("The database of DATABASE_URL cannot be used (")
