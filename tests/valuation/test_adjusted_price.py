"""Adjusted prices: components of offers, applicable rules, deductions, and offers without an adjusted price."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.db.tables import Condition, ListingFlag, exchange_rate, listing, valuation_rule
from app.resources import Resources
from app.valuation.adjusted_price import VALUATION_INPUTS, adjusted_price, offer_attributes, valuation
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.file_imports import FileImporter, checked_counts
from tests.support.schema_execution import query_data
from tests.support.valuation_rules import adjusted_prices, create_rules, import_shop, listing_id, rule_input

LISTING = """
query ($id: ID!) { node(id: $id) { ... on Listing {
  price adjustedPrice memoryGb memoryKind storage { sizeGb kind } graphics operatingSystem quantity flags
  valuation {
    total currency exchangeRate exchangeRateDate totalUsd adjustedPrice
    deductions { component read quantity unit unitValue conditionMultiplier amount ruleId }
  }
} } }
"""
PC = "Dell OptiPlex 7060 i5-8500T 16GB DDR4 256GB SSD Win11 Pro"
BOXED = "Intel Core i5-8500T boxed"


@pytest.fixture
def importer(resources: Resources, tmp_path: Path) -> FileImporter:
    """Return an importer of listings."""
    return FileImporter(resources, tmp_path)


async def evaluate(resources: Resources, **columns: Any) -> tuple[Decimal | None, dict[str, Any] | None]:
    """Return adjusted price and valuation of a row: 100 USD, used, seen now, with these columns replaced."""
    cpu_id = await add_cpu(resources, "A CPU" + str(columns))
    async with resources.write() as tx:
        key = await add_listing(tx, cpu_id, columns.pop("price", 100), **{"adjusted_price": None, **columns})
        values = {name: f"listing.{name}" for name in VALUATION_INPUTS}
        statement = text(
            f"SELECT {adjusted_price(values)} AS price, {valuation(values)} AS valuation FROM listing WHERE id = :id"
        )
        row = await tx.row(statement, {"id": key})
    assert row is not None
    return row.price, row.valuation


async def insert_rules(resources: Resources, *rules: dict[str, Any]) -> None:
    """Create rules that are in force."""
    async with resources.write() as tx:
        for rule in rules:
            await tx.execute(valuation_rule.insert().values({"in_force": True, **rule}))


async def test_listing_import_reads_components_from_titles(resources: Resources, importer: FileImporter) -> None:
    await import_shop(
        resources, importer, PC, BOXED, "Lot of 5 Intel i5-8500T", "HP Z2 i5-8500T RTX 3060 12GB 1TB NVMe 2TB HDD"
    )
    listing = (await query_data(resources, LISTING, id=await listing_id(resources, PC)))["node"]
    assert listing["valuation"]["deductions"] == []
    del listing["valuation"]
    assert listing == {
        "price": 200,
        "adjustedPrice": 210,
        "memoryGb": 16,
        "memoryKind": "DDR4",
        "storage": [{"sizeGb": 256, "kind": "SSD"}],
        "graphics": None,
        "operatingSystem": "Windows 11 Pro",
        "quantity": 1,
        "flags": [],
    }
    listing = (await query_data(resources, LISTING, id=await listing_id(resources, BOXED)))["node"]
    assert listing["valuation"] == {
        "total": 210,
        "currency": "USD",
        "exchangeRate": 1,
        "exchangeRateDate": None,
        "totalUsd": 210,
        "adjustedPrice": 210,
        "deductions": [],
    }
    assert (listing["memoryGb"], listing["storage"], listing["quantity"]) == (None, [], 1)
    lot = (await query_data(resources, LISTING, id=await listing_id(resources, "Lot of 5 Intel i5-8500T")))["node"]
    assert (lot["quantity"], lot["price"], lot["adjustedPrice"], lot["valuation"]) == (5, 200, None, None)
    assert await importer.rows("SELECT storage, graphics FROM listing WHERE title LIKE 'HP Z2%'") == [
        ([{"size_gb": 1000, "kind": "NVMe SSD"}, {"size_gb": 2000, "kind": "HDD"}], "RTX 3060")
    ]


async def test_valuation_lists_deductions(resources: Resources, importer: FileImporter) -> None:
    await import_shop(resources, importer, PC, BOXED)
    memory, storage, windows = await create_rules(
        resources,
        rule_input("MEMORY", "GB", 2.5, "ddr4", conditionMultipliers=[{"condition": "USED", "multiplier": 0.6}]),
        rule_input("STORAGE", "GB", 0.0666),
        rule_input("OPERATING_SYSTEM", "ITEM", 15, "Windows"),
    )
    # 210 - 16 x 2.5 x 0.6 - 256 x 0.0666 - 15 = 153.9504
    assert await adjusted_prices(resources) == {PC: Decimal("153.95"), BOXED: Decimal("210.00")}
    valuation = (await query_data(resources, LISTING, id=await listing_id(resources, PC)))["node"]["valuation"]
    assert valuation == {
        "total": 210,
        "currency": "USD",
        "exchangeRate": 1,
        "exchangeRateDate": None,
        "totalUsd": 210,
        "adjustedPrice": 153.95,
        "deductions": [
            {
                "component": "MEMORY",
                "read": "16 GB DDR4",
                "quantity": 16,
                "unit": "GB",
                "unitValue": 2.5,
                "conditionMultiplier": 0.6,
                "amount": 24,
                "ruleId": memory,
            },
            {
                "component": "STORAGE",
                "read": "256 GB SSD",
                "quantity": 256,
                "unit": "GB",
                "unitValue": 0.0666,
                "conditionMultiplier": 1,
                "amount": 17.0496,
                "ruleId": storage,
            },
            {
                "component": "OPERATING_SYSTEM",
                "read": "Windows 11 Pro",
                "quantity": 1,
                "unit": "ITEM",
                "unitValue": 15,
                "conditionMultiplier": 1,
                "amount": 15,
                "ruleId": windows,
            },
        ],
    }


async def test_valuation_converts_price_and_shipping_to_usd(resources: Resources, importer: FileImporter) -> None:
    async with resources.write() as tx:
        await tx.execute(
            exchange_rate.insert().values(currency="EUR", date=text("'2025-01-02'"), usd=Decimal("1.0321"))
        )
    await import_shop(resources, importer)
    await create_rules(resources, rule_input("MEMORY", "GB", 2))
    title = "i5-8500T 8GB"
    await importer.listings(
        "title,cpu,price,currency,condition,marketplace,shipping,seen_at\n"
        f"{title},Intel Core i5-8500T,99.99,EUR,new,ebay,4.99,2025-01-05T00:00:00Z\n"
    )
    listing = (await query_data(resources, LISTING, id=await listing_id(resources, title)))["node"]
    # (99.99 + 4.99) x 1.0321 - 16 = 92.349858
    assert listing["adjustedPrice"] == 92.35
    assert listing["valuation"]["total"] == 104.98
    assert listing["valuation"]["totalUsd"] == 108.349858
    assert listing["valuation"]["exchangeRateDate"] == "2025-01-02T00:00:00+00:00"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "100"),
        ({"shipping": "5.55"}, "105.55"),
        ({"price": 0}, "0"),
        ({"price": None, "shipping": 5}, None),
        ({"condition": Condition.FOR_PARTS}, None),
        ({"condition": Condition.FOR_PARTS, "memory_gb": 8}, None),
        ({"quantity": 2}, None),
        ({"flags": [ListingFlag.BUNDLE]}, None),
        ({"flags": [ListingFlag.LOT, ListingFlag.AUCTION], "memory_gb": 8}, None),
        ({"currency": "EUR"}, None),
        ({"currency": "EUR", "price": None}, None),
        ({"memory_kind": "DDR4"}, "100"),
        ({"memory_gb": 8}, "84"),
        ({"memory_gb": 8, "condition": Condition.NEW}, "80"),
        ({"memory_gb": 8, "memory_kind": "DDR4"}, "76"),
        ({"memory_gb": 8, "memory_kind": "DDR5"}, "84"),
        ({"storage": [{"size_gb": 256, "kind": None}]}, "100"),
        ({"storage": [{"size_gb": 256, "kind": "HDD"}]}, "100"),
        ({"storage": [{"size_gb": 256, "kind": "SSD"}]}, "87.2"),
        ({"storage": [{"size_gb": 256, "kind": "NVMe SSD"}]}, "74.4"),
        ({"storage": [{"size_gb": 256, "kind": "SSD"}, {"size_gb": 100, "kind": "SSD"}]}, "82.2"),
        ({"graphics": "RTX 3060"}, "40"),
        ({"graphics": "GeForce RTX 3060 Ti"}, "30"),
        ({"graphics": "RTX 30601"}, "100"),
        ({"operating_system": "Windows 11 Pro"}, "85"),
        ({"operating_system": "Linux"}, "100"),
        # The components are worth at least the price: there is no adjusted price.
        ({"price": 16, "memory_gb": 8}, None),
        ({"price": 15, "memory_gb": 8}, None),
        ({"price": "16.004", "memory_gb": 8}, None),
        ({"price": "16.01", "memory_gb": 8}, "0.01"),
    ],
)
async def test_adjusted_price_of_each_kind_of_offer(
    resources: Resources, columns: dict[str, Any], expected: str | None
) -> None:
    await insert_rules(
        resources,
        {"component": "memory", "unit": "gb", "value_usd": 2, "condition_multipliers": {"new": 1.25}},
        {"component": "memory", "unit": "gb", "value_usd": 3, "kind": "ddr4"},
        {"component": "storage", "unit": "gb", "value_usd": "0.05", "kind": "SSD"},
        {"component": "storage", "unit": "gb", "value_usd": "0.1", "kind": "NVMe SSD"},
        {"component": "graphics", "unit": "item", "value_usd": 60, "kind": "RTX 3060"},
        {"component": "graphics", "unit": "item", "value_usd": 70, "kind": "rtx 3060 ti"},
        {"component": "operating_system", "unit": "item", "value_usd": 15, "kind": "Windows"},
    )
    price, details = await evaluate(resources, **columns)
    assert price == (None if expected is None else Decimal(expected))
    if details is not None:
        assert details["adjusted"] == (None if price is None else float(price))
        left = details["total_usd"] - sum(deduction["amount"] for deduction in details["deductions"])
        assert price is None or abs(left - float(price)) < 0.006


async def test_valuation_uses_newest_rule_in_force(resources: Resources) -> None:
    ages = {"2020-01-01": 1, "2024-01-01": 2, "2999-01-01": 9}
    for since, amount in ages.items():
        at = text(f"'{since}'::timestamptz")
        await insert_rules(resources, {"component": "memory", "unit": "gb", "value_usd": amount, "valid_from": at})
    assert (await evaluate(resources, memory_gb=8))[0] == 84
    # A rule with a longer kind applies regardless of its age; with value 0 it ends other rules.
    at = text("'2019-01-01'::timestamptz")
    await insert_rules(
        resources, {"component": "memory", "unit": "gb", "value_usd": 0, "valid_from": at, "kind": "DDR3"}
    )
    price, details = await evaluate(resources, memory_gb=8, memory_kind="DDR3")
    assert price == 100
    assert details is not None
    assert [deduction["amount"] for deduction in details["deductions"]] == [0]


def test_offer_attributes_uses_page_texts_without_title_mention() -> None:
    attributes = offer_attributes(
        "HP ProDesk i5-8500T", memory="16 GB DDR4", storage="512GB SSD", flags=[ListingFlag.AUCTION]
    )
    assert attributes == {
        "memory_gb": 16,
        "memory_kind": "DDR4",
        "storage": [{"size_gb": 512, "kind": "SSD"}],
        "graphics": None,
        "operating_system": None,
        "quantity": 1,
        "flags": ["auction"],
    }
    attributes = offer_attributes("HP ProDesk i5-8500T 8GB RAM 1TB HDD", memory="16 GB", storage="512GB SSD")
    assert (attributes["memory_gb"], attributes["storage"]) == (8, [{"size_gb": 1000, "kind": "HDD"}])
    attributes = offer_attributes("i5-8500T", memory="as much as you like", storage="")
    assert (attributes["memory_gb"], attributes["storage"], attributes["flags"]) == (None, None, None)


@pytest.mark.parametrize("size", ["99999999999999GB", "0GB", "9999999TB"])
async def test_offer_attributes_ignores_impossible_sizes(
    resources: Resources, importer: FileImporter, size: str
) -> None:
    await import_shop(resources, importer, f"i5-8500T {size} RAM {size} SSD")
    assert await importer.rows("SELECT memory_gb, storage, adjusted_price FROM listing") == [(None, None, Decimal(210))]


async def test_listing_import_keeps_attributes_of_other_sources(resources: Resources, importer: FileImporter) -> None:
    await import_shop(resources, importer, "Dell OptiPlex i5-8500T")
    await create_rules(resources, rule_input("MEMORY", "GB", 2))
    async with resources.write() as tx:
        await tx.execute(listing.update().values(memory_gb=8))
    row = "Dell OptiPlex i5-8500T,Intel Core i5-8500T,{},USD,used,ebay,10,\n"
    header = "title,cpu,price,currency,condition,marketplace,shipping,seen_at\n"
    assert checked_counts(await importer.listings(header + row.format(150))) == (0, 1, 0, 0)
    assert await importer.rows("SELECT memory_gb, adjusted_price FROM listing") == [(8, Decimal(144))]
    assert checked_counts(await importer.listings(header + row.format(150))) == (0, 0, 1, 0)


NO_PRICE = (
    "Intel Core i5-8500T for parts, not working",
    "Intel Core i5-8500T + ASUS Prime motherboard",
    "Job lot Intel Core i5-8500T",
    "Intel Core i5-8500T, konvolut",
)


async def test_listing_import_title_flags_remove_adjusted_price(resources: Resources, importer: FileImporter) -> None:
    """The title overrides the condition of the row."""
    await import_shop(resources, importer, BOXED, *NO_PRICE)
    assert await adjusted_prices(resources) == {BOXED: 210, **dict.fromkeys(NO_PRICE)}
    bare = "title,cpu,price,marketplace,vendor_item_id\n"
    rows = [f'"{title}",Intel Core i5-8500T,90,shop,{{}}\n' for title in (BOXED, *NO_PRICE)]
    first = [rows[0].format(number) for number in range(len(rows))]
    await importer.listings(bare + "".join(first))
    await importer.listings(bare + "".join(row.format(number) for number, row in enumerate(rows)))
    async with resources.read() as session:
        listings = await session.rows(
            text("SELECT title, adjusted_price FROM listing WHERE marketplace = 'shop' ORDER BY id")
        )
    assert {row.title: row.adjusted_price for row in listings} == {BOXED: 90, **dict.fromkeys(NO_PRICE)}
