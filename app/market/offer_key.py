"""The identity of an offer: rows with the same key are observations of one listing."""

from __future__ import annotations

_NORMALIZED = r"btrim(regexp_replace(lower({}), '[^[\:alnum\:]]+', ' ', 'g'))"

# SQL for `listing.offer_key`, a SHA-256 of the marketplace and its id of the item. Without an id, it is the SHA-256 of
# title, seller and marketplace in lower case, with each run of other characters than letters and digits replaced by a
# space, so that "Dell - X" equals "Dell X". The letter in front separates the two kinds of keys, chr(31) their parts.
# The price is not part of the key.
OFFER_KEY = f"""sha256(convert_to(CASE
    WHEN vendor_item_id IS NOT NULL THEN 'v' || chr(31) || lower(marketplace) || chr(31) || vendor_item_id
    ELSE 't' || chr(31) || {_NORMALIZED.format("title")} || chr(31) || {_NORMALIZED.format("coalesce(seller, '')")}
        || chr(31) || {_NORMALIZED.format("marketplace")} END, 'UTF8'))"""
