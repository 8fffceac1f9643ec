"""Runs the tests of `web/e2e` in Node, which drive a browser; they say in lines what is to be done to the server."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import pytest

from app.devserver import web_build
from app.devserver.web_build import SOURCES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING_NODE = web_build.missing_node()
SECONDS = 240

needs_node = pytest.mark.skipif(MISSING_NODE is not None, reason=f"the page is not built: {MISSING_NODE}")
needs_browser = pytest.mark.skipif(
    MISSING_NODE is not None or CHROMIUM is None, reason=MISSING_NODE or "needs chromium on the PATH"
)

Actions = Mapping[str, Callable[[], Awaitable[None]]]


async def run(script: str, url: str, actions: Actions) -> None:
    """A file of tests against this server. A line `@name` of its output runs that action, and is answered when done."""
    assert CHROMIUM is not None
    environment = {**os.environ, "DEALMARK_URL": url, "CHROMIUM": CHROMIUM}
    node = shutil.which("node")
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        *(node, "--test-reporter=spec", str(SOURCES / "e2e" / script)),
        cwd=SOURCES,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output = await _follow(process, actions)
            code = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert code == 0, output


async def _follow(process: asyncio.subprocess.Process, actions: Actions) -> str:
    """What it says; its wishes are fulfilled on the way."""
    assert process.stdout is not None
    assert process.stdin is not None
    lines = []
    async for raw in process.stdout:
        line = raw.decode()
        if line.startswith("@"):
            await actions[line[1:].strip()]()
            process.stdin.write(b"done\n")
            await process.stdin.drain()
        else:
            lines.append(line)
    return "".join(lines)
