"""`python -m bench [NAME ...] [--quick] [--only PART]`: run these benchmarks, or all of them."""

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

BENCH_DIR = Path(__file__).parent


def main() -> None:
    """Run the benchmarks. Raises SystemExit for an unknown name."""
    configure_logging("console", "ERROR", sys.stderr)
    parser = ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="run fewer and shorter rounds")
    parser.add_argument("--only", metavar="PART", help="run one part of the benchmark `graphql`")
    names = parser.parse_args().names
    modules = {path.stem: import_module(f"bench.{path.stem}") for path in sorted(BENCH_DIR.glob("[!_]*.py"))}
    benchmarks = {name: module for name, module in modules.items() if hasattr(module, "main")}
    if unknown := [name for name in names if name not in benchmarks]:
        raise SystemExit(f"Unknown benchmark {', '.join(unknown)}: choose from {', '.join(benchmarks)}.")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"{machine}, Python {platform.python_version()}, PostgreSQL {postgres_version()}")
    for name in names or benchmarks:
        print(f"\n{name}: {(benchmarks[name].__doc__ or '').strip()}", flush=True)
        benchmarks[name].main()


def postgres_version() -> str:
    """Return the version of the embedded PostgreSQL."""
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
