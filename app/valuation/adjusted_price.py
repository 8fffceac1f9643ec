"""The adjusted price of an offer: the price of its CPU in USD.

    (price + shipping) x exchange rate - deductions for components that are sold with the CPU

The exchange rate is the newest one that is not later than the time the offer was seen. Deductions follow the valuation
rules in force now. A boxed CPU in USD has no deductions: its adjusted price is price + shipping.

The adjusted price is null without a price, in a currency without a rate, for parts, for more than one item, with a flag
(bundle, lot, auction), and if the deductions reach the price: then a component was misread, and the offer must not
appear as the cheapest of all.

Code that writes `listing` writes the columns ATTRIBUTE_COLUMNS (`offer_attributes` reads them from a title), and sets
`adjusted_price` and `valuation` to the SQL expressions that the functions of these names return for the new values of
the row. A component that one source does not mention keeps the value of another source:

    components = {name: f"coalesce(excluded.{name}, listing.{name})" for name in COMPONENT_COLUMNS}
    values = {**{name: f"excluded.{name}" for name in VALUATION_INPUTS}, **components}
    f"... ON CONFLICT (offer_key) DO UPDATE SET price = excluded.price, ...,
      adjusted_price = {adjusted_price(values)}, valuation = {valuation(values)}"

The database function `listing_valuation` applies rules and rates. Most offers are boxed CPUs in USD and never call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.db.tables import Condition, ListingFlag
from app.titles.components import Components, parse_components

# Columns of `listing` for components that are sold with the CPU.
COMPONENT_COLUMNS = ("memory_gb", "memory_kind", "storage", "graphics", "operating_system")
# Columns of `listing` that `offer_attributes` reads from a title.
ATTRIBUTE_COLUMNS = (*COMPONENT_COLUMNS, "quantity", "flags")
_PRICE_COLUMNS = ("price", "shipping", "currency", "condition", "seen_at")
# All columns that determine the adjusted price.
VALUATION_INPUTS = (*_PRICE_COLUMNS, *ATTRIBUTE_COLUMNS)

# GB. A larger size is a misprint and would not fit into its column.
MAX_SIZE_GB = 1_000_000

_HAS_NO_PRICE = f"{{condition}} = '{Condition.FOR_PARTS}' OR {{quantity}} > 1 OR {{flags}} IS NOT NULL"
# A kind of memory without a size has no value and needs no rule.
_IS_PLAIN_USD = " AND ".join(
    ["{currency} = 'USD'", *(f"{{{name}}} IS NULL" for name in COMPONENT_COLUMNS if name != "memory_kind")]
)
_VALUATION_CALL = f"listing_valuation({', '.join(f'{{{name}}}' for name in (*_PRICE_COLUMNS, *COMPONENT_COLUMNS))})"


def adjusted_price(values: Mapping[str, str], valuation_column: str | None = None) -> str:
    """Return SQL for the adjusted price of a row with these values.

    `values` maps each name of VALUATION_INPUTS to an SQL expression. `valuation_column` is an expression that holds the
    valuation of these values already, so that `listing_valuation` is not called a second time.
    """
    details = _VALUATION_CALL.format_map(values) if valuation_column is None else valuation_column
    return (
        f"CASE WHEN {_HAS_NO_PRICE} THEN NULL WHEN {_IS_PLAIN_USD} THEN {{price}} + coalesce({{shipping}}, 0) "
    ).format_map(values) + f"ELSE ({details} ->> 'adjusted')::numeric END"


def valuation(values: Mapping[str, str]) -> str:
    """Return SQL for the valuation, the derivation of the adjusted price as jsonb; see `adjusted_price` for `values`.

    It is null for an offer without an adjusted price, and where the adjusted price is price + shipping.
    """
    return f"CASE WHEN NOT ({_HAS_NO_PRICE}) AND NOT ({_IS_PLAIN_USD}) THEN {_VALUATION_CALL} END".format_map(values)


def offer_attributes(
    title: str, *, memory: str | None = None, storage: str | None = None, flags: Iterable[ListingFlag] = ()
) -> dict[str, Any]:
    """Return the values of ATTRIBUTE_COLUMNS for an offer.

    They are read from the title. If it does not mention memory or storage, the page's own texts are used: `memory` like
    "16 GB DDR4" and `storage` like "512GB SSD".
    """
    components = parse_components(title)
    page_memory = parse_components(f"{memory} memory") if memory and components.memory_gb is None else Components()
    drives = components.storage or (parse_components(f"{storage} storage").storage if storage else ())
    memory_gb = components.memory_gb if components.memory_gb is not None else page_memory.memory_gb
    valid_drives = [
        {"size_gb": drive.size_gb, "kind": drive.kind} for drive in drives if 0 < drive.size_gb <= MAX_SIZE_GB
    ]
    return {
        "memory_gb": memory_gb if memory_gb is not None and 0 < memory_gb <= MAX_SIZE_GB else None,
        "memory_kind": components.memory_kind or page_memory.memory_kind,
        "storage": valid_drives or None,
        "graphics": components.graphics,
        "operating_system": components.operating_system,
        "quantity": components.quantity,
        "flags": sorted(set(flags)) or None,
    }
