"""The GraphQL schema: one package per domain, composed in `build`.

Each package has `types.py`, `queries.py`, `mutations.py` and `loaders.py` as far as it needs them. SQL and logic are in
the package of the same domain below `app`.
"""
