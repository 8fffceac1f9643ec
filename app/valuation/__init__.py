"""Adjusted prices: exchange rates, valuation rules and revaluation.

- `adjusted_price`: the SQL expressions for the adjusted price of an offer, and the attributes read from its title.
- `rules_sql`: valuation rules. `currencies`: accepted currencies.
- `rate_import` with `rate_import_sql`: import of exchange rates.
- `revaluation` with `revaluation_sql`: recomputes adjusted prices after a change of rules or rates.
"""
