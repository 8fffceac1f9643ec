"""GraphQL side of persisted documents."""
