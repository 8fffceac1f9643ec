"""What an offer carries, and how its adjusted price was found, as GraphQL types."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import orjson
import strawberry

from app.core.global_ids import encode_global_id
from app.db.tables import Component, ListingFlag, RuleUnit
from app.graphql.directives import ListSize
from app.graphql.enums import graphql_enum

graphql_enum(
    Component,
    "What can be offered beside a CPU.",
    {
        "MEMORY": "Memory.",
        "STORAGE": "A drive.",
        "GRAPHICS": "A graphics card of its own.",
        "OPERATING_SYSTEM": "An operating system.",
    },
)
graphql_enum(
    RuleUnit,
    "What a value is for.",
    {"GB": "Each GB of its size; for memory and storage only.", "ITEM": "The whole of it."},
)
graphql_enum(
    ListingFlag,
    "Why the price of an offer is not the price of one thing that can be bought.",
    {
        "BUNDLE": "Sold together with other things.",
        "LOT": "Several in one.",
        "AUCTION": "The price is a bid.",
    },
)


@strawberry.type(description="A drive that is offered with a CPU.")
class ListingStorage:
    size_gb: int = strawberry.field(description="Size in GB, as sold (1 TB is 1000).")
    kind: str | None = strawberry.field(description="SSD, NVMe SSD, HDD or eMMC; null when not told.")


@strawberry.type(description="What was deducted for one thing that is offered beside the CPU.")
class ValuationDeduction:
    component: Component = strawberry.field(description="What it is.")
    read: str = strawberry.field(description='As it was read: "16 GB DDR4", "Windows 11 Pro".')
    quantity: int = strawberry.field(description="GB, or 1 for an item.")
    unit: RuleUnit = strawberry.field(description="What `unitValue` is for.")
    unit_value: float = strawberry.field(description="USD, of the rule.")
    condition_multiplier: float = strawberry.field(description="Factor for the condition of the offer, of the rule.")
    amount: float = strawberry.field(description="USD, not rounded: quantity x unitValue x conditionMultiplier.")
    rule_id: strawberry.ID = strawberry.field(description="The rule, as it was then; it may have been deleted since.")

    @classmethod
    def of(cls, entry: dict[str, Any]) -> ValuationDeduction:
        """From an entry of `listing.valuation`."""
        return cls(
            component=Component(entry["component"]),
            read=entry["read"],
            quantity=entry["quantity"],
            unit=RuleUnit(entry["unit"]),
            unit_value=float(entry["unit_value"]),
            condition_multiplier=float(entry["condition_multiplier"]),
            amount=float(entry["amount"]),
            rule_id=strawberry.ID(encode_global_id("ValuationRule", entry["rule_id"])),
        )


@strawberry.type(description="How the adjusted price of an offer was found: total x exchangeRate - deductions.")
class Valuation:
    total: float = strawberry.field(description="Price and shipping, in `currency`.")
    currency: str = strawberry.field(description="ISO 4217 code.")
    exchange_rate: float = strawberry.field(description="USD per unit of the currency; 1 for USD.")
    exchange_rate_date: datetime | None = strawberry.field(
        description="Day of the rate (its midnight, UTC), the newest when the offer was last seen; null for USD."
    )
    total_usd: float = strawberry.field(description="The total in USD, not rounded.")
    deductions: list[ValuationDeduction] = strawberry.field(
        description="For what is offered beside the CPU, as far as there are rules for it.",
        directives=[ListSize(assumed_size=5)],
    )
    adjusted_price: float | None = strawberry.field(
        description="USD, rounded to cents; null when the deductions are as much as the total, or more."
    )


def valuation_of(self: Any) -> Valuation | None:
    """Of a row of listing columns. What is not stored is an offer in USD that carries nothing, or one without price."""
    adjusted, currency = self["adjusted_price"], self["currency"]
    if self["valuation"] is None:
        return None if adjusted is None else _plain(adjusted, currency)
    found = orjson.loads(self["valuation"])
    day = found["rate_date"]
    return Valuation(
        total=float(found["total"]),
        currency=currency,
        exchange_rate=float(found["rate"]),
        exchange_rate_date=None if day is None else datetime.combine(date.fromisoformat(day), time(), UTC),
        total_usd=float(found["total_usd"]),
        deductions=[ValuationDeduction.of(entry) for entry in found["deductions"]],
        adjusted_price=adjusted,
    )


def _plain(adjusted: float, currency: str) -> Valuation:
    return Valuation(
        total=adjusted,
        currency=currency,
        exchange_rate=1.0,
        exchange_rate_date=None,
        total_usd=adjusted,
        deductions=[],
        adjusted_price=adjusted,
    )


def storage_of(self: Any) -> list[ListingStorage]:
    """Of a row of listing columns."""
    return [
        ListingStorage(size_gb=each["size_gb"], kind=each["kind"]) for each in orjson.loads(self["storage"] or "[]")
    ]


def flags_of(self: Any) -> list[ListingFlag]:
    """Of a row of listing columns."""
    return [ListingFlag(flag) for flag in self["flags"] or ()]
