"""GraphQL side of valuation rules."""
