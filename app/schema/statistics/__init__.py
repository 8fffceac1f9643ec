"""GraphQL side of catalogue statistics."""
