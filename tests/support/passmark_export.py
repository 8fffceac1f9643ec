"""A small PassMark export of our own: the format of the site, real CPU names, made-up marks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson

from tests.titles.catalog_names import NAMES

# CPUs of the price snapshots: three with tested price curves, four that shops call by the bare number ("AMD 5350").
PRICED = (
    "AMD Ryzen 7 7800X3D",
    "Intel Core i9-10850K @ 3.60GHz",
    "Intel Core i9-14900K",
    "AMD Athlon 5150 APU",
    "AMD Athlon 5350 APU",
    "AMD Sempron 2650 APU",
    "AMD Sempron 3850 APU",
)
# Names without a model number, as the export has them; no title may match them.
WITHOUT_MODEL = ("Intel Pentium 4 3.00GHz", "Intel Xeon @ 2.00GHz", "06/5f", "AArch64")
# Real specifications where a test looks at the row; the marks are round numbers of our own.
SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "Intel Core i9-12900K": {
        "cpumark": "41,000",
        "thread": "4,100",
        "tdp": "241",
        "date": "Nov 2021",
        "socket": "FCLGA1700",
        "cat": "Desktop",
        "cores": "8",
        "logicals": "2",
        "secondaryCores": "8",
        "secondaryLogicals": "1",
    },
    "06/5f": {"tdp": "NA", "date": "NA", "socket": "Unknown", "cat": "Unknown"},
}
# (name, number of CPUs in one machine): rows that stand for several physical CPUs.
SEVERAL_CPUS = (("Intel Xeon X5650 @ 2.67GHz", 2), ("Intel Xeon E5-2620 v4 @ 2.10GHz", 2), ("AMD Opteron 6272", 4))


def export_rows() -> list[dict[str, Any]]:
    """Return the rows of the export; the same ones on each call."""
    names = dict.fromkeys((*NAMES, *PRICED, *WITHOUT_MODEL))
    rows = [_row(name, 1) for name in names] + [_row(name, count) for name, count in SEVERAL_CPUS]
    return [{"id": str(number), "rank": number, **row} for number, row in enumerate(rows, start=1)]


def write_export(path: Path) -> Path:
    """Write the export to `path` and return it."""
    path.write_bytes(orjson.dumps({"data": export_rows()}))
    return path


def _row(name: str, cpu_count: int) -> dict[str, Any]:
    """Return a row as the site prints it: text in all figures, "NA" for what is not known."""
    numbers = random.Random(f"{name} {cpu_count}")
    cores = numbers.choice([2, 4, 6, 8, 12, 16])
    thread = numbers.randrange(400, 4500)
    return {
        "name": name,
        "price": f"${numbers.randrange(2000, 90000) / 100:,.2f}*" if numbers.random() < 0.7 else "NA",
        "cpumark": f"{thread * cores * cpu_count // 2:,}",
        "thread": f"{thread:,}",
        "value": "NA",
        "threadValue": "NA",
        "tdp": str(numbers.choice([15, 35, 65, 95, 125])) if numbers.random() < 0.9 else "NA",
        "powerPerf": "NA",
        "date": f"{numbers.choice(['Jan', 'Apr', 'Aug'])} {numbers.randrange(2008, 2025)}",
        "socket": numbers.choice(["FCLGA1151", "FCLGA1700", "AM4", "AM5", "Unknown"]),
        "cat": numbers.choice(["Desktop", "Laptop", "Server", "Mobile/Embedded"]),
        "speed": str(numbers.randrange(1000, 4000)),
        "turbo": "NA",
        "cpuCount": cpu_count,
        "cores": str(cores),
        "logicals": numbers.choice(["1", "2"]),
        "secondaryCores": "0",
        "secondaryLogicals": "0",
        "samples": str(numbers.randrange(1, 3000)),
        **SPECIFICATIONS.get(name, {}),
    }
