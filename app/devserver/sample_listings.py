"""Offers that nobody made: listings for the sample catalogue, the same ones for the same seed and time.

They are offers of a CPU alone, not of a PC that has it: a price target is made of what the CPU costs.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from app.bulk_import.records import Row
from app.db.tables import Condition, ListingStatus
from app.market.imports.importer import LISTING_COLUMNS

SEED = 2_025
THIS_YEAR = 2025  # of the marks, whose worth falls with the age of the chip
DOLLARS_PER_MARK = 0.0105
YEARLY_LOSS = 0.07
LEAST_PRICE = 6.0
DAYS = 30

# Share of the offers, and price relative to a new one.
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
    """Records for the import of listings: a few CPUs with hardly any offers, most with 10 to 40."""

    columns = LISTING_COLUMNS

    def __init__(self, cpus: Iterable[Mapping[str, str]], now: datetime, seed: int = SEED) -> None:
        self._cpus = list(cpus)
        self._now = now.astimezone(UTC)
        self._chance = random.Random(seed)  # noqa: S311 - it must be predictable

    def __iter__(self) -> Iterator[Row]:
        line = 0
        for cpu in self._cpus:
            offers = self._chance.randint(0, 4) if self._chance.random() < 0.12 else self._chance.randint(10, 36)
            for _ in range(offers):
                line += 1
                cells = self._offer(cpu)
                yield line, [cells[column] for column in LISTING_COLUMNS]

    def _offer(self, cpu: Mapping[str, str]) -> dict[str, str]:
        chance = self._chance
        condition = self._pick({condition: share for condition, (share, _) in CONDITIONS.items()})
        marketplace = self._pick(MARKETPLACES)
        item = f"S{chance.randrange(10**11):011d}"
        seen = self._now - timedelta(seconds=chance.randrange(DAYS * 86_400))
        titles = LAPTOP_TITLES if cpu["category"] == "Laptop" else TITLES
        name = cpu["name"].partition(" @ ")[0]  # no seller writes "@ 2.10GHz"
        return {
            "title": chance.choice(titles).format(name=name, cores=cpu["cores"]),
            "cpu": cpu["name"],
            "price": self._price(cpu, condition),
            "currency": self._pick(CURRENCIES),
            "condition": condition,
            "marketplace": marketplace,
            "seller": chance.choice(SELLERS),
            "vendor_item_id": item if marketplace != "forum" else "",
            "url": f"https://example.com/{marketplace}/{item}",
            "status": self._pick(STATUSES),
            "seen_at": seen.isoformat(timespec="seconds"),
            "shipping": chance.choice(("", "0", "0", "0", "4.99", "5.50", "7.95", "12.00")),
        }

    def _price(self, cpu: Mapping[str, str], condition: str) -> str:
        """What the chip's speed and age make it worth, spread as offers are; one in fifty is far off."""
        chance = self._chance
        age = max(THIS_YEAR - int(cpu["release_year"] or THIS_YEAR - 5), 0)
        worth = int(cpu["cpu_mark_multi"] or 2000) * DOLLARS_PER_MARK * (1 - YEARLY_LOSS) ** age
        if cpu["category"] == "Laptop":
            worth *= 0.75
        price = worth * CONDITIONS[Condition(condition)][1] * chance.lognormvariate(0, 0.13)
        if chance.random() < 0.02:
            price *= chance.choice((0.35, 2.5, 3.5))
        return f"{max(int(price), LEAST_PRICE - 1) + chance.choice((0, 0.5, 0.95, 0.99)):.2f}"

    def _pick(self, shares: Mapping[str, float]) -> str:
        return str(self._chance.choices(list(shares), list(shares.values()))[0])
