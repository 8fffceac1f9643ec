"""The adjusted price of an offer: what its CPU costs, in USD.

    (price + shipping) x the rate of the newest date that is not after the time seen
    - what the offer carries beside the CPU, by the rules in force now

A boxed CPU in USD carries nothing: its adjusted price is price + shipping. Null without a price, in a currency without
a rate, for parts, for a flag (bundle, lot, auction) or more than one, and when the parts alone are worth as much as is
asked: then what was read cannot be right, and the offer must not look like the cheapest of all.

Whoever writes listings writes the columns `CARRIED` (`carried` reads them from a title), and sets `adjusted_price` and
`valuation` to the expressions of the same names below, over what the row will hold. What another source knew of the
parts stays where this one does not tell:

    parts = {name: f"coalesce(excluded.{name}, listing.{name})" for name in PARTS}
    values = {**{name: f"excluded.{name}" for name in VALUED}, **parts}
    f"... ON CONFLICT (offer_key) DO UPDATE SET price = excluded.price, ...,
      adjusted_price = {adjusted_price(values)}, valuation = {valuation(values)}"

With no rules and no rates these are the plain price + shipping in USD. Most offers never call the function
`listing_valuation`, which reads rules and rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.db.tables import Condition, ListingFlag
from app.titles.components import Parts, read_parts

# Columns of `listing`: what an offer carries, and all that its adjusted price is made of.
PARTS = ("memory_gb", "memory_kind", "storage", "graphics", "operating_system")
CARRIED = (*PARTS, "quantity", "flags")
_PRICED = ("price", "shipping", "currency", "condition", "seen_at")
VALUED = (*_PRICED, *CARRIED)

# GB. What claims to be larger is a misprint, and would not fit into its column.
LARGEST = 1_000_000

_IS_NO_PRICE = f"{{condition}} = '{Condition.FOR_PARTS}' OR {{quantity}} > 1 OR {{flags}} IS NOT NULL"
# A kind of memory without its size is not worth anything.
_IS_PLAIN = " AND ".join(["{currency} = 'USD'", *(f"{{{name}}} IS NULL" for name in PARTS if name != "memory_kind")])
_FUNCTION = f"listing_valuation({', '.join(f'{{{name}}}' for name in (*_PRICED, *PARTS))})"


def adjusted_price(values: Mapping[str, str], found: str | None = None) -> str:
    """SQL for `text`: the adjusted price of a row that holds these `values`, which are SQL by the names in VALUED.

    `found`: the SQL of a column that holds the valuation of these values, which then is not looked for again.
    """
    looked_up = _FUNCTION.format_map(values) if found is None else found
    return (
        f"CASE WHEN {_IS_NO_PRICE} THEN NULL WHEN {_IS_PLAIN} THEN {{price}} + coalesce({{shipping}}, 0) "
    ).format_map(values) + f"ELSE ({looked_up} ->> 'adjusted')::numeric END"


def valuation(values: Mapping[str, str]) -> str:
    """SQL for `text`: how it is found (jsonb), null where it is price + shipping and where there is no price."""
    return f"CASE WHEN NOT ({_IS_NO_PRICE}) AND NOT ({_IS_PLAIN}) THEN {_FUNCTION} END".format_map(values)


def carried(
    title: str, *, memory: str | None = None, storage: str | None = None, flags: Iterable[ListingFlag] = ()
) -> dict[str, Any]:
    """Values of the columns CARRIED: what the title tells; where it tells of none, a page's own `memory` and `storage`.

    Those are texts like "16 GB DDR4" and "512GB SSD".
    """
    parts = read_parts(title)
    beside = read_parts(f"{memory} memory") if memory and parts.memory_gb is None else Parts()
    drives = parts.storage or (read_parts(f"{storage} storage").storage if storage else ())
    has_memory = parts.memory_gb if parts.memory_gb is not None else beside.memory_gb
    kept = [{"size_gb": drive.size_gb, "kind": drive.kind} for drive in drives if 0 < drive.size_gb <= LARGEST]
    return {
        "memory_gb": has_memory if has_memory is not None and 0 < has_memory <= LARGEST else None,
        "memory_kind": parts.memory_kind or beside.memory_kind,
        "storage": kept or None,
        "graphics": parts.graphics,
        "operating_system": parts.operating_system,
        "quantity": parts.quantity,
        "flags": sorted(set(flags)) or None,
    }
