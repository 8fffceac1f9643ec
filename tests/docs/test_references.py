"""What the documentation names exists: paths, commands and options, settings, metrics, error codes, log events."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, build_schema

from scripts.generate_reference import commands, settings_by_variable
from scripts.source_facts import error_codes, log_events, metrics, parse_sources
from tests.docs.pages import FENCE, PAGES, ROOT, code, name_of, spans

SOURCES = parse_sources(ROOT)
WORDS = {
    word
    for pattern in (
        "app/**/*.py",
        "app/**/*.sql",
        "jobs/**/*.py",
        "migrations/**/*.py",
        "scripts/*.py",
        "tests/support/effort.py",
        "tests/clients/**/*.mjs",
        "web/src/**/*.ts*",
        "app/documents/**/*.graphql",
        "*.graphql",
    )
    for path in ROOT.glob(pattern)
    for word in {path.stem, *re.findall(r"\w+", path.read_text(encoding="utf-8"))}
}
OTHER_WORDS = {"persistConfig"}  # of Relay's compiler
PATH = re.compile(r"(?:app|jobs|web|migrations|tests|scripts|bench|docs|changes)/[\w./*-]*")
# `name` (`path`), `name` in `path`, `name` of `path`
NAME_IN_FILE = re.compile(r"`([A-Za-z_][\w.]*)`\s+(?:\(|in |of )`((?:app|jobs|scripts|tests)/[\w/]+\.(?:py|sql))`")
COMMAND = re.compile(r"(?<![\w./-])(?:\.venv/bin/)?dealmark ([a-z][^`]*)")
OPTIONS = {path: {option for each in command.params for option in each.opts} for path, command in commands()}
GROUPS = {path.split(" ")[0] for path in OPTIONS if " " in path}
CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)+|INTERNAL|FORBIDDEN|UNAUTHENTICATED")
ENUM_VALUES = {
    value
    for kind in build_schema((ROOT / "schema.graphql").read_text()).type_map.values()
    if isinstance(kind, GraphQLEnumType)
    for value in kind.values
}
EVENTS = {event.name for event in log_events(SOURCES)}
METRICS = {metric.name for metric in metrics(SOURCES)}
ERROR_CODES = {error.code for error in error_codes(SOURCES)}
CONSTANTS = {
    target.id
    for module in SOURCES.values()
    for statement in module.body
    if isinstance(statement, (ast.Assign, ast.AnnAssign))
    for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    if isinstance(target, ast.Name)
}

every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@every_page
def test_paths_exist(page: Path) -> None:
    paths = [match for span in spans(page) if (match := PATH.fullmatch(span))]
    assert [path[0] for path in paths if not list(ROOT.glob(path[0].rstrip("/")))] == []


@every_page
def test_files_define_the_names_that_pages_find_there(page: Path) -> None:
    pairs = NAME_IN_FILE.findall(FENCE.sub("", page.read_text()))
    assert [(name, path) for name, path in pairs if not defines(ROOT / path, name)] == []


def defines(path: Path, name: str) -> bool:
    """Whether a file defines a name: `function`, `Class.method`, a field of GraphQL, a constant or a table."""
    source = path.read_text()
    parts = [
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part).lower() if part[0].islower() else part for part in name.split(".")
    ]
    definition = r"^\s*(?:(?:async )?def|class) {0}\b|^{0}\b.*=|TEMP TABLE {0}\b|\w\.{0}\b"
    return all(re.search(definition.format(part), source, re.MULTILINE) for part in parts)


@every_page
def test_links_to_files_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@every_page
def test_commands_and_options_exist(page: Path) -> None:
    unknown = []
    for text in code(page):
        for match in COMMAND.finditer(text):
            for invocation in re.split(r" \| (?=[a-z]+\b)", match[1].split("  ")[0]):
                unknown += unknown_words(invocation)
    assert unknown == []


def unknown_words(invocation: str) -> list[str]:
    """Return the command if it does not exist, else its options that do not."""
    words = invocation.rstrip(").").split()
    path = " ".join(words[:2]) if words[0] in GROUPS and len(words) > 1 else words[0]
    if path in GROUPS or (path.split(" ")[0] in GROUPS and not re.fullmatch(r"[a-z]+ [a-z]+", path)):
        return []
    if path not in OPTIONS:
        return [f"dealmark {path}"]
    options = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", invocation)) - {"--help"}
    return sorted(f"dealmark {path} {option}" for option in options - OPTIONS[path])


@every_page
def test_settings_exist(page: Path) -> None:
    settings = set(re.findall(r"\bDEALMARK_[A-Z][A-Z_]*[A-Z]\b", page.read_text()))
    assert settings - set(settings_by_variable()) == set()


@every_page
def test_metrics_exist(page: Path) -> None:
    named = {match[0] for text in code(page) for match in re.finditer(r"\bdealmark_[a-z_]+\b", text)}
    assert named - METRICS == set()


@every_page
def test_error_codes_and_constants_exist(page: Path) -> None:
    settings = ("DEALMARK_", "DATABASE_", "REDIS_")
    named = {span for span in spans(page) if CODE.fullmatch(span) and not span.startswith(settings)}
    assert named - ERROR_CODES - ENUM_VALUES - CONSTANTS == set()


@every_page
def test_log_events_exist(page: Path) -> None:
    prefixes = {event.split(".")[0] for event in EVENTS}
    named = {span for span in spans(page) if re.fullmatch(r"[a-z_]+(?:\.[a-z_]+)+", span)}
    named = {span for span in named if span.split(".")[0] in prefixes and not span.endswith((".py", ".csv"))}
    assert named - EVENTS == set()


@every_page
def test_identifiers_exist(page: Path) -> None:
    """Names in camel case or with an underscore occur in the sources, in the schema, or in the tests of clients.

    Metrics and triggers, which have names that are put together, have tests of their own.
    """
    pattern = re.compile(r"[A-Z][a-z]+[A-Z]\w+|[a-z]+(?:[A-Z][a-z]+)+|[a-z]+(?:_[a-z]+)+")
    named = {name for span in spans(page) if pattern.fullmatch(name := span.partition("(")[0])}
    checked = {name for name in named if not re.match(r"dealmark_|\w+_(?:insert|update|delete|truncate)(?:_|$)", name)}
    assert checked - WORDS - OTHER_WORDS == set()


def test_readme_lists_every_command() -> None:
    (listed,) = re.findall(r"`dealmark (\w+(?: \| \w+)+)`", (ROOT / "README.md").read_text())
    assert set(listed.split(" | ")) == {path.split(" ")[0] for path in OPTIONS}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_page_names_every_make_target(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"help"}
    text = (ROOT / page).read_text()
    assert "test-long" in targets
    assert [target for target in sorted(targets) if not re.search(rf"(?:`|make ){target}(?![\w-])", text)] == []
