"""`dealmark import listings` with a million rows, compared with a COPY of the same file: at most five times as long."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import asyncpg

from app.db import schema_version
from app.devserver.embedded import EmbeddedPostgres
from app.market.imports.importer import LISTING_COLUMNS
from bench.database import CPUS_FILE, ROOT

ROWS = 1_000_000
MAX_RATIO = 5.0

# Ends of titles, after the name of the CPU. Nine in ten listings offer a single CPU.
SINGLE_CPU = "CPU processor, tested, ships from stock"
TITLES = (
    *[SINGLE_CPU] * 18,
    "mini PC, 16GB RAM, 512GB SSD, Windows 11 Pro, tested",
    "CPU processor, untested, lot of 5, from stock",
)

BARE_TABLE = """
CREATE TABLE bare (
    title text, cpu text, price numeric(12, 2), currency text, condition text, marketplace text, seller text,
    vendor_item_id text, url text, status text, seen_at timestamptz, shipping numeric(12, 2),
    id bigint GENERATED ALWAYS AS IDENTITY
)
"""
# As those of the table `listing`: primary key, offer key, and the active listings of a CPU.
BARE_INDEXES = (
    "ALTER TABLE bare ADD PRIMARY KEY (id)",
    "CREATE UNIQUE INDEX ON bare (md5(marketplace || chr(31) || coalesce(vendor_item_id, title || chr(31) || seller)))",
    "CREATE INDEX ON bare (cpu, price, id) WHERE status = 'active'",
)


def main() -> None:
    """Print seconds and ratios."""
    with tempfile.TemporaryDirectory(prefix="dealmark-bench-") as folder:
        home = Path(folder)
        file = home / "listings.csv"
        rows = ROWS // 10 if "--quick" in sys.argv else ROWS
        write_listings(file, cpu_names(CPUS_FILE), rows)
        print(f"{rows:,} rows, {file.stat().st_size / 1e6:.0f} MB")
        server = EmbeddedPostgres(home / "postgres")
        url = server.start()
        try:
            schema_version.upgrade(url)
            compare(url, file)
        finally:
            server.stop()


def compare(url: str, file: Path) -> None:
    """Import the file twice, each time between two bare loads. Compare with the median of the bare loads."""
    run_import(url, "cpus", CPUS_FILE)
    bare = [asyncio.run(bare_load(url, file))]
    imports = []
    for _ in range(2):
        imports.append(run_import(url, "listings", file))
        bare.append(asyncio.run(bare_load(url, file)))
    print(f"bare COPY and indexes  {', '.join(f'{seconds:.1f}' for seconds in bare)} s")
    for title, (seconds, peak) in zip(("import listings", "the same file again"), imports, strict=True):
        ratio = seconds / median(bare)
        print(f"{title:<21}  {seconds:.1f} s, {ratio:.2f} x bare (at most {MAX_RATIO:g}), peak memory {peak:.0f} MB")


async def bare_load(url: str, file: Path) -> float:
    """Return the seconds of a COPY into a typed table and its index builds, in one transaction as the import."""
    connection = await asyncpg.connect(url)
    try:
        start = time.perf_counter()
        async with connection.transaction():
            await connection.execute(BARE_TABLE)
            await connection.copy_to_table(
                "bare", source=file, columns=list(LISTING_COLUMNS), format="csv", header=True
            )
            for statement in BARE_INDEXES:
                await connection.execute(statement)
        seconds = time.perf_counter() - start
        await connection.execute("DROP TABLE bare")
        await connection.execute("CHECKPOINT")
        return seconds
    finally:
        await connection.close()


def run_import(url: str, kind: str, file: Path) -> tuple[float, float]:
    """Run the command. Return its seconds and its peak memory in MB."""
    command = [sys.executable, "-m", "app.cli", "import", kind, str(file)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        print("  " + process.stdout.read().decode().replace("\n", " "))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The import of {kind} failed.")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def cpu_names(cpus: Path) -> list[str]:
    """Return the names of CPUs that can be imported unchanged."""
    if cpus.suffix == ".json":
        return [row["name"] for row in json.loads(cpus.read_text())["data"] if int(row["cpuCount"]) == 1]
    with cpus.open(newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]


def write_listings(file: Path, names: list[str], rows: int) -> None:
    """Write a typical file. One row in six has no vendor id, one in ten no seller."""
    rng = random.Random(1)
    conditions = ["new", "used", "Used", "refurbished", "Renewed", "open_box", "for parts", ""]
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(LISTING_COLUMNS)
        for number in range(rows):
            name = rng.choice(names)
            identifier = f"{(number * 2_654_435_761) % 2**40:012d}"
            writer.writerow([
                f"{name} {rng.choice(TITLES)}, no. {number}",
                name,
                f"{rng.lognormvariate(4.5, 1):.2f}",
                rng.choice(("USD", "USD", "USD", "EUR", "")),
                rng.choice(conditions),
                rng.choice(("ebay.com", "amazon.com", "newegg.com", "backmarket.com")),
                "" if number % 10 == 0 else f"seller-{rng.randrange(5000)}",
                "" if number % 6 == 0 else identifier,
                f"https://example.com/itm/{identifier}",
                rng.choice(("active", "active", "active", "sold", "")),
                f"2025-{rng.randrange(1, 13):02d}-{rng.randrange(1, 28):02d}T{rng.randrange(24):02d}:15:00Z",
                rng.choice(("", "0", "4.99", "12.50")),
            ])  # fmt: skip


if __name__ == "__main__":
    main()
