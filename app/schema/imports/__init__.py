"""GraphQL side of URL imports."""
