"""GraphQL side of listings and price history."""
