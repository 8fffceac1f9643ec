"""`dealmark up` and the page: built when its sources changed, told in one line when it cannot be, published."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import orjson
import pytest

from app.core.errors import BadInput
from app.devserver import web_build
from app.documents.publishing import list_documents
from app.engine.document import content_id
from app.resources import Resources
from app.schema.build import build_graphql_schema
from app.server import web_documents
from app.settings import Settings

NPM = """#!/bin/sh
echo "$1" >> "$FOLDER/calls"
if [ -e "$FOLDER/fails-$1" ]; then echo "npm error code BROKEN" >&2; exit 1; fi
case "$1" in
  ci) mkdir -p node_modules ;;
  run) mkdir -p "$FOLDER/built" && rm -f "$FOLDER/built/.sources" && echo page > "$FOLDER/built/index.html" ;;
esac
"""


class Machine:
    """One with a Node and an npm of our own, and the sources of a page."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.sources = folder / "web"
        self.built = folder / "built"
        self.said: list[str] = []
        for name in ("web/src/gql", "bin"):
            (folder / name).mkdir(parents=True)
        (self.sources / "package.json").write_text("{}")
        (self.sources / "package-lock.json").write_text("{}")
        (self.sources / "src" / "main.tsx").write_text("main")
        self.program("npm", NPM)
        self.node("v22.1.0")
        monkeypatch.setenv("PATH", f"{folder}/bin:/usr/bin:/bin")
        monkeypatch.setenv("FOLDER", str(folder))

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def node(self, version: str) -> None:
        self.program("node", f"#!/bin/sh\necho {version}\n")

    def build(self) -> None:
        web_build.build(self.said.append, self.sources, self.built)

    @property
    def calls(self) -> list[str]:
        """What npm was called for."""
        return (self.folder / "calls").read_text().split() if (self.folder / "calls").exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_it_is_built_once_and_again_when_a_source_changed(machine: Machine) -> None:
    machine.build()
    assert (machine.calls, machine.said) == (["ci", "run"], ["Building the web page ..."])
    machine.build()
    assert len(machine.calls) == 2
    (machine.sources / "src" / "main.tsx").write_text("another main")
    (machine.sources / "src" / "gql" / "graphql.ts").write_text("made by the build")
    machine.build()
    assert machine.calls == ["ci", "run", "run"]
    (machine.sources / "package-lock.json").write_text('{"packages": {}}')
    machine.build()
    assert machine.calls == ["ci", "run", "run", "ci", "run"]


def test_what_the_build_itself_writes_is_no_source(machine: Machine) -> None:
    machine.build()
    (machine.sources / "src" / "gql" / "graphql.ts").write_text("made by the build")
    (machine.sources / "README.md").write_text("words")
    machine.build()
    assert len(machine.calls) == 2


@pytest.mark.parametrize("step", ["ci", "run"])
def test_a_build_that_fails_is_told_and_tried_again(machine: Machine, step: str) -> None:
    fails = machine.folder / f"fails-{step}"
    fails.touch()
    machine.build()
    assert machine.said[-1] == (
        "The web page could not be built; the API runs without it. npm reports: npm error code BROKEN"
    )
    fails.unlink()
    machine.build()
    machine.build()
    assert (machine.built / "index.html").exists()
    assert machine.calls.count("run") == (1 if step == "ci" else 2)


def test_without_node_one_line_says_what_is_missing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.folder))
    machine.build()
    machine.built.mkdir()
    (machine.built / "index.html").touch()
    machine.build()
    reason = "it needs Node 20.19 or newer, with npm. The API runs without it."
    assert machine.said == [f"The web page is not built: {reason}", f"The web page is older than its sources: {reason}"]


@pytest.mark.parametrize(("version", "said"), [("v18.20.4", "v18.20.4"), ("v20.18.9", "v20.18.9"), ("", "nothing")])
def test_an_old_node_is_told(machine: Machine, version: str, said: str) -> None:
    machine.node(version)
    machine.build()
    (line,) = machine.said
    assert line == (
        "The web page is not built: it needs Node 20.19 or newer, but `node --version` prints "
        f"{said}. The API runs without it."
    )
    assert machine.calls == []


def test_an_installed_package_has_no_sources(machine: Machine) -> None:
    (machine.sources / "package.json").unlink()
    machine.build()
    assert (machine.said, machine.calls) == ([], [])


async def test_its_documents_are_published_once(resources: Resources, settings: Settings, tmp_path: Path) -> None:
    query = "query Total { __typename statistics { __typename total } }"
    (tmp_path / "documents.json").write_bytes(orjson.dumps({content_id(query): query}))
    for _ in range(2):
        await asyncio.to_thread(web_documents.publish_web_documents, settings.required_database_url, tmp_path)
    (published,) = [each for each in await list_documents(resources, build_graphql_schema()) if each.name == "Total"]
    (client,) = published.clients
    assert client.startswith("web@")


async def test_documents_that_do_not_fit_the_schema_are_named(settings: Settings, tmp_path: Path) -> None:
    query = "query Total { nothing }"
    (tmp_path / "documents.json").write_bytes(orjson.dumps({content_id(query): query}))
    with pytest.raises(BadInput, match="nothing"):
        await asyncio.to_thread(web_documents.publish_web_documents, settings.required_database_url, tmp_path)


def test_without_a_build_nothing_is_published(tmp_path: Path) -> None:
    web_documents.publish_web_documents("postgresql://nobody@127.0.0.1:1/nothing", tmp_path)
    assert list(tmp_path.iterdir()) == []
