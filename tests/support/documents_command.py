"""The command `dealmark documents` on the database of a test."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.support.command_line import CommandResult, CommandRunner


@pytest.fixture
def documents(dealmark: CommandRunner, database_url: str) -> CommandRunner:
    """Run `dealmark documents` on the database of the test."""

    def run(*arguments: object) -> CommandResult:
        return dealmark("documents", *map(str, arguments), DATABASE_URL=database_url)

    return run


def write_manifest(folder: Path, content: object, name: str = "manifest.json") -> Path:
    path = folder / name
    path.write_bytes(orjson.dumps(content))
    return path
