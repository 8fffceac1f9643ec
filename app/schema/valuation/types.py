"""GraphQL types of the components of an offer and the valuation of its adjusted price."""

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
    "Component that can be sold with a CPU.",
    {
        "MEMORY": "Memory modules.",
        "STORAGE": "A drive.",
        "GRAPHICS": "A discrete graphics card.",
        "OPERATING_SYSTEM": "An operating system.",
    },
)
graphql_enum(
    RuleUnit,
    "Unit of the value of a rule.",
    {"GB": "A gigabyte; for memory and storage only.", "ITEM": "The whole component."},
)
graphql_enum(
    ListingFlag,
    "Reason why the price of an offer is not the price of one CPU.",
    {
        "BUNDLE": "The CPU is sold in a bundle with other items.",
        "LOT": "Several items are sold together.",
        "AUCTION": "The price is a bid in an auction.",
    },
)


@strawberry.type(description="A drive that is included in an offer.")
class ListingStorage:
    size_gb: int = strawberry.field(description="Size in GB as sold: 1 TB is 1000 GB.")
    kind: str | None = strawberry.field(description="SSD, NVMe SSD, HDD or eMMC; null if not mentioned.")


@strawberry.type(description="Deduction for one component that is sold with the CPU.")
class ValuationDeduction:
    component: Component = strawberry.field(description="Component.")
    read: str = strawberry.field(description='Description of the component, such as "16 GB DDR4" or "Windows 11 Pro".')
    quantity: int = strawberry.field(description="Number of units: GB, or 1 for an item.")
    unit: RuleUnit = strawberry.field(description="Unit of `unitValue`.")
    unit_value: float = strawberry.field(description="Value of the rule in USD per unit.")
    condition_multiplier: float = strawberry.field(description="Factor of the rule for the condition of the offer.")
    amount: float = strawberry.field(
        description="Deduction in USD, not rounded: quantity x unitValue x conditionMultiplier."
    )
    rule_id: strawberry.ID = strawberry.field(
        description="Global id of the rule at the time of the valuation; it may have been deleted since."
    )

    @classmethod
    def of(cls, entry: dict[str, Any]) -> ValuationDeduction:
        """Return the object for an entry of `listing.valuation`."""
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


@strawberry.type(description="How the adjusted price of an offer is computed: total x exchangeRate - deductions.")
class Valuation:
    total: float = strawberry.field(description="Price plus shipping, in `currency`.")
    currency: str = strawberry.field(description="Currency of `total`, an ISO 4217 code.")
    exchange_rate: float = strawberry.field(description="USD per unit of the currency; 1 for USD.")
    exchange_rate_date: datetime | None = strawberry.field(
        description="Day of the rate (midnight in UTC), the newest one at the last observation of the offer; null "
        "for USD."
    )
    total_usd: float = strawberry.field(description="Total in USD, not rounded.")
    deductions: list[ValuationDeduction] = strawberry.field(
        description="Deductions for components with a rule; empty without any.",
        directives=[ListSize(assumed_size=5)],
    )
    adjusted_price: float | None = strawberry.field(
        description="Adjusted price in USD, rounded to cents; null if the deductions reach the total."
    )


def valuation_of(self: Any) -> Valuation | None:
    """Return the valuation of a listing row.

    It is not stored for offers without an adjusted price, and for offers in USD without other components.
    """
    adjusted, currency = self["adjusted_price"], self["currency"]
    if self["valuation"] is None:
        return None if adjusted is None else _plain_valuation(adjusted, currency)
    stored = orjson.loads(self["valuation"])
    day = stored["rate_date"]
    return Valuation(
        total=float(stored["total"]),
        currency=currency,
        exchange_rate=float(stored["rate"]),
        exchange_rate_date=None if day is None else datetime.combine(date.fromisoformat(day), time(), UTC),
        total_usd=float(stored["total_usd"]),
        deductions=[ValuationDeduction.of(entry) for entry in stored["deductions"]],
        adjusted_price=adjusted,
    )


def _plain_valuation(adjusted: float, currency: str) -> Valuation:
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
    """Return the drives of a listing row."""
    return [
        ListingStorage(size_gb=drive["size_gb"], kind=drive["kind"]) for drive in orjson.loads(self["storage"] or "[]")
    ]


def flags_of(self: Any) -> list[ListingFlag]:
    """Return the flags of a listing row."""
    return [ListingFlag(flag) for flag in self["flags"] or ()]
