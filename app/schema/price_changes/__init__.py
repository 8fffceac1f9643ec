"""GraphQL side of price change events."""
