"""The wording of docstrings, comments, documentation, page texts and GraphQL descriptions.

The list holds words and phrases that are archaic, or translated literally from another language. A few are harmless
where they occur, so a text may have some; a text with many is hard to read.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
MAX_MARKERS_PER_THOUSAND_WORDS = 1.5
SHOWN_LINES = 25

MARKERS = """
    anew | whoever | whomever | whose | befall | befell | nobody | somebody | so many | so long | beside | told | tells
    who asks? | what is | that is to be | is to be | are to be | to be had | what came of | comes of | came of
    became of | mend | mended | spells? | spelled | thereof | shall | makes of | is of no use | come upon | gives way
    makes it | it did not | lets go | be it | goes by | by chance | as is | none of | nor | lest | ere | apart | aside
    lately | of late | for good | from now on | at once | at it | by itself | all the same | kin | outdo | outdoes
    whatever | however | wherever | whichever
"""
PHRASES = [phrase.strip() for line in MARKERS.strip().splitlines() for phrase in line.split("|")]
MARKER = re.compile(rf"\b(?:{'|'.join(PHRASES)})\b", re.IGNORECASE)
# Comments, strings with a space in them, and text between tags.
TYPESCRIPT_PROSE = re.compile(
    r"""//([^\n]*)|/\*(.*?)\*/|'([^'\n]* [^'\n]*)'|"([^"\n]* [^"\n]*)"|`([^`]* [^`]*)`|>([^<>{}=;]* [^<>{}=;]*)<""",
    re.DOTALL,
)


class Line(NamedTuple):
    """A line of prose with its place, `app/main.py:12`."""

    place: str
    text: str


def python_prose(*folders: str) -> Iterator[Line]:
    """Yield the lines of docstrings and comments of all modules in these folders."""
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                docstring = ast.get_docstring(node)
                first = node.body[0].lineno if docstring else 0
                for number, text in enumerate((docstring or "").splitlines()):
                    yield Line(f"{name}:{first + number}", text)
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield Line(f"{name}:{token.start[0]}", token.string.lstrip("# "))


def markdown_prose(*paths: Path) -> Iterator[Line]:
    """Yield the lines of Markdown files outside of code."""
    for path in paths:
        fenced = False
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if text.lstrip().startswith("```"):
                fenced = not fenced
            elif not fenced:
                yield Line(f"{path.relative_to(ROOT).as_posix()}:{number}", re.sub(r"`[^`]*`", " ", text))


def typescript_prose() -> Iterator[Line]:
    """Yield comments, and the texts that people read: sentences in quotes and between tags."""
    for path in sorted((ROOT / "web" / "src").rglob("*.ts*")):
        if "gql" in path.parts:  # generated
            continue
        source = path.read_text(encoding="utf-8")
        for match in TYPESCRIPT_PROSE.finditer(source):
            number = source.count("\n", 0, match.start()) + 1
            text = match[match.lastindex or 0]
            for offset, line in enumerate(text.splitlines()):
                yield Line(f"{path.relative_to(ROOT).as_posix()}:{number + offset}", line)


def schema_prose() -> Iterator[Line]:
    """Yield the lines of descriptions."""
    source = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    for match in re.finditer(r'"""(.*?)"""', source, re.DOTALL):
        number = source.count("\n", 0, match.start()) + 1
        for offset, line in enumerate(match[1].splitlines()):
            yield Line(f"schema.graphql:{number + offset}", line)


TEXTS = {
    "app": lambda: python_prose("app"),
    "jobs": lambda: python_prose("jobs"),
    "README": lambda: markdown_prose(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    "docs": lambda: markdown_prose(*sorted((ROOT / "docs").rglob("*.md"))),
    "web/README": lambda: markdown_prose(ROOT / "web" / "README.md"),
    "web/src": typescript_prose,
    "schema": schema_prose,
}


@pytest.mark.parametrize("name", TEXTS)
def test_prose_has_few_markers(name: str) -> None:
    lines = list(TEXTS[name]())
    words = sum(len(line.text.split()) for line in lines)
    found = [(line, MARKER.findall(line.text)) for line in lines if MARKER.search(line.text)]
    markers = sum(len(matches) for _, matches in found)
    worst = sorted(found, key=lambda each: -len(each[1]))[:SHOWN_LINES]
    shown = "\n".join(f"{line.place}: {', '.join(matches)}: {line.text.strip()}" for line, matches in worst)
    assert words > 100
    rate = 1000 * markers / words
    assert rate < MAX_MARKERS_PER_THOUSAND_WORDS, f"{markers} markers in {words} words, {rate:.1f} per 1,000:\n{shown}"
