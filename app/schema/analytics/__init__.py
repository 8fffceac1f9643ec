"""GraphQL side of price targets, performance values and their recalculation and verification."""
