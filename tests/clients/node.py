"""Runs the scripts of this folder in Node, with the packages of package-lock.json."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.api_server import ApiClient

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = shutil.which("node")
NPM = shutil.which("npm")
OLDEST = 20
INSTALL_SECONDS = 300
SCRIPT_SECONDS = 60


def _missing_requirement() -> str | None:
    """Return why the scripts cannot run here, None if they can."""
    if NODE is None or NPM is None:
        return f"needs Node {OLDEST} or newer, with npm"
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    found = re.match(r"v(\d+)", version)
    if found is None or int(found[1]) < OLDEST:
        return f"needs Node {OLDEST} or newer, this is {version}"
    return None


MISSING = _missing_requirement()
needs_node = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")


def install(folder: Path = HERE) -> None:
    """Run `npm ci` unless the installed packages match the lock file."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with _exclusive(folder):
        if stamp.exists() and stamp.read_text() == lock:
            return
        assert NPM is not None
        command = [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        assert done.returncode == 0, f"npm ci failed:\n{done.stderr[-2000:]}"
        stamp.write_text(lock)


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Allow one test process at a time in this folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


async def run(script: str, *arguments: str) -> bytes:
    """Run a script and return its output. Output on stderr, such as a client's warning, fails the test."""
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE, str(HERE / script), *arguments, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), SCRIPT_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, errors.decode()) == (0, ""), output.decode()
    return output


@dataclass(frozen=True)
class ClientRequest:
    """An operation for a client to run."""

    name: str
    variables: Mapping[str, Any]


@dataclass(frozen=True)
class SentRequest:
    """A request of a client and its response: `cache` is X-Cache, `control` is Cache-Control."""

    method: str
    sends: list[str]
    status: int
    type: str | None
    cache: str | None
    control: str | None

    @property
    def summary_line(self) -> tuple[str, bool, int, str | None]:
        """Return the method, whether the text was sent, the status, and X-Cache."""
        return self.method, "query" in self.sends, self.status, self.cache


@dataclass(frozen=True)
class ClientResult:
    """A client's result of one operation; `errors` are pairs of code and message."""

    data: dict[str, Any] | None
    errors: list[tuple[str | None, str]]
    requests: list[SentRequest]

    @property
    def summary(self) -> list[tuple[str, bool, int, str | None]]:
        """Return a summary of the requests."""
        return [sent.summary_line for sent in self.requests]

    @property
    def code(self) -> str | None:
        """Return the code of the only error; there must be no data."""
        assert self.data is None
        ((code, _),) = self.errors
        return code


async def client(script: str, api: ApiClient, asks: Sequence[ClientRequest], **options: Any) -> list[ClientResult]:
    """Start a client that runs these operations one after another."""
    given = {
        "url": f"{api.url}/graphql",
        "asks": [{"name": ask.name, "variables": ask.variables} for ask in asks],
        **options,
    }
    results = orjson.loads(await run(script, orjson.dumps(given).decode()))
    return [
        ClientResult(
            result["data"],
            [(code, message) for code, message in result["errors"]],
            [SentRequest(**sent) for sent in result["requests"]],
        )
        for result in results
    ]


def _without_type_names(data: Any) -> Any:
    """Remove the type names that Apollo Client adds."""
    if isinstance(data, list):
        return [_without_type_names(item) for item in data]
    if isinstance(data, dict):
        return {name: _without_type_names(value) for name, value in data.items() if name != "__typename"}
    return data


def has_page(seen: ClientResult, page: ClientRequest) -> bool:
    """Return whether the client received the page of the CPU."""
    price = {"good": 150.0, "sampleSize": 2}
    cpu = {"id": page.variables["id"], "name": "Intel Core i5-8500", "priceTarget": price}
    return (_without_type_names(seen.data), seen.errors) == ({"cpu": cpu}, [])


async def publish(api: ApiClient, manifest: Path, name: str) -> None:
    """Run `dealmark documents publish`, and wait until the running server has reloaded."""
    environment = {**os.environ, "DATABASE_URL": api.settings.required_database_url}
    command = ["-m", "app.cli", "documents", "publish", str(manifest), "--client", f"{name}@1.0.0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    async with asyncio.timeout(30):
        for document_id in _ids(manifest):
            await _until_known(api, document_id)


def _ids(manifest: Path) -> list[str]:
    content = orjson.loads(manifest.read_bytes())
    return [entry["id"] for entry in content["operations"]] if "operations" in content else list(content)


async def _until_known(api: ApiClient, document_id: str) -> None:
    while True:
        response = await api.http.get("/graphql", params={"documentId": document_id})
        if response.status_code != 404:
            return
        await asyncio.sleep(0.02)
