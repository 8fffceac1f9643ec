"""Build tools of the clients, which write manifests of an application's documents."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import orjson

from tests.clients.node import HERE, NODE, ROOT, SCRIPT_SECONDS, run

SCHEMA = ROOT / "schema.graphql"
RELAY = "node_modules/relay-compiler/cli.js"
APOLLO = "node_modules/@apollo/generate-persisted-query-manifest/cli.js"


async def by_apollo(folder: Path) -> Path:
    """Run `generate-persisted-query-manifest`."""
    written = folder / "manifest.json"
    config = folder / "persisted-query-manifest.config.json"
    config.write_bytes(orjson.dumps({"documents": ["operations/*.graphql"], "output": str(written)}))
    await run(APOLLO, "--config", str(config))
    return written


async def by_codegen(folder: Path, algorithm: str) -> Path:
    """Run GraphQL Code Generator with the client preset. It also writes the documents that an application imports."""
    await run(
        "graphql_codegen.mjs",
        orjson.dumps({"schema": str(SCHEMA), "folder": str(folder), "algorithm": algorithm}).decode(),
    )
    return folder / "persisted-documents.json"


async def by_relay(folder: Path, algorithm: str) -> Path:
    """Run `relay-compiler`. It also writes the artifacts that an application imports."""
    source = folder / "src"
    source.mkdir()
    (source / "CpuPage.js").write_bytes((HERE / "relay" / "CpuPage.js").read_bytes())
    (folder / "schema.graphql").write_bytes(SCHEMA.read_bytes())
    (folder / "package.json").write_text('{"type": "module"}')
    written = folder / "persisted.json"
    written.write_text("{}")
    persist = {"file": "./persisted.json", "algorithm": algorithm}
    config = {"src": "./src", "schema": "./schema.graphql", "language": "javascript", "persistConfig": persist}
    (folder / "relay.config.json").write_bytes(orjson.dumps(config))
    await compile_relay(folder)
    return written


async def compile_relay(folder: Path) -> None:
    """It writes progress to stderr, so only the exit code shows failures."""
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE, str(HERE / RELAY), "relay.config.json", cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), SCRIPT_SECONDS)
    assert process.returncode == 0, output.decode()
