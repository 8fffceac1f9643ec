"""Structure of the code: no import cycles, few modules at the top, one meaning per class name, mirrored tests."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.support.paths import ROOT

PACKAGES = ("app", "jobs")
MAX_TOP_MODULES = 3
# Folders of tests without a folder of the code.
OTHER_TEST_FOLDERS = {
    "abuse",
    "clients",
    "complexity",
    "consistency",
    "data",
    "deploy",
    "docs",
    "jobs",
    "support",
    "web",
}


def parse_modules() -> list[tuple[Path, ast.Module]]:
    """Return the path, relative to the repository, and the syntax tree of each module."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [(path.relative_to(ROOT), ast.parse(path.read_text())) for path in paths]


def find_cycle(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import cycle, or an empty list if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_find_cycle_with_a_cycle_returns_its_modules() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def test_imports_form_no_cycle() -> None:
    """Imports under `TYPE_CHECKING` and inside functions count, too."""
    graph = grimp.build_graph(*PACKAGES, include_external_packages=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 150
    assert find_cycle(imports) == []


def test_top_of_app_has_few_modules() -> None:
    names = sorted(path.stem for path in (ROOT / "app").glob("*.py") if path.stem not in {"__init__", "__main__"})
    assert len(names) <= MAX_TOP_MODULES, names


def test_public_class_names_are_unique() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in parse_modules():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{path}:{node.lineno}")
    assert len(places) > 150
    assert {name: lines for name, lines in places.items() if len(lines) > 1} == {}


def test_folders_of_tests_mirror_the_code() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    unmatched = [
        str(folder)
        for folder in folders
        if folder.parts
        and folder.parts[0] not in OTHER_TEST_FOLDERS
        and not (ROOT / "app" / folder / "__init__.py").exists()
    ]
    assert sorted(unmatched) == []
    jobs = {folder for folder in folders if folder.parts[:1] == ("jobs",)}
    assert all((ROOT / folder / "__init__.py").exists() for folder in jobs)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_the_code_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()] == []
