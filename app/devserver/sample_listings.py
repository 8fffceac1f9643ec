"""Generated listings for the sample catalogue: the same ones for the same seed and time.

They offer single CPUs, not computers, because price targets are calculated from the price of the CPU.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from app.bulk_import.records import NumberedRow
from app.db.tables import Condition, ListingStatus
from app.market.imports.importer import LISTING_COLUMNS

SEED = 2_025
BENCHMARK_YEAR = 2025  # the year of the benchmark marks
DOLLARS_PER_MARK = 0.0105
YEARLY_DEPRECIATION = 0.07
MIN_PRICE = 6.0
MAX_AGE_DAYS = 30

# Share of the listings, and price relative to a new CPU.
CONDITIONS = {
    Condition.NEW: (0.22, 1.0),
    Condition.OPEN_BOX: (0.08, 0.9),
    Condition.REFURBISHED: (0.14, 0.8),
    Condition.USED: (0.48, 0.7),
    Condition.FOR_PARTS: (0.03, 0.3),
    Condition.UNKNOWN: (0.05, 0.68),
}
STATUSES: dict[str, float] = {
    ListingStatus.ACTIVE: 0.9,
    ListingStatus.PENDING: 0.01,
    ListingStatus.SOLD: 0.06,
    ListingStatus.ENDED: 0.03,
}
CURRENCIES = {"USD": 0.97, "EUR": 0.02, "GBP": 0.01}
MARKETPLACES = {"ebay": 0.55, "amazon": 0.2, "newegg": 0.12, "backmarket": 0.05, "forum": 0.08}
SELLERS = (
    "chipyard", "second-socket", "tray-parts", "silicon-attic", "lowtdp", "refurb-lane", "server-pulls-direct",
    "benchtop", "micro-pc-spares", "goldpins", "corecount", "palletline", "thermal-paste", "pin-one", "heatspreader",
)  # fmt: skip
TITLES = (
    "{name} CPU",
    "{name} processor, tested",
    "{name} CPU tray, tested and working",
    "{name} {cores}-core processor",
    "{name} desktop CPU, pulled from a working system",
    "{name} boxed",
    "{name} OEM tray",
    "Processor {name}, cleaned, no cooler",
)
LAPTOP_TITLES = (
    "{name} BGA chip",
    "{name} mobile CPU, tested",
    "{name} processor for repair, reballed",
    "{name} {cores}-core mobile chip",
)


class SampleListings:
    """Rows for the import of listings: most CPUs have 10 to 36 listings, one in eight has at most 4."""

    columns = LISTING_COLUMNS

    def __init__(self, cpus: Iterable[Mapping[str, str]], now: datetime, seed: int = SEED) -> None:
        self._cpus = list(cpus)
        self._now = now.astimezone(UTC)
        self._random = random.Random(seed)  # noqa: S311 - must be reproducible

    def __iter__(self) -> Iterator[NumberedRow]:
        line = 0
        for cpu in self._cpus:
            count = self._random.randint(0, 4) if self._random.random() < 0.12 else self._random.randint(10, 36)
            for _ in range(count):
                line += 1
                cells = self._listing(cpu)
                yield line, [cells[column] for column in LISTING_COLUMNS]

    def _listing(self, cpu: Mapping[str, str]) -> dict[str, str]:
        rng = self._random
        condition = self._pick({condition: share for condition, (share, _) in CONDITIONS.items()})
        marketplace = self._pick(MARKETPLACES)
        item = f"S{rng.randrange(10**11):011d}"
        seen_at = self._now - timedelta(seconds=rng.randrange(MAX_AGE_DAYS * 86_400))
        titles = LAPTOP_TITLES if cpu["category"] == "Laptop" else TITLES
        name = cpu["name"].partition(" @ ")[0]  # sellers do not write "@ 2.10GHz"
        return {
            "title": rng.choice(titles).format(name=name, cores=cpu["cores"]),
            "cpu": cpu["name"],
            "price": self._price(cpu, condition),
            "currency": self._pick(CURRENCIES),
            "condition": condition,
            "marketplace": marketplace,
            "seller": rng.choice(SELLERS),
            "vendor_item_id": item if marketplace != "forum" else "",
            "url": f"https://example.com/{marketplace}/{item}",
            "status": self._pick(STATUSES),
            "seen_at": seen_at.isoformat(timespec="seconds"),
            "shipping": rng.choice(("", "0", "0", "0", "4.99", "5.50", "7.95", "12.00")),
        }

    def _price(self, cpu: Mapping[str, str], condition: str) -> str:
        """Return a price from the CPU's speed and age, with log-normal noise. One in fifty is an outlier."""
        rng = self._random
        age = max(BENCHMARK_YEAR - int(cpu["release_year"] or BENCHMARK_YEAR - 5), 0)
        value = int(cpu["cpu_mark_multi"] or 2000) * DOLLARS_PER_MARK * (1 - YEARLY_DEPRECIATION) ** age
        if cpu["category"] == "Laptop":
            value *= 0.75
        price = value * CONDITIONS[Condition(condition)][1] * rng.lognormvariate(0, 0.13)
        if rng.random() < 0.02:
            price *= rng.choice((0.35, 2.5, 3.5))
        return f"{max(int(price), MIN_PRICE - 1) + rng.choice((0, 0.5, 0.95, 0.99)):.2f}"

    def _pick(self, shares: Mapping[str, float]) -> str:
        return str(self._random.choices(list(shares), list(shares.values()))[0])
