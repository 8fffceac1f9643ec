"""GraphQL side of URL imports: types, loaders, queries, mutations and the progress subscription."""
