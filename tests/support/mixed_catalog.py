"""A catalogue with ties and nulls in every column, and a Python implementation of filters and orderings."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from app.db.tables import cpu
from app.resources import Resources
from tests.support.catalog_rows import add_listing

CpuRows = list[dict[str, Any]]

NAMES = [
    "Core i5-8500T",
    "Core i7-8700",
    "CORE 2 Quad Q6600",
    "N100",
    "50%_off\\special",
    "Ryzen 5 PRO 4650GE",
    "é-Öl 中",
]

# GraphQL filter field -> column, for lists and for ranges.
LIST_FILTERS = {"manufacturer": "manufacturer", "socket": "socket", "category": "category", "rating": "value_rating"}
RANGE_FILTERS = {
    "cores": "cores",
    "threads": "threads",
    "tdpW": "tdp_w",
    "releaseYear": "release_year",
    "cpuMarkMulti": "cpu_mark_multi",
    "cpuMarkSingle": "cpu_mark_single",
    "igpuMark": "igpu_mark",
    "price": "price_good",
    "dollarPerMarkMulti": "dollar_per_mark_multi",
    "dollarPerMarkSingle": "dollar_per_mark_single",
    "percentile": "value_percentile",
}
# GraphQL order field -> column.
ORDER_FIELDS = {
    "NAME": "name",
    "MANUFACTURER": "manufacturer",
    "SOCKET": "socket",
    "CATEGORY": "category",
    "CORES": "cores",
    "THREADS": "threads",
    "TDP_W": "tdp_w",
    "RELEASE_YEAR": "release_year",
    "CPU_MARK_MULTI": "cpu_mark_multi",
    "CPU_MARK_SINGLE": "cpu_mark_single",
    "IGPU_MODEL": "igpu_model",
    "IGPU_MARK": "igpu_mark",
    "PRICE_GREAT": "price_great",
    "PRICE_GOOD": "price_good",
    "PRICE_FAIR": "price_fair",
    "PRICE_STDDEV": "price_stddev",
    "SAMPLE_SIZE": "price_sample_size",
    "DOLLAR_PER_MARK_MULTI": "dollar_per_mark_multi",
    "DOLLAR_PER_MARK_SINGLE": "dollar_per_mark_single",
    "PERCENTILE": "value_percentile",
    "PERCENTILE_SINGLE": "value_percentile_single",
}

# A page of CPUs, with every argument of the field.
PAGE_QUERY = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: CPUFilter, $orderBy: [CPUOrder!]) {
  cpus(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { id } } nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""


async def fill_mixed_catalog(resources: Resources, size: int = 40) -> CpuRows:
    """Store the catalogue. Return its rows by ascending id, each with `id` and the number of active `listings`."""
    chance = random.Random(7)
    rows = [_row(chance, number) for number in range(size)]
    async with resources.write() as tx:
        for row in rows:
            row["id"] = int(await tx.scalar(cpu.insert().values(row).returning(cpu.c.id)))
            row["listings"] = chance.choice([0, 0, 1, 3])
            for status in ["active"] * row["listings"] + ["sold", "ended", "pending"] * chance.choice([0, 1]):
                await add_listing(tx, row["id"], 10, status=status)
    return rows


def _row(chance: random.Random, number: int) -> dict[str, Any]:
    def some(*values: Any) -> Any:
        return chance.choice([None, *values])

    name = f"{chance.choice(['Intel', 'AMD', ''])} {chance.choice(NAMES)} {number // 2}{'x' * (number % 2)}".strip()
    thirds = [Decimal(n) / 3 for n in (1, 2, 4)]
    return {
        "name": name,
        "slug": f"cpu-{number}",
        "manufacturer": chance.choice(["Intel", "AMD", "Unknown", "Wörk & Co"]),
        "socket": some("AM4", "FCLGA1151", "am4"),
        "category": some("Desktop", "Laptop"),
        "cores": some(2, 4, 16),
        "threads": some(4, 8),
        "tdp_w": some(15, 35, 65),
        "release_year": some(2008, 2018, 2023),
        "cpu_mark_multi": some(0, 900, 12_000),
        "cpu_mark_single": some(800, 2_500),
        "igpu_model": some("UHD 630", ""),
        "igpu_mark": some(1_000),
        "price_great": some(Decimal("0.00"), Decimal("19.99")),
        "price_good": some(Decimal("0.10"), Decimal("19.99"), Decimal("20.00"), Decimal("99999999999999.99")),
        "price_fair": some(Decimal("120.50")),
        "price_stddev": some(Decimal("0.00"), Decimal("3.30")),
        "price_sample_size": chance.choice([0, 1, 2, 4, 5, 9, 10, 200]),
        "dollar_per_mark_multi": some(*thirds, Decimal("0.0123")),
        "dollar_per_mark_single": some(*thirds),
        "value_percentile": some(Decimal("0.0"), Decimal("25.0"), Decimal("33.3"), Decimal("100.0")),
        "value_percentile_single": some(Decimal("50.0")),
        "value_rating": some("excellent", "good", "fair", "poor"),
    }


def row_matches(row: dict[str, Any], conditions: dict[str, Any]) -> bool:
    """Return whether a row satisfies a filter. Conditions that are None are ignored."""
    return all(_value_matches(row, name, wanted) for name, wanted in conditions.items() if wanted is not None)


def _value_matches(row: dict[str, Any], name: str, wanted: Any) -> bool:
    if name in RANGE_FILTERS:
        value, low, high = row[RANGE_FILTERS[name]], wanted.get("min"), wanted.get("max")
        if value is None:
            return low is None and high is None
        value = float(value)
        return (low is None or value >= low) and (high is None or value <= high)
    if name == "rating":
        return (row["value_rating"] or "").upper() in wanted
    if name in LIST_FILTERS:
        return row[LIST_FILTERS[name]] in wanted
    others: dict[str, Callable[[], bool]] = {
        "search": lambda: all(letters(word) in letters(row["name"]) for word in wanted.split()),
        "hasIgpu": lambda: (row["igpu_model"] is not None) == wanted,
        "withListings": lambda: (row["listings"] > 0) == wanted,
        "confidence": lambda: confidence_of(row["price_sample_size"]) in wanted,
    }
    return others[name]()


def letters(text: str) -> str:
    """Return only the letters and digits, in lower case."""
    return "".join(c for c in text.lower() if c.isalnum())


def confidence_of(prices: int) -> str:
    """Return the confidence of a price target that is computed from this number of prices."""
    return "HIGH" if prices >= 10 else "MEDIUM" if prices >= 5 else "LOW" if prices >= 2 else "INSUFFICIENT"


def sort_rows(rows: CpuRows, order: Sequence[tuple[str, bool]]) -> CpuRows:
    """Sort rows by pairs of (field, descending): nulls last in both directions, ties by id."""
    rows = sorted(rows, key=lambda row: int(row["id"]))
    for name, descending in reversed(order):
        column = ORDER_FIELDS[name]
        known = [row for row in rows if row[column] is not None]
        known.sort(key=lambda row: row[column], reverse=descending)
        rows = known + [row for row in rows if row[column] is None]
    return rows


def order_argument(order: Sequence[tuple[str, bool]]) -> list[dict[str, str]]:
    """Return an ordering as the value of the argument `orderBy`."""
    return [{"field": name, "direction": "DESC" if down else "ASC"} for name, down in order]
