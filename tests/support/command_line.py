"""The `dealmark` command, run inside the test process."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
import structlog

from app.cli import main

UNREACHABLE_DATABASE_URL = "postgresql://user:hunter2@127.0.0.1:1/x"


class CommandResult(NamedTuple):
    code: int
    output: str
    errors: str


CommandRunner = Callable[..., CommandResult]


@pytest.fixture
def dealmark(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[CommandRunner]:
    """Run the command with these arguments, in an environment with an empty data directory."""
    for name in list(os.environ):
        if name.startswith(("DATABASE_URL", "REDIS_URL", "DEALMARK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DEALMARK_DATA_DIR", str(tmp_path / "data"))
    root = logging.getLogger()
    handlers, level, config = root.handlers, root.level, structlog.get_config()

    def run(*arguments: str, **environment: str) -> CommandResult:
        with monkeypatch.context() as during:
            during.setattr(sys, "argv", ["dealmark", *arguments])
            for name, value in environment.items():
                during.setenv(name, value)
            with pytest.raises(SystemExit) as exited:
                main.main()
        captured = capsys.readouterr()
        return CommandResult(int(exited.value.code or 0), captured.out, captured.err)

    yield run
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**config)


def query_database(url: str, statement: str) -> list[tuple[object, ...]]:
    async def work() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(work())


def error_sentence(ran: CommandResult) -> str:
    """Return the sentence that a failed command has printed."""
    assert ran.code == 1
    assert ran.output == ""
    (sentence,) = ran.errors.splitlines()
    assert sentence.endswith(".")
    assert "hunter2" not in sentence
    return sentence
