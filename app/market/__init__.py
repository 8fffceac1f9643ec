"""Listings (offers) of CPUs and their prices over time.

- `listing_sql`, `price_history_sql`, `price_ranges`: read listings, price distributions and price histories.
- `upsert` with `upsert_sql`: store offers of fetched pages. `imports`: files of listings and price snapshots.
- `offer_key`: the identity of an offer. `title_flags`, `vocabulary`: what sellers' words mean.
- `lifecycle`, `retention`: missing and ended listings. `price_partitions`: monthly partitions of `price_observation`.

Every write to `listing` runs triggers, see `app/db/functions`: they append to `price_observation` (price history),
`data_change_log` (CPUs to recalculate) and `outbox` (price change events), and count active listings.
"""
