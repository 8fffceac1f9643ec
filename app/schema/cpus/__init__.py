"""GraphQL side of CPUs: types, loaders, queries, filters (`inputs`), `facets` and `title_match`."""
