"""`python -m bench [NAME ...] [--quick] [--only PART]` runs these benchmarks, or all of them."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

import asyncpg

from app.core.logging import configure_logging
from app.devserver.embedded import EmbeddedPostgres

HERE = Path(__file__).parent


def main() -> None:
    """Raises SystemExit, one sentence, for a name of no benchmark."""
    configure_logging("console", "ERROR", sys.stderr)
    parser = ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", metavar="PART", help="a part of the benchmark of that name; graphql has parts")
    names = parser.parse_args().names
    known = {path.stem: import_module(f"bench.{path.stem}") for path in sorted(HERE.glob("[!_]*.py"))}
    benchmarks = {name: module for name, module in known.items() if hasattr(module, "main")}
    if unknown := [name for name in names if name not in benchmarks]:
        raise SystemExit(f"No benchmark {', '.join(unknown)}; there are {', '.join(benchmarks)}.")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"{machine}, Python {platform.python_version()}, PostgreSQL {postgres_version()}")
    for name in names or benchmarks:
        print(f"\n{name}: {(benchmarks[name].__doc__ or '').strip()}", flush=True)
        benchmarks[name].main()


def postgres_version() -> str:
    """Of the embedded server that the benchmarks use."""
    with tempfile.TemporaryDirectory(prefix="dealmark-bench-") as folder:
        server = EmbeddedPostgres(Path(folder))
        try:
            return asyncio.run(_version(server.start()))
        finally:
            server.stop()


async def _version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
