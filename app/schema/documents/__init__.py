"""GraphQL side of the persisted documents."""
