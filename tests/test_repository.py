"""The repository as a whole: pinned dependencies, short modules, a README that lists every command and target."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from app.cli.main import app
from tests.support.paths import ROOT

MAX_MODULE_LINES = 400
MODULES = [path.relative_to(ROOT) for folder in ("app", "jobs") for path in sorted((ROOT / folder).rglob("*.py"))]


def requirements() -> list[str]:
    """Return the requirements of the lock file, each on one line."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_lock_file_pins_every_dependency_by_hash() -> None:
    assert len(requirements()) > 50
    for requirement in requirements():
        assert re.fullmatch(
            r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==\S+( ;[^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", requirement
        ), requirement


def test_lock_file_contains_every_dependency_of_the_project() -> None:
    locked = {requirement.partition("==")[0] for requirement in requirements()}
    block = (ROOT / "pyproject.toml").read_text().partition("[project]")[2].partition("[project.scripts]")[0]
    declared = set(re.findall(r'"([a-z][a-z0-9-]+)(?:\[[a-z]+\])?(?:[<>=,.0-9]*)"', block)) - {"dealmark"}
    assert len(declared) > 20
    assert declared <= locked


def test_locked_dependencies_support_the_oldest_python() -> None:
    oldest = "3.11.0"
    versions = {requirement.partition("==")[0]: "" for requirement in requirements()}
    for name in versions:
        with suppress(PackageNotFoundError):  # not installed on this platform
            versions[name] = metadata(name)["Requires-Python"] or ""
    assert [name for name, version in versions.items() if not SpecifierSet(version).contains(oldest)] == []


@pytest.mark.parametrize("name", ["requirements.lock", "Makefile", ".ci/run", "pyproject.toml"])
def test_build_files_name_no_package_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"--(extra-)?index-url[ =]|--find-links[ =]|--trusted-host[ =]|PIP_[A-Z_]*(URL|HOST)", text)
    assert "://" not in text


def test_npm_lock_files_contain_no_urls() -> None:
    locks = [path for path in ROOT.rglob("package-lock.json") if "node_modules" not in path.parts]
    assert ROOT / "web" / "package-lock.json" in locks
    for lock in locks:
        assert "://" not in lock.read_text(), lock


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_has_at_most_400_lines(module: Path) -> None:
    lines = len((ROOT / module).read_text().splitlines())
    assert lines <= MAX_MODULE_LINES


def test_readme_lists_every_command() -> None:
    commands = {command.name or function_name(command.callback) for command in app.registered_commands}
    commands |= {group.name or "" for group in app.registered_groups}
    assert {"up", "serve", "worker", "migrate", "import", "recalculate", "verify", "schema", "token"} <= commands
    readme = (ROOT / "README.md").read_text()
    (listed,) = re.findall(r"`dealmark (\w+(?: \| \w+)+)`", readme)
    assert set(listed.split(" | ")) == commands


def test_readme_lists_every_make_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test", "check"} <= targets
    readme = (ROOT / "README.md").read_text()
    (listed,) = re.findall(r"`make` alone lists the other targets: ((?:`[a-z-]+`(?:,\s+)?)+)", readme)
    documented = set(re.findall(r"`([a-z-]+)`", listed)) | set(re.findall(r"^make ([a-z-]+)$", readme, re.MULTILINE))
    assert documented == targets - {"help"}  # `make` alone runs it


def function_name(function: Callable[..., object] | None) -> str:
    return getattr(function, "__name__", "")
