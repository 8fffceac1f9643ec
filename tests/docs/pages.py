"""The README and the pages of `docs/`, with their code blocks and code spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced code block, without the indentation of its fence."""

    language: str
    title: str | None
    text: str


def name_of(page: Path) -> str:
    """Return the path of a page relative to the repository, as the id of a test."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page in their order."""
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines()]
        found.append(Block(match["language"], match["title"], "\n".join(lines)))
    return found


def spans(page: Path) -> list[str]:
    """Return the inline code of a page."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))


def code(page: Path) -> list[str]:
    """Return all code of a page: inline code, and the lines of blocks with their continuations joined."""
    lines = [line for block in blocks(page) for line in block.text.replace("\\\n", " ").splitlines()]
    return spans(page) + lines


@dataclass(frozen=True)
class Step:
    """A command of a `console` block, and the output that the page shows."""

    command: str
    output: str


def steps(block: Block) -> Iterator[Step]:
    """Yield the commands of a `console` block. A command begins with `$ ` and continues after a backslash."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*", part)
        assert command is not None
        yield Step(command[0], part[command.end() :].strip("\n"))
