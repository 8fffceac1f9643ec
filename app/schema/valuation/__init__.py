"""GraphQL side of valuations and valuation rules."""
