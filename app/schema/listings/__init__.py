"""GraphQL side of listings and price histories."""
